"""`make bench-peers`: SQL Server to Parquet, DTaaS beside the tools and libraries there are.

Everything reads the same packed rows from the same replay server, so the client side is measured,
never SQL Server. DTaaS is timed from the start command to a warm daemon until its execution is
completed, every other as a whole process. Prints a table for each target and, last, one JSON object.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from shutil import rmtree
from subprocess import PIPE

import anyio
from msgspec import Struct, field
from rich.console import Console
from rich.table import Table

from dtaas.sandbox.seaweed import seaweed
from tests.bench.peers.change_race import (
    ChangeLane,
    race_changes,
    show_changes,
    summary_of_changes,
)
from tests.bench.peers.lanes import OURS, PEERS, Peer, Place
from tests.bench.peers.measured import DidNotRunError, Measured, run_process
from tests.bench.peers.warm_daemon import WarmDaemon, ended, warm_daemon
from tests.bench.run import ACCESS_KEY, BUCKET, SECRET_KEY, warm

ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "515"))
"""When it must be over; a longer run would not begin."""
_CHANGES_S = 80.0
"""Of these, kept for the changes."""
_FOLDER_SHARE = 0.56
"""Of the rest, the part of the first target, where the slow ones run."""
FEW = min(ROWS, 1_000_000)
_MOST_A_RUN_S = 120.0
_READY_S = 60.0
_WARM_ROWS = 10_000
_SLOW = 100_000
"""Below so many rows a second a peer runs once, with few rows."""
_NUMBERS = count()


class Lane(Struct):
    """A contestant and what came of it.

    Attributes:
        runs: at `ROWS` rows; few: at `FEW` rows, where these are fewer.
        reason: why it did not run.
    """

    peer: Peer
    runs: list[Measured] = field(default_factory=list)
    few: list[Measured] = field(default_factory=list)
    reason: str = ""

    @property
    def counted(self) -> list[Measured]:
        """The runs that count: those at `ROWS` rows, else those at fewer."""
        return self.runs or self.few

    @property
    def rate(self) -> float:
        """Median rows a second, 0 when it did not run."""
        rates = [run.rows_per_second for run in self.counted]
        return statistics.median(rates) if rates else 0.0


class Race:
    """One target: every contestant in turns, as often as the time allows."""

    def __init__(
        self, daemon: WarmDaemon, ports: dict[int, int], folder: Path, endpoint: str, ends: float
    ) -> None:
        """Prepare to race into a folder, or to an S3 `endpoint`, until `ends`."""
        self._daemon = daemon
        self._ports = ports
        self._folder = folder
        self._endpoint = endpoint
        self._ends = ends
        self._numbers = _NUMBERS
        self.lanes = [Lane(peer) for peer in (OURS, *PEERS)]

    async def run(self, ran_already: Collection[str] = ()) -> None:
        """Run each once with few rows, then all but the slow in rounds with all.

        Args:
            ran_already: the slow, which have had their one run.
        """
        for lane in self.lanes:
            if lane.peer.name in ran_already:
                lane.reason = f"below {_SLOW:,} rows/s into the folder: it runs once"
                continue
            await self._once(lane, FEW, lane.runs if ROWS == FEW else lane.few)
        for number in range(ROUNDS):
            for lane in self.lanes:
                if (lane.rate < _SLOW and lane.peer is not OURS) or len(lane.runs) > number:
                    continue
                if time.monotonic() + ROWS / lane.rate < self._ends:
                    await self._once(lane, ROWS, lane.runs)

    async def _once(self, lane: Lane, rows: int, runs: list[Measured]) -> None:
        left = self._ends - time.monotonic()
        if left < 1:
            lane.reason = lane.reason or "no time was left"
            return
        folder = self._folder / f"{lane.peer.name.replace(' ', '-')}-{next(self._numbers)}"
        folder.mkdir()
        place = Place(port=self._ports[rows], folder=folder, endpoint=self._endpoint)
        said = ""
        try:
            run = await self._measured(lane.peer, place, rows, min(left, _MOST_A_RUN_S))
        except DidNotRunError as exc:
            said = lane.reason = str(exc)
        else:
            runs.append(run)
            said = f"{run.rows_per_second:,.0f} rows/s"
        finally:
            rmtree(folder, ignore_errors=True)  # a load that took too long may still write
        print(f"  {lane.peer.name}: {said}", file=sys.stderr)

    async def _measured(self, peer: Peer, place: Place, rows: int, limit_s: float) -> Measured:
        if peer is OURS:
            try:
                return await self._daemon.load(place, limit_s=limit_s)
            except TimeoutError as exc:
                raise DidNotRunError(f"not done after {limit_s:.0f} s") from exc
        run = peer.prepare(place)
        if run is None:
            raise DidNotRunError("not installed: make bench-peers-setup")
        return await anyio.to_thread.run_sync(
            lambda: run_process(run, place.folder, rows=rows, limit_s=limit_s)
        )


@asynccontextmanager
async def replaying(rows: int) -> AsyncIterator[int]:
    """Run the replay server with so many rows; yields its port."""
    command = [sys.executable, "-m", "tests.bench.replay", "--rows", str(rows)]
    async with await anyio.open_process(command, stdout=PIPE, stderr=None) as replay:
        assert replay.stdout is not None
        try:
            with anyio.fail_after(_READY_S):
                port = int((await replay.stdout.receive()).split()[0])
            yield port
        finally:
            await ended(replay)


def slow(lanes: Sequence[Lane]) -> list[str]:
    """Return who runs once only: never pyodbc nor the best three, which are compared everywhere."""
    peers = sorted(lanes[1:], key=lambda lane: -lane.rate)
    return [p.peer.name for p in peers[3:] if p.rate < _SLOW and p.peer.name != "pyodbc"]


async def race() -> tuple[dict[str, list[Lane]], list[ChangeLane]]:
    """Return the lanes by target, `file` and `s3`, and those of the changes."""
    ends = time.monotonic() + SECONDS
    results: dict[str, list[Lane]] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        s3 = await stack.enter_async_context(
            seaweed(folder / "s3", access_key=ACCESS_KEY, secret_key=SECRET_KEY)
        )
        await s3.create_bucket(BUCKET)
        await warm(s3)
        ports = {
            rows: await stack.enter_async_context(replaying(rows))
            for rows in sorted({_WARM_ROWS, FEW, ROWS})
        }
        (folder / "daemon").mkdir()
        daemon = await stack.enter_async_context(warm_daemon(folder / "daemon"))
        for target, endpoint in (("file", ""), ("s3", s3.endpoint_url)):
            (folder / f"warm-{target}").mkdir()
            place = Place(
                port=ports[_WARM_ROWS], folder=folder / f"warm-{target}", endpoint=endpoint
            )
            await daemon.load(place, limit_s=_MOST_A_RUN_S)
            left = ends - _CHANGES_S - time.monotonic()
            until = time.monotonic() + left * (_FOLDER_SHARE if target == "file" else 1)
            print(f"{target}:", file=sys.stderr)
            contest = Race(daemon, ports, folder, endpoint, until)
            await contest.run(slow(results["file"]) if results else ())
            results[target] = contest.lanes
        print("changes:", file=sys.stderr)
        return results, await race_changes(daemon, folder / "changes", ends)


def show(target: str, lanes: list[Lane]) -> None:
    """Print one target's table."""
    table = Table(title=f"{ROWS:,} rows to Parquet, {target}; median of the rounds")
    for heading in ("way", "rows", "rounds", "rows/s", "CPU s per M", "peak MB", "DTaaS is", ""):
        table.add_column(heading, justify="right" if heading else "left")
    table.columns[0].justify = "left"
    ours = lanes[0].rate
    for lane in sorted(lanes, key=lambda lane: -lane.rate):
        runs = lane.counted
        if not runs:
            table.add_row(lane.peer.name, *[""] * 6, f"did not run: {lane.reason}")
            continue
        table.add_row(
            lane.peer.name,
            f"{runs[0].rows:,}" + ("" if runs[0].rows == ROWS else " *"),
            str(len(runs)),
            f"{lane.rate:,.0f}",
            f"{statistics.median(r.cpu_s * 1e6 / r.rows for r in runs):.2f}",
            f"{max(r.peak_mb for r in runs):,.0f}",
            f"{ours / lane.rate:.1f} x",
            lane.peer.differs,
        )
    Console(width=150).print(table)


