"""The SQL Server source keeps the source's promises, on the simulated server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pyarrow as pa
import pytest
from msgspec.structs import replace

from dtaas.connectors.sqlserver.quoting import identifier, text_literal
from dtaas.connectors.sqlserver.source import SqlServerSource
from dtaas.model.connectors import Reader
from dtaas.model.execution import ReadBy
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.types import Decimal, Integer, String, Uuid
from dtaas.sandbox.sqlserver.server import TdsServer
from tests.contract.source import House, SourceContract
from tests.integration.sqlserver_source.database import BOTH_READERS, Database


def declared(column: Column) -> str:
    match column.type:
        case Integer(bits=bits):
            kind = {16: "smallint", 32: "int", 64: "bigint"}[bits]
        case Decimal(precision=precision, scale=scale):
            kind = f"decimal({precision},{scale})"
        case Uuid():
            kind = "uniqueidentifier"
        case String(max_chars=length):
            kind = f"nvarchar({length})"
        case other:
            raise NotImplementedError(other)
    return f"{identifier(column.name)} {kind} {'NULL' if column.nullable else 'NOT NULL'}"


def literal(value: object) -> str:
    return text_literal(value) if isinstance(value, str) else str(value)


class SqlServerHouse(House):
    def __init__(self, source: SqlServerSource, database: Database, read_by: ReadBy) -> None:
        self.source = source
        self.read_by = read_by
        self._database = database

    async def create(self, schema: TableSchema, rows: pa.Table) -> None:
        columns = ", ".join(declared(c) for c in schema.columns)
        key = ", ".join(identifier(name) for name in schema.key)
        await self._database.create(schema.table, f"{columns}, PRIMARY KEY ({key})")
        await self.insert(schema, rows)

    async def insert(self, schema: TableSchema, rows: pa.Table) -> None:
        values = [", ".join(map(literal, row.values())) for row in rows.to_pylist()]
        await self._database.insert(schema.table, *values)

    async def retype(self, schema: TableSchema, column: str) -> None:
        columns = tuple(
            replace(c, type=String(20)) if c.name == column else c for c in schema.columns
        )
        changed = replace(schema, columns=columns)
        await self._database.drop(schema.table)
        await self.create(changed, changed.arrow_schema().empty_table())

    @asynccontextmanager
    async def holding_reads(self) -> AsyncIterator[None]:
        faults = self._database.server.faults
        faults.rows_per_s = 20
        try:
            yield
        finally:
            faults.rows_per_s = None

    @asynccontextmanager
    async def losing_connections(self) -> AsyncIterator[None]:
        server = self._database.server
        server.faults.rows_per_s = 500
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(_keep_dropping, server.tds)
                yield
                group.cancel_scope.cancel()
        finally:
            server.faults.rows_per_s = None

    async def create_unsupported(self, table: TableRef) -> None:
        pytest.skip("the simulated server has no type that cannot be moved")


async def _keep_dropping(server: TdsServer) -> None:
    while True:
        await anyio.sleep(0.2)
        server.drop_connections()


@BOTH_READERS
class TestSqlServerSource(SourceContract):
    @pytest.fixture
    def house(
        self, request: pytest.FixtureRequest, source: SqlServerSource, database: Database
    ) -> House:
        reader = request.node.callspec.params["source"]
        why = "the connector's reader is odbc" if reader is Reader.ODBC else ""
        return SqlServerHouse(source, database, ReadBy(reader.value, why))
