"""Stores the log lines of executions, and answers for all of the log."""

from collections.abc import Sequence
from typing import Final

import structlog
from anyio import current_time, sleep

from dtaas.concurrency.logbook import LogBook, LogLine
from dtaas.model.errors import DtaasError
from dtaas.model.ids import ExecutionId, TaskId
from dtaas.store.execution_logs import ExecutionLogLine, ExecutionLogs
from dtaas.store.page import Page, Window

log = structlog.get_logger()
_STORE_EVERY_S: Final = 1.0
_LOOK_EVERY_S: Final = 0.2
_LINES_AT_ONCE: Final = 500
LONGEST_WAIT_S: Final = 30.0


class LogService:
    """Reads and keeps the log."""

    def __init__(self, book: LogBook, logs: ExecutionLogs) -> None:
        self._book = book
        self._logs = logs

    async def serve(self) -> None:
        """Store the lines of executions until cancelled."""
        while True:
            await sleep(_STORE_EVERY_S)
            await self.store_waiting()

    async def store_waiting(self) -> None:
        """Store what waits. Lines that the store cannot take are lost to it, not to the log."""
        while lines := self._book.take(_LINES_AT_ONCE):
            try:
                await self._logs.append(lines)
            except DtaasError as error:
                log.warning("log_lines_not_stored", lines=len(lines), code=error.code)
                return

    async def of_execution(
        self, execution_id: ExecutionId, *, level: str, after: int, window: Window
    ) -> Page[ExecutionLogLine]:
        """Return a page of an execution's lines, those of this moment too.

        Raises:
            NotFoundError: no such execution.
        """
        await self.store_waiting()
        return await self._logs.list(execution_id, level=level, after=after, window=window)

    async def follow(
        self, after: int, *, level: str, task_id: TaskId | None, most: int, wait_s: float
    ) -> Sequence[LogLine]:
        """Return the lines after a number; when there is none, wait for one.

        Args:
            after: -1 asks for the last `most` lines there are.
            wait_s: how long to wait at most.
        """
        if after < 0:
            return self._book.after(0, level=level, task_id=task_id, most=10**9)[-most:]
        deadline = current_time() + min(wait_s, LONGEST_WAIT_S)
        while True:
            found = self._book.after(after, level=level, task_id=task_id, most=most)
            if found or current_time() >= deadline:
                return found
            await sleep(_LOOK_EVERY_S)

    @property
    def last_number(self) -> int:
        """Return the number of the newest line."""
        return self._book.last_number
