"""The log lines of executions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert, select

from dtaas.concurrency.logbook import LogLine, level_number
from dtaas.model.ids import ExecutionId
from dtaas.store.database import Database
from dtaas.store.executions import find_execution
from dtaas.store.page import Page, Window, fetch_page
from dtaas.store.tables import execution_logs, task_executions

_SORTABLE: Final = {"id": execution_logs.c.id}


class ExecutionLogLine(Struct, frozen=True, kw_only=True):
    """A stored line. `id` rises over all lines."""

    id: int
    at: datetime
    level: str
    event: str
    fields: dict[str, Any]


class ExecutionLogs:
    """Stores and reads lines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, lines: Sequence[LogLine]) -> None:
        """Store lines, all or none; those of executions that are gone are dropped."""
        wanted = {line.execution_id for line in lines}

        def work(connection: Connection) -> None:
            known = set(
                connection.scalars(
                    select(task_executions.c.id).where(task_executions.c.id.in_(wanted))
                )
            )
            rows = [
                {
                    "execution_id": line.execution_id,
                    "at": line.at,
                    "level": level_number(line.level),
                    "event": line.event,
                    "fields": msgspec.json.encode(line.fields).decode(),
                }
                for line in lines
                if line.execution_id in known
            ]
            if rows:
                connection.execute(insert(execution_logs), rows)

        await self._database.write(work)

    async def list(
        self, execution_id: ExecutionId, *, level: str, after: int, window: Window
    ) -> Page[ExecutionLogLine]:
        """Return a page of an execution's lines, the oldest first unless sorted otherwise.

        Args:
            level: the least grave that counts.
            after: only lines with a higher id.

        Raises:
            NotFoundError: no such execution.
        """
        query = select(execution_logs).where(
            execution_logs.c.execution_id == execution_id,
            execution_logs.c.level >= level_number(level),
            execution_logs.c.id > after,
        )

        def work(connection: Connection) -> Page[ExecutionLogLine]:
            find_execution(connection, execution_id)
            rows, total = fetch_page(connection, query, window, _SORTABLE, execution_logs.c.id)
            items = tuple(
                ExecutionLogLine(
                    id=row.id,
                    at=row.at,
                    level=_NAMES.get(row.level, "info"),
                    event=row.event,
                    fields=msgspec.json.decode(row.fields, type=dict[str, Any]),
                )
                for row in rows
            )
            return Page(items=items, total=total, limit=window.limit, offset=window.offset)

        return await self._database.read(work)


LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_NAMES: Final = {level_number(name): name for name in LEVELS}
