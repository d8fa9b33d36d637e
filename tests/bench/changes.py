"""`make bench-cdc`: changes from SQL Server's change tables to the lake, by the product's engine.

A replay server tracks tables whose changes come by the clock (see `change_replay`); a task in the
daemon's own engine and store follows them, over real TDS, to a real S3. Measured are changes a
second out of a backlog, beside the straightforward reader; the time from commit until durable at
set rates; and what the source is asked while nothing changes. Prints one JSON object at the end.
"""

import io
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
import boto3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyodbc

from dtaas.concurrency.bus import EventBus
from dtaas.connectors.registry import Registry, warm_up
from dtaas.engine.execution import Workshop
from dtaas.engine.supervisor import Supervisor
from dtaas.logs import configure_logs
from dtaas.model.connectors import (
    ConnectionConfig,
    ConnectorRole,
    DeltaS3Config,
    Encryption,
    S3Config,
    SqlServerConfig,
)
from dtaas.model.execution import TablePhase
from dtaas.model.ids import TaskId
from dtaas.model.schema import TableRef
from dtaas.model.task import DesiredState, TaskMode, TaskSpec, TaskStatus
from dtaas.sandbox.seaweed import SeaweedServer, seaweed
from dtaas.store.connectors import ConnectorDraft
from dtaas.store.store import Store, open_store
from tests.bench.change_replay import COUNTERS, PER_TRANSACTION, RELEASE, lsn
from tests.bench.race import Race
from tests.bench.shape import SCHEMA_NAME, TABLE_NAME

BACKLOG = int(os.environ.get("BENCH_CHANGES", "500000"))
SECONDS = float(os.environ.get("BENCH_CDC_SECONDS", "10"))
IDLE_TABLES = 500
BUCKET = "bench"
ACCESS_KEY, SECRET_KEY = "bench", "bench-secret"
LIMIT_S = 300.0
WARM_S = 2.0
LAKE = "s3"
DELTA = "delta_s3"
CONFIGS: dict[str, type[ConnectionConfig]] = {LAKE: S3Config, DELTA: DeltaS3Config}


class Watched:
    """The stream store of the engine, and when each window was noted as durable."""

    def __init__(self, streams: Any) -> None:
        self._streams = streams
        self.durable: list[tuple[float, int]] = []
        self.moved = anyio.Event()
        self.changes: Callable[[], int] = lambda: 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._streams, name)

    async def advance(self, task_id: TaskId, table: TableRef, position: bytes) -> None:
        """Note the time: the engine calls this once a window is durable and visible."""
        self.durable.append((time.time(), int.from_bytes(position)))
        await self._streams.advance(task_id, table, position)
        self.moved.set()
        self.moved = anyio.Event()

    async def until(self, transaction: int) -> float:
        """Return when that transaction was durable."""
        with anyio.fail_after(LIMIT_S):
            while not self.durable or self.durable[-1][1] < transaction:
                await self.moved.wait()
        return next(at for at, position in self.durable if position >= transaction)

    async def counted(self, changes: int) -> None:
        """Make sure that the engine applied exactly so many changes."""
        with anyio.fail_after(LIMIT_S):
            while self.changes() < changes:
                await anyio.sleep(0.01)
        assert self.changes() == changes, self.changes()


class Source:
    """A replay server and the bench's own hand in it."""

    def __init__(self, port: int, s3: SeaweedServer) -> None:
        self.port = port
        self.race = Race(port, s3.endpoint_url, ACCESS_KEY, SECRET_KEY, BUCKET)

    async def ask(self, sql: str) -> tuple[int, int, float]:
        """Return polls and other queries so far, and when changes began."""

        def fetch() -> tuple[int, int, float]:
            connection = pyodbc.connect(self.race.odbc(), autocommit=True)
            try:
                polls, others, began = connection.execute(sql).fetchone()
            finally:
                connection.close()
            return polls, others, 0.0 if began == "None" else float(began)

        return await anyio.to_thread.run_sync(fetch)


