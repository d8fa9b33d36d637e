"""How fast the sandbox's Snowflake takes files, merges changes and rows by INSERT.

    python -m tests.bench.snowflake_emulator [ROWS]

It bounds what a bench of the Snowflake destination can show. Prints one JSON object.
"""

import io
import json
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import anyio
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from snowflake.connector import aio

from dtaas.sandbox.snowflake.emulator import snowflake_emulator

CHANGES = 100_000
TINY = 10
INSERTED = 5_000
COLUMNS = '"ID" NUMBER(38,0), "N" NUMBER(18,4), "S" VARCHAR(40), "TS" TIMESTAMP_NTZ(6), "F" FLOAT'
COPY = "FILE_FORMAT = (TYPE = PARQUET USE_VECTORIZED_SCANNER = TRUE) MATCH_BY_COLUMN_NAME = CASE_SENSITIVE"
MERGE = """
    MERGE INTO "T" AS T USING (
        SELECT * FROM "STG" QUALIFY ROW_NUMBER() OVER (PARTITION BY "ID" ORDER BY "_SEQ" DESC) = 1
    ) AS S ON T."ID" = S."ID"
    WHEN MATCHED AND S."_OP" = 'D' THEN DELETE
    WHEN MATCHED THEN UPDATE SET "N" = S."N", "S" = S."S", "TS" = S."TS", "F" = S."F"
    WHEN NOT MATCHED AND S."_OP" <> 'D' THEN
        INSERT ("ID", "N", "S", "TS", "F") VALUES (S."ID", S."N", S."S", S."TS", S."F")
"""


def table(ids: Any, *, changes: bool = False) -> pa.Table:
    """Rows with these keys."""
    columns = {
        "ID": pa.array(ids, pa.int64()),
        "N": pa.array(ids % 99_999, pa.int64()).cast(pa.decimal128(23, 4)),
        "S": [f"customer {number}" for number in ids],
        "TS": pa.array(ids * 1000, pa.int64()).cast(pa.timestamp("us")),
        "F": pa.array(ids * 1.5),
    }
    if changes:
        columns["_OP"] = ["D" if number % 10 == 0 else "U" for number in ids]
        columns["_SEQ"] = pa.array(ids, pa.int64())
    return pa.table(columns)


def peak_mb(pid: int | None) -> int:
    """The most memory a process ever had, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


async def put(cursor: Any, rows: pa.Table, name: str) -> None:
    """Encode rows and bring them to the stage."""
    sink = io.BytesIO()
    pq.write_table(rows, sink, compression="zstd", compression_level=1)
    sink.seek(0)
    await cursor.execute(
        f"PUT 'file://{name}' @ST AUTO_COMPRESS = FALSE OVERWRITE = TRUE", file_stream=sink
    )


async def batch(cursor: Any, ids: Any, name: str) -> float:
    """Apply a batch of changes as a destination does; return its seconds."""
    began = perf_counter()
    await put(cursor, table(ids, changes=True), name)
    await cursor.execute("BEGIN")
    await cursor.execute('DELETE FROM "STG"')
    await cursor.execute(f"COPY INTO \"STG\" FROM @ST FILES = ('{name}') {COPY}")
    await cursor.execute(MERGE)
    await cursor.execute("COMMIT")
    return perf_counter() - began


async def measure(rows: int) -> dict[str, Any]:
    """Run everything once."""
    found: dict[str, Any] = {"rows": rows}
    with tempfile.TemporaryDirectory() as folder:
        async with snowflake_emulator(Path(folder), user="u", password="p") as emulator:
            await emulator.create_database("BENCH")
            named = {"database": "BENCH", "schema": "PUBLIC"}
            async with aio.connect(**emulator.connection, **named) as connection:
                cursor = connection.cursor()
                for sql in (
                    f'CREATE TABLE "T" ({COLUMNS})',
                    "CREATE STAGE ST",
                    f'CREATE TEMPORARY TABLE "STG" ({COLUMNS}, "_OP" VARCHAR, "_SEQ" NUMBER(38,0))',
                ):
                    await cursor.execute(sql)
                whole = table(np.arange(rows))
                began = perf_counter()
                await put(cursor, whole, "full.parquet")
                at_stage = perf_counter()
                await cursor.execute(f"COPY INTO \"T\" FROM @ST FILES = ('full.parquet') {COPY}")
                done = perf_counter()
                found["put_rows_per_s"] = round(rows / (at_stage - began))
                found["copy_rows_per_s"] = round(rows / (done - at_stage))
                found["load_rows_per_s"] = round(rows / (done - began))
                ids = np.random.default_rng(7).permutation(rows * 2)[:CHANGES]
                found["merge_100k_s"] = round(await batch(cursor, ids, "big.parquet"), 3)
                times = [await batch(cursor, ids[:TINY], f"t{i}.parquet") for i in range(20)]
                found["merge_10_median_s"] = round(sorted(times)[10], 3)
                began = perf_counter()
                few = [(int(i), f"customer {i}") for i in range(INSERTED)]
                await cursor.executemany('INSERT INTO "T" ("ID", "S") VALUES (%s, %s)', few)
                found["insert_rows_per_s"] = round(INSERTED / (perf_counter() - began))
                ratio = found["load_rows_per_s"] / found["insert_rows_per_s"]
                found["server_rss_mb"] = peak_mb(emulator.pid)
                found["load_to_insert"] = round(ratio, 1)
    return found


if __name__ == "__main__":
    print(json.dumps(anyio.run(measure, int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)))
