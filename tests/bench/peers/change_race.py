"""Changes: a backlog of a change table into Parquet files, DTaaS beside the tools there are.

The server is the sandbox's simulated SQL Server in a process of its own, the same for all: its
speed bounds everybody. Each tool first notes where the log stands; then rows are inserted and
captured; then each reads them, in turns. DTaaS is timed from the order to resume until the changes
are durable and listed, every other as a whole process. `make bench-peers` runs it;
`BENCH_CHANGES=1000000 python -m tests.bench.peers.change_race` runs nothing else,
BENCH_PEERS=rivet-cli beside some only.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import copytree
from subprocess import PIPE

import anyio
import pyarrow.dataset as ds
import pyodbc
from msgspec import Struct, field
from rich.console import Console
from rich.table import Table

from dtaas.connectors.sqlserver.driver import find_driver
from dtaas.sandbox.sandbox import SA_PASSWORD
from tests.bench.peers.change_lanes import OURS, PEERS, ChangePeer, ChangePlace, Prepare
from tests.bench.peers.measured import DidNotRunError, Measured, run_process
from tests.bench.peers.warm_daemon import WarmDaemon, ended, warm_daemon

CHANGES = int(os.environ.get("BENCH_CHANGES", "100000"))
_ROUNDS = int(os.environ.get("BENCH_ROUNDS", "2"))
_A_TRANSACTION = 500
_LEAST_S = 10.0
"""With less time left no further run begins."""
_MOST_A_RUN_S = max(60.0, CHANGES / 5_000)
_CAPTURED_S = max(120.0, CHANGES / 1_000)
_READY_S = 60.0
_MOST_ALONE_S = 3_600.0
_TABLE = (
    "CREATE DATABASE bench",
    "USE bench",
    "EXEC sys.sp_cdc_enable_db",
    (
        "CREATE TABLE dbo.orders (id bigint NOT NULL PRIMARY KEY, customer int NOT NULL,"
        " amount decimal(18,4) NOT NULL, weight float, paid bit NOT NULL, ordered date NOT NULL,"
        " changed datetime2(3) NOT NULL, name nvarchar(50), note varchar(100) NOT NULL,"
        " ref uniqueidentifier NOT NULL)"
    ),
    (
        "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'orders',"
        " @role_name = NULL"
    ),
    "CREATE TABLE dbo.numbers (n int NOT NULL PRIMARY KEY)",
    "INSERT INTO dbo.numbers VALUES " + ", ".join(f"({n})" for n in range(_A_TRANSACTION)),
)
_INSERT = (
    "INSERT INTO dbo.orders SELECT ? + n, n % 137, n * 1.25, n / 3.0, n % 2, '2026-01-02',"
    " '2026-01-02T03:04:05.678', N'Customer ' + CAST(n AS nvarchar(10)) + N' économique',"
    " 'express delivery, order of the block', NEWID() FROM dbo.numbers"
)


class ChangeLane(Struct):
    """A contestant and what came of it."""

    peer: ChangePeer
    runs: list[Measured] = field(default_factory=list)
    reason: str = ""

    @property
    def rate(self) -> float:
        """Median changes a second, 0 when it did not run."""
        rates = [run.rows_per_second for run in self.runs]
        return statistics.median(rates) if rates else 0.0


class ChangeRace:
    """Every contestant in turns, as often as the time allows."""

    def __init__(self, daemon: WarmDaemon, port: int, folder: Path, ends: float) -> None:
        wanted = os.environ.get("BENCH_PEERS", "").split(",")
        peers = [peer for peer in PEERS if wanted == [""] or peer.name in wanted]
        self.lanes = [ChangeLane(peer, reason=peer.reason) for peer in (OURS, *peers)]
        self._daemon = daemon
        self._port = port
        self._folder = folder
        self._ends = ends
        self._tasks: list[tuple[int, Path]] = []

    async def run(self) -> None:
        """Note where the log stands, make the backlog, and let each read it."""
        for number in range(_ROUNDS + 1):  # one to warm
            folder = self._folder / f"changes-{number}"
            folder.mkdir()
            task = await self._daemon.stand(self._port, SA_PASSWORD, folder)
            self._tasks.append((task, folder))
        for lane in self.lanes:
            if lane.peer.stands is not None:
                await self._process(lane, lane.peer.stands, self._place(lane, "stands", 0))
        captured_s = min(_CAPTURED_S, self._ends - time.monotonic())
        await anyio.to_thread.run_sync(make_backlog, self._port, captured_s)
        task, folder = self._tasks.pop()
        await self._daemon.follow(task, CHANGES, folder, limit_s=self._left_s())
        for number in range(_ROUNDS):
            for lane in self.lanes:
                if not lane.reason and self._left_s() >= _LEAST_S:
                    await self._once(lane, number)

    async def _once(self, lane: ChangeLane, number: int) -> None:
        if lane.peer is OURS:
            await self._ours(lane)
        else:
            place = self._place(lane, str(number), CHANGES)
            stands = self._folder / f"{lane.peer.name}-stands" / "state"
            if stands.exists():
                copytree(stands, place.state, dirs_exist_ok=True)
            run = await self._process(lane, lane.peer.prepare, place)
            if run is not None:
                lane.runs.append(run)
        said = lane.reason or f"{lane.runs[-1].rows_per_second:,.0f} changes/s"
        print(f"  {lane.peer.name}: {said}", file=sys.stderr)

    async def _ours(self, lane: ChangeLane) -> None:
        task, folder = self._tasks.pop()
        run = await self._daemon.follow(task, CHANGES, folder, limit_s=self._left_s())
        lane.runs.append(run)
        if (rows := _rows(folder)) != CHANGES:
            raise RuntimeError(f"DTaaS wrote {rows:,} of {CHANGES:,} changes")

    def _left_s(self) -> float:
        return max(0.0, min(_MOST_A_RUN_S, self._ends - time.monotonic()))

    async def _process(
        self, lane: ChangeLane, prepare: Prepare, place: ChangePlace
    ) -> Measured | None:
        """Run a tool's process and count what it wrote; a failure is noted in the lane."""
        run = prepare(place)
        limit_s = self._left_s()
        if run is None or limit_s < 1:
            lane.reason = "no time was left" if run else "not installed: make bench-peers-setup"
            return None
        try:
            measured = await anyio.to_thread.run_sync(
                lambda: run_process(run, place.folder, rows=place.want, limit_s=limit_s)
            )
            if (rows := _rows(place.folder)) != place.want:
                raise DidNotRunError(f"it wrote {rows:,} of {place.want:,} changes")  # noqa: TRY301
        except DidNotRunError as exc:
            lane.reason = str(exc)
            return None
        return measured

    def _place(self, lane: ChangeLane, name: str, want: int) -> ChangePlace:
        folder = self._folder / f"{lane.peer.name}-{name}"
        (folder / "state").mkdir(parents=True)
        return ChangePlace(port=self._port, folder=folder, state=folder / "state", want=want)


