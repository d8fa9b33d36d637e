"""How fast windows of changes merge into a Delta table of a million rows, in a local folder.

    python -m tests.bench.delta [ROWS]

Prints a line a window and one JSON object at the end.
"""

import json
import resource
import sys
import tempfile
from time import perf_counter
from typing import Any

import anyio
import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from dtaas.connectors.delta.destination import DeltaDestination
from dtaas.model.changes import TableStream, TrackedTable, TrackingMethod, change_schema
from dtaas.model.connectors import DeltaFileConfig
from dtaas.model.load import TableLoad
from dtaas.model.schema import TableSchema
from dtaas.model.types import Decimal, Float, Integer, String, Timestamp
from tests.contract.change_destination import position, stream_of, window_of
from tests.contract.destination import load_of, schema_of, whole_load

WINDOWS = (1_000, 10_000, 100_000, 100_000)
CHUNK_ROWS = 250_000
SCHEMA = schema_of(
    "bench",
    [
        ("number", Integer(32)),
        ("amount", Decimal(18, 4)),
        ("name", String(40)),
        ("moment", Timestamp(3)),
        ("rate", Float(64)),
    ],
)


def cells(ids: Any) -> list[pa.Array]:
    amounts = (
        pa.array(ids % 99_999, pa.int64()).cast(pa.decimal128(23, 4)).cast(pa.decimal128(18, 4))
    )
    return [
        pa.array(ids, pa.int64()),
        pa.array((ids % 1000).astype(np.int32)),
        amounts,
        pa.array([f"customer {i}" for i in ids]),
        pa.array(ids * 1000, pa.int64()).cast(pa.timestamp("ms")),
        pa.array(ids * 1.5),
    ]


def rows(first: int, count: int, schema: TableSchema) -> pa.RecordBatch:
    arrays = cells(np.arange(first, first + count))
    return pa.RecordBatch.from_arrays(arrays, schema=schema.arrow_schema())


def changes(dice: np.random.Generator, count: int, keys: int, commit: int) -> pa.RecordBatch:
    """Three fifths updates, a fifth each inserts and deletes, of keys anywhere in the table."""
    columns = [
        pa.array(dice.choice(["U", "U", "U", "I", "D"], count).tolist()),
        pa.array([position(commit).hex()] * count),
        pa.array(np.arange(count, dtype=np.int32)),
        pa.array([f"{i:020x}" for i in range(count)]),
        pa.nulls(count, pa.timestamp("us", tz="UTC")),
        pa.nulls(count, pa.string()),
        *cells(dice.integers(0, keys, count)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=change_schema(SCHEMA))


def stream_after(load: TableLoad) -> TableStream:
    return replace(
        stream_of(base=0),
        target=load.target,
        generation=load.load_id,
        tracked=TrackedTable(schema=SCHEMA, method=TrackingMethod.CAPTURE),
    )


async def run(total: int) -> None:
    figures: dict[str, float] = {"rows": total}
    with tempfile.TemporaryDirectory() as folder:
        config = DeltaFileConfig(path=folder)
        destination = DeltaDestination(config, task_name="bench", database="bench")
        firsts = range(0, total, CHUNK_ROWS)
        load = load_of(destination, SCHEMA, chunks=len(firsts))
        batches = [rows(f, min(CHUNK_ROWS, total - f), SCHEMA) for f in firsts]
        began = perf_counter()
        await whole_load(destination, load, *batches)
        figures["load_s"] = round(perf_counter() - began, 2)
        stream = stream_after(load)
        await destination.open_stream(stream)
        dice = np.random.default_rng(1)
        for number, count in enumerate(WINDOWS):
            batch = changes(dice, count, total + total // 5, number + 1)
            began = perf_counter()
            async with destination.apply(stream, window_of(stream, number, number + 1)) as writer:
                await writer.write(batch)
                await writer.finish()
            took_s = perf_counter() - began
            figures[f"changes_per_second_{count}"] = round(count / took_s)
            print(f"{count:>8} changes in {took_s:.2f} s: {count / took_s:,.0f}/s")
        await destination.aclose()
    figures["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(figures))


if __name__ == "__main__":
    anyio.run(run, int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
