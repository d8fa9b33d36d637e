"""The last lines of the log in memory, for whoever asks the daemon for them.

It is a processor of structlog: every line that is written passes it. It never waits and never
fails; what nobody fetched in time is gone, and counted.
"""

import itertools
import logging
from collections import deque
from collections.abc import Mapping, MutableMapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct, to_builtins

from dtaas.model.ids import ExecutionId, TaskId

ACCESS_LOGGER: Final = "dtaas.access"
KEPT_LINES: Final = 5_000
_WAITING_LINES: Final = 20_000
_MOST_TEXT: Final = 4_000
_OWN: Final = frozenset({"event", "level", "logger", "timestamp", "exc_info", "stack_info"})
_PLAIN: Final = (str, int, float, bool, type(None))


class LogLine(Struct, frozen=True, kw_only=True):
    """A line of the log.

    Attributes:
        number: rises by one with every line; a gap was lost.
        fields: the facts of the event by name.
    """

    number: int
    at: datetime
    level: str
    event: str
    task_id: TaskId | None = None
    execution_id: ExecutionId | None = None
    fields: Mapping[str, Any]


class LogBook:
    """Keeps the last lines, and those of executions until they are stored."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._lines: deque[LogLine] = deque(maxlen=KEPT_LINES)
        self._of_executions: deque[LogLine] = deque(maxlen=_WAITING_LINES)
        self._running: dict[TaskId, ExecutionId] = {}

    def __call__(
        self, logger: Any, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Note a line and hand it on unchanged."""
        del logger, method
        if event.get("logger") == ACCESS_LOGGER:
            return event  # whoever follows the log would see himself looking
        line = self._line(event)
        self._lines.append(line)
        if line.execution_id is not None:
            self._of_executions.append(line)
        return event

    def _line(self, event: Mapping[str, Any]) -> LogLine:
        task_id, execution_id = event.get("task_id"), event.get("execution_id")
        if isinstance(task_id, int):
            if isinstance(execution_id, int):
                self._running[TaskId(task_id)] = ExecutionId(execution_id)
            else:  # said around an execution, by those who start and end it
                execution_id = self._running.get(TaskId(task_id))
            if event.get("event") == "execution_ended":
                self._running.pop(TaskId(task_id), None)
        fields = {k: _plain(v) for k, v in event.items() if k not in _OWN and k[:1] != "_"}
        trouble = _trouble(event.get("exc_info"))
        return LogLine(
            number=next(self._numbers),
            at=datetime.fromisoformat(str(event["timestamp"])),
            level=str(event.get("level", "info")),
            event=str(event.get("event", ""))[:_MOST_TEXT],
            task_id=TaskId(task_id) if isinstance(task_id, int) else None,
            execution_id=ExecutionId(execution_id) if isinstance(execution_id, int) else None,
            fields=fields | ({"exception": trouble} if trouble else {}),
        )

    @property
    def last_number(self) -> int:
        """Return the number of the newest line, 0 before the first."""
        return self._lines[-1].number if self._lines else 0

    def after(
        self, number: int, *, level: str = "debug", task_id: TaskId | None = None, most: int
    ) -> Sequence[LogLine]:
        """Return the oldest lines kept after a number, at least as grave as `level`."""
        least = level_number(level)
        found = (
            line
            for line in tuple(self._lines)
            if line.number > number
            and level_number(line.level) >= least
            and task_id in {None, line.task_id}
        )
        return list(itertools.islice(found, most))

    def take(self, most: int) -> list[LogLine]:
        """Return up to `most` lines of executions that nobody took yet."""
        taken: list[LogLine] = []
        while self._of_executions and len(taken) < most:
            taken.append(self._of_executions.popleft())
        return taken


LOGBOOK: Final = LogBook()
"""The daemon's own; logging is one in a process too."""


def level_number(level: str) -> int:
    """Return how grave a level is."""
    found = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    return int(found)


def _plain(value: object) -> object:
    if isinstance(value, str):
        return value[:_MOST_TEXT]
    if isinstance(value, _PLAIN):
        return value
    try:
        return to_builtins(value, str_keys=True)
    except (TypeError, ValueError, RecursionError):
        return str(value)[:_MOST_TEXT]


def _trouble(exc_info: object) -> str:
    """Return kind and text of an exception; its traceback stands in the daemon's own log."""
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    return f"{type(error).__name__}: {error}"[:_MOST_TEXT] if isinstance(error, Exception) else ""
