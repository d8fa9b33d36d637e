"""Plays the steps of a workload over ordinary connections."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import FatalError
from dtaas.sandbox.workload.workload import Step


class Cursor(Protocol):
    """A cursor of the DB-API."""

    rowcount: int

    def execute(self, sql: str, /) -> object: ...
    def nextset(self) -> bool | None: ...
    def close(self) -> object: ...


class Connection(Protocol):
    """A connection of the DB-API in autocommit mode."""

    def cursor(self) -> Cursor: ...
    def close(self) -> object: ...


class Player:
    """Plays one step at a time."""

    def __init__(self, connections: list[Connection], blocking: Blocking) -> None:
        self._connections = connections
        self._blocking = blocking

    async def play(self, step: Step) -> None:
        """Run a step to its end.

        Raises:
            FatalError: the server changed another number of rows than the workload knows of.
            Exception: the driver's own, as it is.
        """
        count = await self._blocking(_run, self._connections[step.session], step.sql)
        if step.count not in {-1, count}:
            raise FatalError(
                f"A step changed {count} rows instead of {step.count}: {step.sql[:500]}",
                hint="The server or the workload is wrong: play the same seed again.",
            )


@asynccontextmanager
async def player(connect: Callable[[], Connection], sessions: int) -> AsyncIterator[Player]:
    """Open a connection for each session and close them behind the block."""
    blocking = Blocking(1)
    async with AsyncExitStack() as stack:
        connections = []
        for _ in range(sessions):
            connection = await blocking(connect)
            stack.push_async_callback(blocking, connection.close)
            connections.append(connection)
        yield Player(connections, blocking)


def _run(connection: Connection, sql: str) -> int:
    """Run a batch and return the rows its first statement counts."""
    cursor = connection.cursor()
    try:
        cursor.execute(sql)
        count = cursor.rowcount
        while cursor.nextset():
            pass
    finally:
        cursor.close()
    return count
