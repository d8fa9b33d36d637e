"""`python -m tests.bench.cancel`: how long a load takes to end when it is cancelled at any point.

One chunk is read natively from the replay server and written as Parquet into a folder and to S3,
and cancelled at instants spread over its whole life, then while the server sends nothing any more,
then the moment a named point of its way is reached. Prints a line each, and one JSON object.
"""

import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
from msgspec.structs import replace

from dtaas.connectors.lake.destination import LakeDestination
from dtaas.connectors.sqlserver.source import SqlServerSource
from dtaas.engine.budget import ByteBudget
from dtaas.engine.chunk import ChunkCopy
from dtaas.engine.drain import Drain
from dtaas.engine.progress import TableMeter
from dtaas.model.connectors import Encryption, FileConfig, S3Config, SqlServerConfig
from dtaas.model.ids import ExecutionId, LoadId, TaskId
from dtaas.model.load import Owner, TableLoad, WriteOptions
from dtaas.model.schema import TableRef
from dtaas.sandbox.seaweed import SeaweedServer, seaweed
from tests.bench.cancel_points import FOLDER, READING, S3, watched
from tests.bench.run import ACCESS_KEY, BUCKET, SECRET_KEY
from tests.bench.shape import SCHEMA_NAME, TABLE_NAME

ROWS = int(os.environ.get("BENCH_ROWS", "500000"))
CANCELS = int(os.environ.get("BENCH_CANCELS", "60"))
_BATCH_ROWS = 65_536
_BATCH_BYTES = 4 << 20
_BUDGET_BYTES = 16 << 20
_STALL_S = 0.5
AT_A_POINT = 10
LIMIT_S = 0.1


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
                place=nullcontext(),
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
async def copying(port: int, destination: LakeDestination) -> AsyncIterator[Copy]:
    """Prepare a source and a load from it to the destination."""
    source = SqlServerSource(
        SqlServerConfig(
            host="127.0.0.1", port=port, database="bench", username="sa", password="bench",
            encrypt=Encryption.NO,
        )
    )  # fmt: skip
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
    """Return the latencies in seconds by what was going on."""
    found: dict[str, list[float]] = {}
    async with AsyncExitStack() as stack:
        made = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port, server = await stack.enter_async_context(replaying())
        s3 = await stack.enter_async_context(
            seaweed(made / "s3", access_key=ACCESS_KEY, secret_key=SECRET_KEY)
        )
        await s3.create_bucket(BUCKET)
        (made / "lake").mkdir()
        for target, destination, points in (
            ("folder", in_folder(made / "lake"), READING | FOLDER),
            ("s3", in_s3(s3), {"encoding": READING["encoding"]} | S3),
        ):
            async with copying(port, destination) as copy:
                await copy.run()  # imports and first uses are no matter of cancelling
                found |= await of_target(target, copy, server, points)
    return found


async def of_target(
    target: str, copy: Copy, server: int, points: Mapping[str, tuple[Any, str]]
) -> dict[str, list[float]]:
    """Return the latencies of one target: at any instant, stalled, and at each point."""
    began = time.perf_counter()
    await copy.run()
    whole_s = time.perf_counter() - began
    running = [await cancelled_after(copy.run, whole_s * n / CANCELS) for n in range(CANCELS)]
    found = {f"{target}, any instant": [took for took in running if took is not None]}
    found[f"{target}, source stalled"] = [
        await stalled(copy, server, whole_s * n * 6 / CANCELS) for n in range(CANCELS // 6)
    ]
    for name, (owner, function) in points.items():
        key = f"{target}, {name}"
        found[key] = [await cancelled_at(copy.run, owner, function) for _ in range(AT_A_POINT)]
    for name, took in found.items():
        print(f"{name:32} {statistics.median(took) * 1e3:7.1f} ms, max {max(took) * 1e3:7.1f} ms")
    return found


async def cancelled_at(work: Callable[[], Awaitable[None]], owner: Any, function: str) -> float:
    """Return the seconds from the cancellation, the moment a point is reached, to the end."""
    with watched(owner, function) as reached:
        async with anyio.create_task_group() as group:
            group.start_soon(work)
            await reached.wait()
            asked = time.perf_counter()
            group.cancel_scope.cancel()
        return time.perf_counter() - asked


def in_folder(folder: Path) -> LakeDestination:
    config = FileConfig(path=str(folder))
    return LakeDestination.file(config, task_name="cancel", database="bench")


def in_s3(server: SeaweedServer) -> LakeDestination:
    config = S3Config(
        bucket=BUCKET,
        endpoint_url=server.endpoint_url,
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
    )
    return LakeDestination.s3(config, task_name="cancel", database="bench")


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
    everything = [took for latencies in found.values() for took in latencies]
    print(
        json.dumps(
            {
                "rows": ROWS,
                "cancels": len(everything),
                "median_ms": round(statistics.median(everything) * 1e3, 1),
                "max_ms": round(max(everything) * 1e3, 1),
                "over_100_ms": sum(took > LIMIT_S for took in everything),
                "at": {name: round(max(took) * 1e3, 1) for name, took in found.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
