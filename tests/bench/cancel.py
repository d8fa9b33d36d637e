"""`python -m tests.bench.cancel`: how long a load takes to end when it is cancelled at any point.

One chunk is read natively from the replay server and written as Parquet into a folder, and
cancelled at instants spread over its whole life: connecting, first rows, in the middle, at the end.
Then the same while the server sends nothing any more. Prints one JSON object.
"""

import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import anyio
from msgspec.structs import replace

from dtaas.connectors.lake.destination import LakeDestination
from dtaas.connectors.sqlserver.source import SqlServerSource
from dtaas.engine.budget import ByteBudget
from dtaas.engine.chunk import ChunkCopy
from dtaas.engine.drain import Drain
from dtaas.engine.progress import TableMeter
from dtaas.model.connectors import Encryption, FileConfig, SqlServerConfig
from dtaas.model.ids import ExecutionId, LoadId, TaskId
from dtaas.model.load import Owner, TableLoad, WriteOptions
from dtaas.model.schema import TableRef
from tests.bench.shape import SCHEMA_NAME, TABLE_NAME

ROWS = int(os.environ.get("BENCH_ROWS", "500000"))
CANCELS = int(os.environ.get("BENCH_CANCELS", "60"))
_BATCH_ROWS = 65_536
_BATCH_BYTES = 4 << 20
_BUDGET_BYTES = 16 << 20
_STALL_S = 0.5


class Copy:
    """Copies the table's only chunk, each time anew."""

    def __init__(self, source: SqlServerSource, destination: LakeDestination, load: TableLoad):
        self._source = source
        self._destination = destination
        self._load = load
        self._number = 0

    async def run(self) -> None:
        """Copy it."""
        self._number += 1
        load = replace(self._load, load_id=LoadId(f"{self._number:032x}"))
        budget = ByteBudget(_BUDGET_BYTES)
        with budget.lease() as lease:
            await ChunkCopy(
                self._source,
                self._destination,
                load,
                load.chunks[0],
                batch_rows=_BATCH_ROWS,
                batch_bytes=_BATCH_BYTES,
                lease=lease,
                meter=TableMeter(load.schema.table, time.monotonic),
                drain=Drain(),
            ).run()


async def cancelled_after(work: Callable[[], Awaitable[None]], wait_s: float) -> float | None:
    """Return the seconds from the cancellation to the end, None when the work was faster."""
    done = False
    asked = 0.0

    async def whole() -> None:
        nonlocal done
        await work()
        done = True

    async with anyio.create_task_group() as group:
        group.start_soon(whole)
        await anyio.sleep(wait_s)
        asked = time.perf_counter()
        group.cancel_scope.cancel()
    return None if done else time.perf_counter() - asked


@asynccontextmanager
async def replaying() -> AsyncIterator[tuple[int, int]]:
    """Run the replay server; yields its port and its process id."""
    command = [sys.executable, "-m", "tests.bench.replay", "--rows", str(ROWS)]
    async with await anyio.open_process(command, stdout=PIPE, stderr=None) as replay:
        assert replay.stdout is not None
        yield int((await replay.stdout.receive()).split()[0]), replay.pid
        replay.terminate()


@asynccontextmanager
async def copying(port: int, folder: Path) -> AsyncIterator[Copy]:
    """Prepare a source, a destination and a load between them."""
    source = SqlServerSource(
        SqlServerConfig(
            host="127.0.0.1", port=port, database="bench", username="sa", password="bench",
            encrypt=Encryption.NO,
        )
    )  # fmt: skip
    destination = LakeDestination.file(
        FileConfig(path=str(folder)), task_name="cancel", database="bench"
    )
    table = TableRef(SCHEMA_NAME, TABLE_NAME)
    schema = await source.describe(table)
    chunks = await source.plan(schema, chunk_rows=10 * ROWS)
    load = TableLoad(
        load_id=LoadId("0" * 32),
        task_id=TaskId(1),
        execution_id=ExecutionId(1),
        owner=Owner(installation="a" * 32, task_id=TaskId(1), task_name="cancel"),
        schema=schema,
        target=destination.target_of(table, None),
        options=WriteOptions(),
        chunks=tuple(chunks),
    )
    try:
        yield Copy(source, destination, load)
    finally:
        await source.aclose()
        await destination.aclose()


async def measure() -> dict[str, list[float]]:
    """Return the latencies in seconds, running and stalled."""
    found: dict[str, list[float]] = {"running": [], "stalled": []}
    with tempfile.TemporaryDirectory() as made:
        async with replaying() as (port, server), copying(port, Path(made)) as copy:
            await copy.run()  # imports and first uses are no matter of cancelling
            began = time.perf_counter()
            await copy.run()
            whole_s = time.perf_counter() - began
            for number in range(CANCELS):
                took = await cancelled_after(copy.run, whole_s * number / CANCELS)
                if took is not None:
                    found["running"].append(took)
            for number in range(CANCELS // 6):
                found["stalled"].append(await stalled(copy, server, whole_s * number * 6 / CANCELS))
    return found


async def stalled(copy: Copy, server: int, after_s: float) -> float:
    """Stop the server in the middle of a load, cancel that, and let the server go on."""
    stopped = False

    async def work() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(copy.run)
            await anyio.sleep(after_s)
            os.kill(server, signal.SIGSTOP)

    try:
        took = await cancelled_after(work, after_s + _STALL_S)
        stopped = took is not None
    finally:
        os.kill(server, signal.SIGCONT)
    return took if stopped and took is not None else 0.0


def main() -> None:
    """Measure, and print the JSON line."""
    found = anyio.run(measure)
    print(
        json.dumps(
            {
                "rows": ROWS,
                **{
                    name: {
                        "cancels": len(took),
                        "median_ms": round(statistics.median(took) * 1e3, 1),
                        "max_ms": round(max(took) * 1e3, 1),
                        "over_100_ms": sum(t > 0.1 for t in took),
                    }
                    for name, took in found.items()
                },
            }
        )
    )


if __name__ == "__main__":
    main()
