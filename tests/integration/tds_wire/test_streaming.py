"""Large results in constant memory."""

import tracemalloc
from collections.abc import AsyncIterator, Sequence
from typing import Any

import arrow_odbc
import pyodbc
import pytest

from dtaas.concurrency.blocking import Blocking
from dtaas.sandbox.sqlserver.results import Columns, Done, Item, Parameter, ResultColumn, Rows
from dtaas.sandbox.sqlserver.types import MAX, SqlType
from tests.fakes.scripted_server import SELECT, ScriptedEngine, rows
from tests.integration.tds_wire.conftest import Odbc

ORDERS = tuple(
    ResultColumn(name=name, type=sql, nullable=False)
    for name, sql in [
        ("o_orderkey", SqlType("bigint")),
        ("o_custkey", SqlType("bigint")),
        ("o_orderstatus", SqlType("char", 1)),
        ("o_totalprice", SqlType("decimal", precision=15, scale=2)),
        ("o_orderdate", SqlType("date")),
        ("o_orderpriority", SqlType("char", 15)),
        ("o_clerk", SqlType("char", 15)),
        ("o_shippriority", SqlType("int")),
        ("o_comment", SqlType("varchar", 79)),
    ]
)
ROWS = 100_000
MIB = 1 << 20


async def orders(_parameters: Sequence[Parameter]) -> AsyncIterator[Item]:
    """Rows that cost this process nothing, so that all memory seen is the wire's."""
    page = [(7, 21, "O", 17_366_547, 728_000, "5-LOW          ", "Clerk#000000951", 0, "x" * 79)]
    page *= 5_000
    yield Columns(ORDERS)
    for _ in range(ROWS // len(page)):
        yield Rows(page)
    yield Done(rows=ROWS, command=SELECT)


async def test_a_large_result_needs_no_memory(
    engine: ScriptedEngine, odbc: Odbc, blocking: Blocking
) -> None:
    engine.scripts["orders"] = orders

    def client() -> int:
        batches = arrow_odbc.read_arrow_batches_from_odbc(
            query="orders", connection_string=odbc.text(), batch_size=1_000
        )
        return sum(batch.num_rows for batch in batches)

    tracemalloc.start()
    try:
        assert await blocking(client) == ROWS
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4 * MIB


@pytest.mark.parametrize("name", ["varbinary", "varchar", "nvarchar"])
async def test_large_values_arrive_whole(name: str, engine: ScriptedEngine, run: Any) -> None:
    column = ResultColumn(name="v", type=SqlType(name, MAX))
    value: Any = "0123456789abcdef" * MIB
    value = value.encode() if name == "varbinary" else value
    engine.scripts["lob"] = rows([column], [value], [None], [value[:5]])

    def client(connection: pyodbc.Connection) -> list[Any]:
        return [row[0] for row in connection.execute("lob").fetchall()]

    assert await run(client) == [value, None, value[:5]]
    assert await run(lambda c: c.execute("echo ?", value[:MIB]).fetchval()) == value[:MIB]