def summary(lanes: list[Lane]) -> dict[str, object]:
    """Return one target's part of the JSON object."""
    ours, *peers = lanes
    best = max(peers, key=lambda lane: lane.rate)
    pyodbc = next(lane for lane in peers if lane.peer.name == "pyodbc")
    return {
        "rows_per_second": round(ours.rate),
        "best_peer": best.peer.name,
        "best_peer_rows_per_second": round(best.rate),
        "pyodbc_rows_per_second": round(pyodbc.rate),
        "ratio_vs_best_peer": round(ours.rate / best.rate, 2) if best.rate else None,
        "ratio_vs_pyodbc": round(ours.rate / pyodbc.rate, 2) if pyodbc.rate else None,
        "peak_memory_mb": round(max((r.peak_mb for r in ours.counted), default=0.0)),
    }


def main() -> None:
    """Race, show, and print the JSON line."""
    results, changes = anyio.run(race)
    for target, lanes in results.items():
        show(target, lanes)
    print(f"* below {_SLOW:,} rows/s, or no time was left: {FEW:,} rows.")
    show_changes(changes)
    loads = {target: summary(lanes) for target, lanes in results.items()}
    print(json.dumps({"rows": ROWS, **loads, "cdc": summary_of_changes(changes)}))


if __name__ == "__main__":
    main()
