"""One way to the driver's thread and back a statement, where aiosqlite's own cursor takes four.

That one makes a cursor, executes, fetches and closes in a call to its thread each. While a load
keeps the interpreter busy a call takes milliseconds, because each of two threads waits for its
turn: a page of figures that asks ten questions would make fifty.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Concatenate, ParamSpec, Self

import aiosqlite

P = ParamSpec("P")


class StatementCursor:
    """Executes a statement, fetches all of its rows and forgets it, in one call to the thread.

    It is what SQLAlchemy asks of the cursor of an asynchronous driver whose results it reads whole
    (`sqlalchemy.connectors.asyncio.AsyncIODBAPICursor`).

    Attributes:
        description: the columns of the last statement as PEP 249 says; None if it has no rows.
        rowcount: rows changed by the last statement, -1 where there is no such number.
        lastrowid: of the last row inserted.
    """

    def __init__(self, connection: "StatementConnection") -> None:
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1
        self._connection = connection
        self._rows: Sequence[Any] = ()

    async def __aenter__(self) -> Self:
        """Return the cursor itself: there is nothing to open."""
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> Self:
        """Execute a statement once."""
        await self._connection.call(self._run, sqlite3.Cursor.execute, sql, parameters)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Self:
        """Execute a statement for each of `parameters`."""
        await self._connection.call(self._run, sqlite3.Cursor.executemany, sql, parameters)
        return self

    async def fetchall(self) -> Sequence[Any]:
        """Return the rows, which are here already."""
        return self._rows

    async def close(self) -> None:
        """Let go of the rows."""
        self._rows = ()

    def _run(
        self,
        connection: sqlite3.Connection,
        execute: Callable[[sqlite3.Cursor, str, Any], Any],
        sql: str,
        parameters: Any,
    ) -> None:
        cursor = connection.cursor()
        try:
            execute(cursor, sql, parameters)
            self._rows = cursor.fetchall()
            self.description = cursor.description
            self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
        finally:
            cursor.close()


class StatementConnection(aiosqlite.Connection):
    """A connection whose transactions begin on the way of their first statement."""

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self._thread.daemon = True  # as SQLAlchemy does with those it makes: exit waits for no disk
        self._begin: str | None = None

    def begin(self, statement: str) -> None:
        """Begin a transaction with `statement`, which is executed before the first one in it."""
        self._begin = statement

    def cursor(self) -> Any:  # an async context manager there, and one here
        """Return a cursor; no thread is asked for it."""
        return StatementCursor(self)

    async def commit(self) -> None:
        """Commit what was begun, if any."""
        if self._end():
            await super().commit()

    async def rollback(self) -> None:
        """Roll back what was begun, if any."""
        if self._end():
            await super().rollback()

    async def call(
        self,
        fn: Callable[Concatenate[sqlite3.Connection, P], None],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Call `fn` in the driver's thread, within the transaction."""

        def work() -> None:
            if self._begin is not None:
                self._conn.execute(self._begin)
                self._begin = None  # not before: without it a statement would be on its own
            fn(self._conn, *args, **kwargs)

        await self._execute(work)  # type: ignore[no-untyped-call]

    def _end(self) -> bool:
        """Return whether there is a transaction to end; one without a statement ends here."""
        self._begin = None
        return self._connection is not None and self._connection.in_transaction


def connect(database: str, **options: Any) -> StatementConnection:
    """Return a connection to await; `options` are those of `sqlite3.connect`."""
    return StatementConnection(lambda: sqlite3.connect(database, **options))