@asynccontextmanager
async def replay(
    s3: SeaweedServer, *, rate: float = 0.0, backlog: int = 0, tables: int = 1
) -> AsyncIterator[Source]:
    """Run a replay server for the block."""
    command = [sys.executable, "-m", "tests.bench.change_replay", "--rate", str(rate)]
    command += ["--backlog", str(backlog), "--tables", str(tables)]
    async with await anyio.open_process(command, stdout=PIPE, stderr=None) as process:
        assert process.stdout is not None
        port = int((await process.stdout.receive()).split()[0])
        try:
            yield Source(port, s3)
        finally:
            process.kill()


@asynccontextmanager
async def streaming(
    source: Source, kind: str, tables: Sequence[TableRef]
) -> AsyncIterator[Watched]:
    """Follow tables in the engine for the block; it begins when all of them stream."""
    registry = Registry()
    with tempfile.TemporaryDirectory() as folder:
        async with open_store("", data_dir=Path(folder), registry=registry) as store:
            watched = Watched(store.streams)
            workshop = Workshop(
                store=store.engine,
                ledger=store.loads,
                streams=watched,  # type: ignore[arg-type]
                bus=EventBus(),
                uniform=lambda low, _high: low,
            )
            supervisor = Supervisor(workshop, registry, shutdown_grace_s=5)
            task_id = await make_task(store, source, kind, tables)
            await store.engine.set_status(task_id, TaskStatus.QUEUED, desired=DesiredState.RUNNING)
            async with anyio.create_task_group() as group:
                await group.start(supervisor.serve)
                await until_streaming(supervisor, store, task_id)
                watched.changes = lambda: applied(supervisor, task_id)
                yield watched
                await supervisor.drain()
                group.cancel_scope.cancel()


def applied(supervisor: Supervisor, task_id: TaskId) -> int:
    progress = supervisor.progress(task_id)
    return sum(table.changes for table in progress.tables) if progress else 0


async def until_streaming(supervisor: Supervisor, store: Store, task_id: TaskId) -> None:
    with anyio.fail_after(LIMIT_S):
        while True:
            progress = supervisor.progress(task_id)
            if progress and all(t.phase is TablePhase.STREAMING for t in progress.tables):
                return
            task = await store.engine.task(task_id)
            assert task.status is not TaskStatus.FAILED, task.last_error
            await anyio.sleep(0.05)


async def make_task(store: Store, source: Source, kind: str, tables: Sequence[TableRef]) -> TaskId:
    made = await store.connectors.create(
        ConnectorDraft(
            name="source",
            role=ConnectorRole.SOURCE,
            kind="sqlserver",
            config=SqlServerConfig(
                host="127.0.0.1",
                port=source.port,
                database="bench",
                username="sa",
                password="bench",
                encrypt=Encryption.NO,
                trust_server_certificate=True,
            ),
        )
    )
    target = await store.connectors.create(
        ConnectorDraft(
            name="target",
            role=ConnectorRole.DESTINATION,
            kind=kind,
            config=CONFIGS[kind](
                bucket=BUCKET,
                prefix=f"{time.time_ns()}/{{table}}",
                endpoint_url=source.race.endpoint,
                access_key_id=ACCESS_KEY,
                secret_access_key=SECRET_KEY,
            ),
        )
    )
    spec = TaskSpec(
        name="bench",
        source_connector_id=made.id,
        destination_connector_id=target.id,
        source_tables=tuple(tables),
        mode=TaskMode.CDC,
    )
    return (await store.tasks.create(spec)).id


ORDERS = TableRef(SCHEMA_NAME, TABLE_NAME)


