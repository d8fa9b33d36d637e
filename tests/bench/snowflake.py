"""Loading and merging into the emulated Snowflake, beside what one would write by hand.

    python -m tests.bench.snowflake [ROWS]

Prints one JSON object as its last line. Contestants take turns in one run; only the ratios mean
something. The emulator shares the machine.
"""

import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec.structs import replace
from snowflake.connector import aio

from dtaas.connectors.snowflake.destination import SnowflakeDestination
from dtaas.model.changes import (
    ChangeWindow,
    TableStream,
    TrackedTable,
    TrackingMethod,
    change_schema,
)
from dtaas.model.connectors import SnowflakeConfig
from dtaas.model.load import WriteOptions
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.types import Decimal, Integer, String, Timestamp
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator, snowflake_emulator
from tests.contract.change_rows import place
from tests.contract.destination import load_of, write_chunk

ROWS = 500_000
ROUNDS = 7
INSERTED = 2_000
BATCH = 1_000
MERGES = 20
SCHEMA = TableSchema(
    table=TableRef("dbo", "bench"),
    columns=(
        Column(name="id", type=Integer(64), nullable=False),
        Column(name="name", type=String(50), nullable=True),
        Column(name="price", type=Decimal(12, 2), nullable=True),
        Column(name="at", type=Timestamp(3), nullable=True),
    ),
    key=("id",),
)


def rows(count: int) -> pa.Table:
    ids = pa.array(range(count), pa.int64())
    return pa.table(
        [
            ids,
            pa.array([f"name of row {i % 5000}" for i in range(count)]),
            pa.array(range(count), pa.int64())
            .cast(pa.decimal128(19, 0))
            .cast(pa.decimal128(21, 2)),
            ids.cast(pa.timestamp("ms")),
        ],
        names=SCHEMA.arrow_schema().names,
    ).cast(pa.schema([f.with_nullable(True) for f in SCHEMA.arrow_schema()]))


class Lag:
    """The longest the event loop was away while we loaded, in milliseconds.

    Attributes:
        ours: the loop works for us now, not for another contestant.
        worst_ms: by the clock, with what other processes took of the machine.
        busiest_ms: by the loop's own processor time.
    """

    def __init__(self) -> None:
        self.ours = False
        self.worst_ms = self.busiest_ms = 0.0

    async def watch(self) -> None:
        while True:
            asked, worked, ours = time.perf_counter(), time.thread_time(), self.ours
            await anyio.sleep(0.005)
            if ours and self.ours:
                self.worst_ms = max(self.worst_ms, (time.perf_counter() - asked - 0.005) * 1000)
                self.busiest_ms = max(self.busiest_ms, (time.thread_time() - worked) * 1000)


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def load(destination: SnowflakeDestination, table: pa.Table) -> TableStream:
    made = load_of(destination, SCHEMA)
    await destination.claim(made.target, made.owner)
    await destination.begin(made)
    batches = table.cast(SCHEMA.arrow_schema()).to_batches(65_536)
    receipt = await write_chunk(destination, made, 0, *batches)
    await destination.commit(made, [receipt])
    return TableStream(
        task_id=made.task_id,
        owner=made.owner,
        target=made.target,
        options=WriteOptions(),
        tracked=TrackedTable(schema=SCHEMA, method=TrackingMethod.CAPTURE),
        generation=made.load_id,
        base=place(0),
    )


async def by_file(connection: Any, table: pa.Table, folder: Path) -> None:
    """As write_pandas does: one snappy file on disk, PUT, COPY into the table."""
    cursor = connection.cursor()
    path = folder / "rows.parquet"
    await anyio.to_thread.run_sync(pq.write_table, table, path)
    await cursor.execute(
        'CREATE OR REPLACE TABLE "F" ("id" NUMBER(19,0), "name" VARCHAR(50),'
        ' "price" NUMBER(12,2), "at" TIMESTAMP_NTZ(3))'
    )
    await cursor.execute('CREATE OR REPLACE TEMPORARY STAGE "ST"')
    await cursor.execute(f"PUT 'file://{path}' @\"ST\" AUTO_COMPRESS=FALSE")
    await cursor.execute(
        'COPY INTO "F" FROM @"ST" FILE_FORMAT=(TYPE=PARQUET USE_LOGICAL_TYPE=TRUE)'
        " MATCH_BY_COLUMN_NAME=CASE_SENSITIVE"
    )


async def by_insert(connection: Any, table: pa.Table) -> None:
    cursor = connection.cursor()
    await cursor.execute(
        'CREATE OR REPLACE TABLE "I" ("id" NUMBER(19,0), "name" VARCHAR(50),'
        ' "price" NUMBER(12,2), "at" TIMESTAMP_NTZ(3))'
    )
    for start in range(0, table.num_rows, BATCH):
        values = ", ".join(
            f"({r['id']}, '{r['name']}', {r['price']}, '{r['at']}')"
            for r in table.slice(start, BATCH).to_pylist()
        )
        await cursor.execute(f'INSERT INTO "I" VALUES {values}')


async def merges(destination: SnowflakeDestination, stream: TableStream) -> float:
    await destination.open_stream(stream)
    schema = change_schema(SCHEMA)
    began = time.perf_counter()
    for turn in range(MERGES):
        lsn = place(turn + 1).hex()
        changed = [
            {"_op": "U", "_lsn": lsn, "_command_id": i, "_seqval": f"{i:020x}", "id": i * 7}
            for i in range(BATCH)
        ]
        window = ChangeWindow(table=SCHEMA.table, after=place(turn), to=place(turn + 1))
        async with destination.apply(stream, window) as writer:
            await writer.write(pa.RecordBatch.from_pylist(changed, schema=schema))
            await writer.finish()
    return MERGES / (time.perf_counter() - began)


async def race(emulator: SnowflakeEmulator, count: int, folder: Path) -> dict[str, float | int]:
    await emulator.create_database("TEST")
    config = msgspec.convert(emulator.connector("TEST"), SnowflakeConfig)
    destination = SnowflakeDestination(config, task_name="bench", database="db")
    connection = await aio.connect(**emulator.connection, database="TEST", schema="PUBLIC")
    table, lag = rows(count), Lag()
    ours, files = [], []
    stream: TableStream | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(lag.watch)
        for _ in range(ROUNDS):
            began = time.perf_counter()
            lag.ours = True
            stream = await load(destination, table)
            lag.ours = False
            ours.append(time.perf_counter() - began)
            files.append(await timed(lambda: by_file(connection, table, folder)))
        few = table.slice(0, INSERTED)
        inserted = await timed(lambda: by_insert(connection, few))
        assert stream is not None
        lag.ours = True
        merged = await merges(destination, replace(stream))
        group.cancel_scope.cancel()
    await destination.aclose()
    await connection.close()
    rate = count / min(ours)
    return {
        "rows": count,
        "rows_per_second": round(rate),
        "ratio_vs_file": round(min(files) / min(ours), 2),
        "ratio_vs_insert": round(rate / (INSERTED / inserted), 1),
        "merges_per_second": round(merged, 2),
        "rows_a_merge": BATCH,
        "loop_lag_ms": round(lag.worst_ms, 1),
        "loop_busy_ms": round(lag.busiest_ms, 1),
    }


async def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with snowflake_emulator(folder / "server", user="bench", password="b") as emulator:
            print(msgspec.json.encode(await race(emulator, count, folder)).decode())


if __name__ == "__main__":
    anyio.run(main)
