"""pyodbc in threads, with everything a batch answers."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pyodbc
import pytest
from msgspec import Struct

from dtaas.concurrency.blocking import Blocking
from dtaas.sandbox.sqlserver.simulated import SimulatedSqlServer

pyodbc.pooling = False
_NUMBER = re.compile(r"\((\d+)\) \(SQL\w+\)")


class Result(Struct, frozen=True):
    """One answer of a batch: rows with their column names, or a row count."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    count: int


class OdbcSession:
    """One connection; use it from one task at a time."""

    def __init__(self, connection: pyodbc.Connection, blocking: Blocking) -> None:
        self.connection = connection
        self.blocking = blocking

    async def run(self, sql: str, *parameters: Any) -> list[Result]:
        """Run a batch to its end."""
        return await self.blocking(self._run, sql, parameters)

    async def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Return the rows of the last result set."""
        results = await self.run(sql, *parameters)
        return next(r.rows for r in reversed(results) if r.columns)

    async def value(self, sql: str, *parameters: Any) -> Any:
        """Return the first value of the last result set."""
        return (await self.rows(sql, *parameters))[0][0]

    async def fails(self, sql: str, *parameters: Any) -> tuple[int, str]:
        """Return number and text of the error a batch ends with."""
        with pytest.raises(pyodbc.Error) as caught:
            await self.run(sql, *parameters)
        return number_of(caught.value), text_of(caught.value)

    def _run(self, sql: str, parameters: tuple[Any, ...]) -> list[Result]:
        results = []
        cursor = self.connection.cursor()
        try:
            cursor.execute(sql, *parameters)
            while True:
                columns = tuple(d[0] for d in cursor.description or ())
                rows = [tuple(row) for row in cursor.fetchall()] if columns else []
                results.append(Result(columns, rows, cursor.rowcount))
                if not cursor.nextset():
                    return results
        finally:
            cursor.close()


class Connector(Struct, frozen=True):
    """Opens sessions on a server."""

    server: SimulatedSqlServer
    driver: str
    database: str

    def text(self, **options: Any) -> str:
        """Return an ODBC connection string."""
        settings = {
            "Driver": self.driver,
            "Server": f"{self.server.host},{self.server.port}",
            "Database": self.database,
            "UID": "sa",
            "PWD": "{" + self.server.password.replace("}", "}}") + "}",
            "Encrypt": "yes",
            "TrustServerCertificate": "yes",
        } | options
        return ";".join(f"{name}={value}" for name, value in settings.items())

    @asynccontextmanager
    async def session(
        self, *, autocommit: bool = True, **options: Any
    ) -> AsyncIterator[OdbcSession]:
        """Open a session and close it behind the block."""
        blocking = Blocking(2)  # one for the statement, one for what interrupts it
        connection = await blocking(
            pyodbc.connect, self.text(**options), autocommit=autocommit, timeout=10
        )
        try:
            yield OdbcSession(connection, blocking)
        finally:
            await blocking(connection.close)


def number_of(error: pyodbc.Error) -> int:
    """Return SQL Server's number of an error."""
    found = _NUMBER.search(str(error.args[1]))
    return int(found[1]) if found else 0


def text_of(error: pyodbc.Error) -> str:
    """Return SQL Server's text of an error."""
    text = str(error.args[1])
    start = text.find("[SQL Server]") + len("[SQL Server]")
    return _NUMBER.split(text[start:])[0].strip()