def make_backlog(port: int, limit_s: float) -> None:
    """Insert rows in transactions and wait until all are captured. Blocking.

    Raises:
        TimeoutError: that took longer than `limit_s`.
    """
    late = time.monotonic() + limit_s
    connection = _connect(port, "bench")
    for first in range(0, CHANGES, _A_TRANSACTION):
        connection.execute(_INSERT, first)
        if time.monotonic() > late:
            raise TimeoutError("the changes were not inserted")
    while connection.execute("SELECT COUNT(*) FROM cdc.dbo_orders_CT").fetchval() < CHANGES:
        if time.monotonic() > late:
            raise TimeoutError("the changes were not captured")
        time.sleep(0.2)  # noqa: TID251 - another process has no event
    connection.close()


def _connect(port: int, database: str) -> pyodbc.Connection:
    return pyodbc.connect(
        f"Driver={{{find_driver()}}};Server=127.0.0.1,{port};Database={database};UID=sa;"
        f"PWD={SA_PASSWORD};Encrypt=no;TrustServerCertificate=yes",
        autocommit=True,
    )


def _make_table(port: int) -> None:
    connection = _connect(port, "master")
    for statement in _TABLE:
        connection.execute(statement)
    connection.close()


def _rows(folder: Path) -> int:
    files = [str(path) for path in folder.rglob("*.parquet") if "state" not in path.parts]
    return sum(ds.dataset(file, format="parquet").count_rows() for file in files)