def cpu_s() -> float:
    """Return the CPU seconds this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def drained(s3: SeaweedServer, kind: str, backlog: int) -> tuple[float, float]:
    """Return changes a second out of a backlog, and CPU seconds a million of them."""
    async with (
        replay(s3, backlog=backlog) as source,
        streaming(source, kind, [ORDERS]) as watched,
    ):
        used_s = cpu_s()
        _, _, began_s = await source.ask(RELEASE)
        ended_s = await watched.until(1 + backlog // PER_TRANSACTION)
        used_s = cpu_s() - used_s
        await watched.counted(backlog)
    return backlog / (ended_s - began_s), used_s * 1e6 / backlog


async def lags(s3: SeaweedServer, kind: str, rate: float, seconds: float) -> tuple[float, float]:
    """Return p50 and p99 of the time from commit until durable, in milliseconds."""
    async with replay(s3, rate=rate) as source, streaming(source, kind, [ORDERS]) as watched:
        _, _, began_s = await source.ask(RELEASE)
        first = 1 + int(WARM_S * rate / PER_TRANSACTION)
        last = first + int(seconds * rate / PER_TRANSACTION)
        await watched.until(last)
    return of_lags(watched.durable, began_s, rate, first, last)


async def beside_a_storm(s3: SeaweedServer, rate: float, backlog: int) -> tuple[float, float]:
    """Return p50 and p99 of a task's lag while another task in the process drains a backlog."""
    async with (
        replay(s3, rate=rate) as calm,
        streaming(calm, LAKE, [ORDERS]) as watched,
        replay(s3, backlog=backlog) as storm,
        streaming(storm, LAKE, [ORDERS]) as drowning,
    ):
        _, _, began_s = await calm.ask(RELEASE)
        await anyio.sleep(WARM_S)
        _, _, storm_s = await storm.ask(RELEASE)
        ended_s = await drowning.until(1 + backlog // PER_TRANSACTION)
        first, last = (int((at - began_s) * rate / PER_TRANSACTION) for at in (storm_s, ended_s))
        await watched.until(last)
    return of_lags(watched.durable, began_s, rate, first, last)


def of_lags(
    durable: Sequence[tuple[float, int]], began_s: float, rate: float, first: int, last: int
) -> tuple[float, float]:
    """Return p50 and p99 over the transactions from `first` to `last`, each once."""
    transactions = np.arange(first, last + 1)
    committed = began_s + (transactions - 1) * PER_TRANSACTION / rate
    positions = np.array([position for _, position in durable])
    times = np.array([at for at, _ in durable])
    ages_ms = (times[np.searchsorted(positions, transactions)] - committed) * 1000
    p50, p99 = np.percentile(ages_ms, [50, 99])
    return float(p50), float(p99)


async def straightforward(s3: SeaweedServer, backlog: int) -> tuple[float, float]:
    """Return the same of what one would write: pyodbc, pyarrow, boto3."""
    async with replay(s3, backlog=backlog) as source:
        await source.ask(RELEASE)
        began_s, used_s = time.perf_counter(), cpu_s()
        await anyio.to_thread.run_sync(copy, source.race, 1 + backlog // PER_TRANSACTION)
        rate = backlog / (time.perf_counter() - began_s)
        return rate, (cpu_s() - used_s) * 1e6 / backlog


def copy(race: Race, last: int) -> None:
    """Read a window of a change table into one Parquet object."""
    cursor = pyodbc.connect(race.odbc()).cursor()
    cursor.execute(
        "SELECT ct.*, m.tran_end_time FROM cdc.bench_1_CT AS ct JOIN cdc.lsn_time_mapping AS m"
        f" ON m.start_lsn = ct.[__$start_lsn] WHERE ct.[__$start_lsn] > 0x{lsn(1).hex()}"
        f" AND ct.[__$start_lsn] <= 0x{lsn(last).hex()} ORDER BY ct.[__$start_lsn]"
    )
    names = [column[0] for column in cursor.description]
    sink, writer = io.BytesIO(), None
    while rows := cursor.fetchmany(10_000):
        columns = [pa.array(values) for values in zip(*rows, strict=True)]
        table = pa.table(dict(zip(names, columns, strict=True)))
        writer = writer or pq.ParquetWriter(sink, table.schema)
        writer.write_table(table.cast(writer.schema))
    assert writer is not None
    writer.close()
    boto3.client("s3", **race.boto3()).put_object(
        Bucket=race.bucket, Key="straightforward.parquet", Body=sink.getvalue()
    )


async def idle(s3: SeaweedServer, seconds: float) -> tuple[float, float]:
    """Return queries a poll and polls a second while hundreds of tables do not change."""
    tables = [ORDERS, *(TableRef(SCHEMA_NAME, f"idle{n}") for n in range(1, IDLE_TABLES))]
    async with replay(s3, tables=IDLE_TABLES) as source, streaming(source, LAKE, tables):
        await anyio.sleep(WARM_S)
        before = await source.ask(COUNTERS)
        await anyio.sleep(seconds)
        after = await source.ask(COUNTERS)
    polls, others = after[0] - before[0], after[1] - before[1]
    return (polls + others) / polls, polls / seconds


async def run() -> dict[str, Any]:
    """Measure everything, one after the other."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with seaweed(Path(folder), access_key=ACCESS_KEY, secret_key=SECRET_KEY) as s3:
            await s3.create_bucket(BUCKET)
            await drained(s3, LAKE, 20_000)  # warm: imports, and the bucket's first volumes
            ours, ours_cpu_s = await drained(s3, LAKE, BACKLOG)
            note(f"backlog of {BACKLOG:,} to Parquet", f"{ours:,.0f}/s, CPU {ours_cpu_s:.2f} s/M")
            theirs, theirs_cpu_s = await straightforward(s3, BACKLOG // 5)
            note(
                "the straightforward pyodbc reader", f"{theirs:,.0f}/s, CPU {theirs_cpu_s:.2f} s/M"
            )
            figures["changes_per_second"] = round(ours)
            figures["pyodbc_changes_per_second"] = round(theirs)
            figures["ratio_vs_pyodbc"] = round(ours / theirs, 2)
            figures["cpu_s_per_million_changes"] = round(ours_cpu_s, 2)
            figures["cpu_ratio_vs_pyodbc"] = round(theirs_cpu_s / ours_cpu_s, 2)
            for per_second in (1_000, 10_000):
                p50, p99 = await lags(s3, LAKE, per_second, SECONDS)
                figures[f"lag_p50_ms_{per_second}"] = round(p50)
                figures[f"lag_p99_ms_{per_second}"] = round(p99)
                note(f"{per_second:,}/s to Parquet", f"p50 {p50:,.0f} ms, p99 {p99:,.0f} ms")
            p50, p99 = await beside_a_storm(s3, 1_000, BACKLOG)
            figures["lag_p99_ms_1000_beside_a_storm"] = round(p99)
            note("1,000/s beside a backlog's drain", f"p50 {p50:,.0f} ms, p99 {p99:,.0f} ms")
            rate, _ = await drained(s3, DELTA, BACKLOG // 5)
            figures["delta_changes_per_second"] = round(rate)
            note("backlog to Delta Lake", f"{rate:,.0f}/s")
            p50, p99 = await lags(s3, DELTA, 1_000, SECONDS)
            figures["delta_lag_p50_ms_1000"], figures["delta_lag_p99_ms_1000"] = (
                round(p50),
                round(p99),
            )
            note("1,000/s to Delta Lake", f"p50 {p50:,.0f} ms, p99 {p99:,.0f} ms")
            queries, polls = await idle(s3, SECONDS)
            figures["idle_tables"] = IDLE_TABLES
            figures["queries_per_poll"] = round(queries, 2)
            note(f"{IDLE_TABLES} idle tables", f"{queries:.2f} queries a poll, {polls:.1f} polls/s")
    return figures


def note(what: str, figure: str) -> None:
    """Print one line as it is measured."""
    print(f"{what:40} {figure}")
    sys.stdout.flush()


def main() -> None:
    """Measure, and print the JSON line."""
    configure_logs(level="error", form="auto")
    warm_up()
    print(json.dumps(anyio.run(run)))


if __name__ == "__main__":
    main()
