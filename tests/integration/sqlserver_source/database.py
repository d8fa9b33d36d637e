"""The tests' own hand in the simulated server's database."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from dtaas.connectors.sqlserver.control import ControlPool, Row
from dtaas.connectors.sqlserver.driver import find_driver
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.quoting import identifier, table_name
from dtaas.connectors.sqlserver.source import SqlServerSource
from dtaas.model.connectors import Reader, SqlServerConfig
from dtaas.model.load import Chunk
from dtaas.model.schema import TableRef
from dtaas.sandbox.sqlserver.simulated import SimulatedSqlServer

BOTH_READERS = pytest.mark.parametrize("source", [Reader.NATIVE, Reader.ODBC], indirect=True)
"""Runs each test of a module or class with the native reader and with ODBC."""


class Database:
    """Runs T-SQL as sa."""

    def __init__(self, server: SimulatedSqlServer, name: str, password: str) -> None:
        self.server = server
        self.config = SqlServerConfig(
            host="127.0.0.1",
            port=server.port,
            database=name,
            username="sa",
            password=password,
            trust_server_certificate=True,
            login_timeout_s=10,
            query_timeout_s=30,
        )
        self._pool = ControlPool(
            Endpoint(self.config, driver=find_driver(), application="dtaas/tests setup")
        )

    async def run(self, *statements: str) -> list[Row]:
        """Run batches and return the rows of the last."""
        rows: list[Row] = []
        for statement in statements:
            rows = await self._pool.fetch("Setting up", statement)
        return rows

    async def create(self, table: TableRef, columns: str, *rows: str) -> None:
        """Create a table and insert rows given as T-SQL value lists."""
        await self.run(f"CREATE TABLE {table_name(table)} ({columns})")
        await self.insert(table, *rows)

    async def insert(self, table: TableRef, *rows: str) -> None:
        """Insert rows given as T-SQL value lists."""
        for start in range(0, len(rows), 500):
            values = ", ".join(f"({row})" for row in rows[start : start + 500])
            await self.run(f"INSERT INTO {table_name(table)} VALUES {values}")

    async def drop(self, table: TableRef) -> None:
        """Drop a table."""
        await self.run(f"DROP TABLE {table_name(table)}")

    async def aclose(self) -> None:
        """Close the sessions."""
        await self._pool.aclose()


async def load(
    source: SqlServerSource, table: TableRef, *, chunk_rows: int = 1_000_000
) -> tuple[list[Chunk], list[pa.Table]]:
    """Return the planned chunks and the rows of each."""
    schema = await source.describe(table)
    chunks = list(await source.plan(schema, chunk_rows=chunk_rows))
    tables = []
    for chunk in chunks:
        batches = []
        async with source.read(schema, chunk, batch_rows=65_536, batch_bytes=8 << 20) as reader:
            while (batch := await reader.next()) is not None:
                batches.append(batch)
        tables.append(pa.Table.from_batches(batches, schema.arrow_schema()))
    return chunks, tables


async def column_of(source: SqlServerSource, table: TableRef, name: str) -> list[Any]:
    """Return one column of a whole table."""
    _, tables = await load(source, table)
    column = pa.concat_tables(tables).column(name)
    if pa.types.is_time(column.type):
        column = column.cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values


def names(columns: Sequence[str]) -> str:
    """Return quoted names as a list."""
    return ", ".join(identifier(c) for c in columns)