@asynccontextmanager
async def change_source(folder: Path) -> AsyncIterator[int]:
    """Run the simulated SQL Server with an empty table that is captured; yields its port."""
    command = [sys.executable, "-m", "dtaas", "sandbox", "up", "--no-snowflake", "--json"]
    command += ["--data-dir", str(folder)]
    async with await anyio.open_process(command, stdout=PIPE, stderr=None) as process:
        assert process.stdout is not None
        try:
            said = b""
            with anyio.fail_after(_READY_S):
                while b"\n" not in said:
                    said += await process.stdout.receive()
            port = int(json.loads(said)["sqlserver"]["port"])
            await anyio.to_thread.run_sync(_make_table, port)
            yield port
        finally:
            await ended(process)


async def race_changes(daemon: WarmDaemon, folder: Path, ends: float) -> list[ChangeLane]:
    """Return the lanes."""
    folder.mkdir()
    async with change_source(folder / "sandbox") as port:
        contest = ChangeRace(daemon, port, folder, ends)
        try:
            await contest.run()
        except TimeoutError as exc:  # what has run counts
            for lane in contest.lanes:
                lane.reason = lane.reason or f"no time was left: {exc}"
    return contest.lanes


def show_changes(lanes: list[ChangeLane]) -> None:
    """Print the table."""
    table = Table(title=f"a backlog of {CHANGES:,} changes to Parquet; median of the rounds")
    for heading in ("way", "rounds", "changes/s", "CPU s per M", "peak MB", "DTaaS is", ""):
        table.add_column(heading, justify="right" if heading else "left")
    table.columns[0].justify = "left"
    ours = lanes[0].rate
    for lane in sorted(lanes, key=lambda lane: -lane.rate):
        if not lane.runs:
            table.add_row(lane.peer.name, *[""] * 5, f"did not run: {lane.reason}")
            continue
        table.add_row(
            lane.peer.name,
            str(len(lane.runs)),
            f"{lane.rate:,.0f}",
            f"{statistics.median(r.cpu_s * 1e6 / r.rows for r in lane.runs):.2f}",
            f"{max(r.peak_mb for r in lane.runs):,.0f}",
            f"{ours / lane.rate:.1f} x",
            lane.peer.differs,
        )
    Console(width=150).print(table)


def summary_of_changes(lanes: list[ChangeLane]) -> dict[str, object]:
    """Return the part of the JSON object."""
    ours, *peers = lanes
    best = max(peers, key=lambda lane: lane.rate, default=ours)
    return {
        "changes": CHANGES,
        "changes_per_second": round(ours.rate),
        "best_peer": best.peer.name if best.rate else None,
        "best_peer_changes_per_second": round(best.rate),
        "ratio_vs_best_peer": round(ours.rate / best.rate, 2) if best.rate else None,
        "peak_memory_mb": round(max((r.peak_mb for r in ours.runs), default=0.0)),
        "did_not_run": {lane.peer.name: lane.reason for lane in peers if not lane.runs},
    }


async def _alone() -> list[ChangeLane]:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "daemon").mkdir()
        async with warm_daemon(folder / "daemon") as daemon:
            ends = time.monotonic() + _MOST_ALONE_S
            return await race_changes(daemon, folder / "changes", ends)


def main() -> None:
    """Race, show, and print the JSON line."""
    lanes = anyio.run(_alone)
    show_changes(lanes)
    print(json.dumps(summary_of_changes(lanes)))


if __name__ == "__main__":
    main()
