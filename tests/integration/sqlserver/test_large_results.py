"""Results of any size: memory stays, and how fast rows come is printed."""

import resource
import sys
from pathlib import Path

import anyio
import pytest

from dtaas.concurrency.blocking import Blocking
from dtaas.sandbox import tpch
from tests.integration.sqlserver.odbc_session import Connector, OdbcSession

pytestmark = pytest.mark.timeout(120)

SCALE = 0.1
ORDERS = 150_000
GROWTH_KB = 48 * 1024


READER = """
import sys, time
import arrow_odbc
began, rows, size = time.perf_counter(), 0, 0
for batch in arrow_odbc.read_arrow_batches_from_odbc(sys.argv[2], sys.argv[1], batch_size=5_000):
    rows += batch.num_rows
    size += batch.nbytes
print(rows, size, time.perf_counter() - began)
"""


async def read(connector: Connector, query: str) -> tuple[int, int, float]:
    """Read a result in a process of its own; return rows, bytes and seconds."""
    command = [sys.executable, "-c", READER, connector.text(), query]
    ended = await anyio.run_process(command)
    rows, size, seconds = ended.stdout.split()
    return int(rows), int(size), float(seconds)


def peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.fixture(scope="module")
async def orders(connector: Connector, tmp_path_factory: pytest.TempPathFactory) -> Connector:
    folder: Path = tmp_path_factory.mktemp("tpch")
    await Blocking(1)(tpch.generate, folder, SCALE)
    await connector.server.run_script("\nGO\n".join(tpch.DDL), database=connector.database)
    for table in tpch.TABLES:
        if table.name in {"region", "nation", "customer", "orders"}:
            await connector.server.bulk_fill(
                connector.database, table.schema, table.name, tpch.batches(folder, table)
            )
    return connector


async def test_orders_stream(orders: Connector, capsys: pytest.CaptureFixture[str]) -> None:
    query = "SELECT * FROM orders"
    assert (await read(orders, query))[0] == ORDERS  # warms up
    before = peak_kb()
    rows, _, seconds = await read(orders, query)
    with capsys.disabled():
        print(f"\norders: {rows / seconds:,.0f} rows/s on one connection")  # noqa: T201
    assert rows == ORDERS
    assert peak_kb() - before < GROWTH_KB


async def test_memory_does_not_follow_the_result(orders: Connector) -> None:
    query = (
        "SELECT TOP ({}) o.o_orderkey, o.o_comment, c.c_name, c.c_address, c.c_comment "
        "FROM orders AS o CROSS JOIN (SELECT TOP (4) * FROM customer) AS c"
    )
    await read(orders, query.format(20_000))
    before = peak_kb()
    rows, size, _ = await read(orders, query.format(600_000))
    assert rows == 4 * ORDERS
    assert size > 2 * GROWTH_KB * 1024
    assert peak_kb() - before < GROWTH_KB


async def test_counts_and_sums_agree_with_what_was_filled(
    orders: Connector, sql: OdbcSession
) -> None:
    counted = await sql.rows(
        "SELECT p.rows FROM sys.partitions AS p WHERE p.object_id = OBJECT_ID(N'orders')"
        " AND p.index_id IN (0, 1)"
    )
    assert counted == [(ORDERS,)]
    assert await sql.value("SELECT COUNT(DISTINCT o_orderkey) FROM orders") == ORDERS
    assert orders.database == "test_large_results"
