"""Bulk reading against the wire alone: a scripted engine says what the server answers."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pyarrow as pa

from dtaas.connectors.sqlserver.adaptive import AdaptiveReader
from dtaas.connectors.sqlserver.bulk import BulkSession
from dtaas.connectors.sqlserver.chunk_query import chunk_query
from dtaas.connectors.sqlserver.driver import find_driver
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.native import NativeReader
from dtaas.connectors.sqlserver.rate_limit import RateLimit
from dtaas.connectors.sqlserver.reader import ChunkReader
from dtaas.connectors.sqlserver.statements import KeyRange
from dtaas.connectors.sqlserver.surrogates import SurrogateGuard
from dtaas.connectors.sqlserver.types import SqlColumn, to_column
from dtaas.model.connectors import SqlServerConfig
from dtaas.model.ports import BatchReader
from dtaas.model.schema import TableRef, TableSchema
from dtaas.sandbox.sqlserver.results import ResultColumn
from dtaas.sandbox.sqlserver.server import TdsServer
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, MAX, SqlType
from tests.fakes.scripted_server import PASSWORD, USER

Reading = Callable[..., AbstractAsyncContextManager[BatchReader]]
"""`reading` for one kind of reader."""
TABLE = TableRef("dbo", "t")
_CHARACTERS = ("char", "varchar", "nchar", "nvarchar", "text", "ntext")


def endpoint(server: TdsServer, **changes: Any) -> Endpoint:
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": server.port,
        "database": "testdb",
        "username": USER,
        "password": PASSWORD,
        "trust_server_certificate": True,
        "login_timeout_s": 10,
        **changes,
    }
    return Endpoint(SqlServerConfig(**values), driver=find_driver(), application="dtaas/tests")


def wire_column(name: str, kind: SqlType, *, nullable: bool = True) -> ResultColumn:
    return ResultColumn(name=name, type=kind, nullable=nullable)


def sql_column(of: ResultColumn) -> SqlColumn:
    """Return the column as the catalog would describe it."""
    kind = of.type
    units = 2 if kind.name in ("nchar", "nvarchar") and kind.length != MAX else 1
    return SqlColumn(
        name=of.name,
        base_type=kind.name,
        max_length=kind.length * units,
        precision=kind.precision,
        scale=kind.scale,
        collation=kind.collation or DEFAULT_COLLATION,
        nullable=of.nullable,
    )


@asynccontextmanager
async def reading(
    server: TdsServer,
    columns: Sequence[ResultColumn],
    *,
    longest: int = 0,
    batch_rows: int = 65_535,
    batch_bytes: int = 8 << 20,
    rate: RateLimit | None = None,
    kind: str = "odbc",
    **config: Any,
) -> AsyncIterator[BatchReader]:
    """Read the server's answer to any SELECT as a table of these columns.

    Args:
        kind: which reader, `odbc` or `native`.
    """
    where = endpoint(server, **config)
    described = [sql_column(c) for c in columns]
    schema = TableSchema(table=TABLE, columns=tuple(to_column(c) for c in described))
    query = chunk_query(KeyRange(TABLE), described, longest=longest, most_rows=batch_rows)
    settings = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;"
    if kind == "native":
        native = NativeReader(
            where,
            query.sql,
            schema,
            described,
            batch_rows=batch_rows,
            batch_bytes=batch_bytes,
            rate=rate or RateLimit(0),
        )
        adaptive = AdaptiveReader(native, no_fall_back, table="dbo.t")
        try:
            await native.open(settings)
            yield adaptive
        finally:
            await adaptive.aclose()
        return
    session = BulkSession(where, what="Reading dbo.t")
    reader = ChunkReader(
        session,
        query,
        schema,
        batch_rows=batch_rows,
        batch_bytes=batch_bytes,
        rate=rate or RateLimit(0),
        guard=SurrogateGuard(
            query, lambda: BulkSession(where, what="Reading dbo.t"), settings="", where="dbo.t"
        ),
    )
    try:
        await session.open(settings)
        yield reader
    finally:
        await reader.aclose()


async def no_fall_back(_reason: str) -> BatchReader:
    raise AssertionError("the native decoder should know these types")


async def drain(reader: BatchReader) -> pa.Table:
    """Return all that is left to read."""
    batches = []
    while (batch := await reader.next()) is not None:
        batches.append(batch)
    return pa.Table.from_batches(batches)
