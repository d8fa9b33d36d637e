"""`/api/logs` and the log level."""

from enum import StrEnum
from typing import Annotated, TypeAlias

from litestar import Controller, get, put
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter
from msgspec import Struct

from dtaas.api.path_ids import task_id_of
from dtaas.concurrency.logbook import LogLine
from dtaas.logs import present_level, set_level
from dtaas.model.identity import Role
from dtaas.services.log_keeper import LONGEST_WAIT_S, LogService


class Level(StrEnum):
    """How grave a line is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


LeastLevel: TypeAlias = Annotated[
    Level, QueryParameter(description="The least grave lines of the answer")
]


class LogLines(Struct, frozen=True, kw_only=True):
    """Lines of the log. Ask with `after` = `last` for those that follow."""

    items: tuple[LogLine, ...]
    last: int


class LogLevel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The level in force until the daemon stops."""

    level: Level


class LogController(Controller):
    """The daemon's log."""

    path = "/api/logs"
    tags = ("System",)

    @get("/", summary="Read or follow the log")
    async def read(
        self,
        *,
        logs: NamedDependency[LogService],
        after: Annotated[
            int,
            QueryParameter(ge=-1, le=2**53, description="Last number known; -1 for the newest"),
        ] = -1,
        level: LeastLevel = Level.INFO,
        task_id: FromQuery[int | None] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 200,
        wait_s: Annotated[
            float,
            QueryParameter(ge=0, le=LONGEST_WAIT_S, description="Wait so long for a first line"),
        ] = 0,
    ) -> LogLines:
        """The newest lines in memory; executions keep theirs in the metadata database."""
        last = logs.last_number
        lines = await logs.follow(
            after,
            level=level,
            task_id=None if task_id is None else task_id_of(task_id),
            most=limit,
            wait_s=wait_s,
        )
        return LogLines(items=tuple(lines), last=lines[-1].number if lines else max(after, last))

    @get("/level", summary="Read the log level", sync_to_thread=False)
    def level(self) -> LogLevel:
        """What is written."""
        return LogLevel(level=Level(present_level()))

    @put("/level", summary="Change the log level", sync_to_thread=False, least_role=Role.ADMIN)
    def change_level(self, data: JSONBody[LogLevel]) -> LogLevel:
        """Until the daemon stops; [log] level says what holds after that."""
        set_level(data.level)
        return data
