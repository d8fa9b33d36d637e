"""`python -m tests.bench.api`: how fast the API answers while a load runs at full speed.

A daemon copies a table from the replay server into a folder as fast as the machine lets it, both
cores busy, while one client asks for what an open page asks for, one request after the other. The
daemon notes whatever held its event loop up. Prints a table and, as its last line, one JSON object.
"""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import anyio
from rich.console import Console
from rich.table import Table

from tests.bench.peers.lanes import Place
from tests.bench.peers.warm_daemon import WarmDaemon, warm_daemon
from tests.bench.read import replaying

ROWS = int(os.environ.get("BENCH_ROWS", "20000000"))
MOST_P99_MS = 100.0
MOST_STALL_MS = 50.0
_BETWEEN_S = 0.03


def paths(task: int) -> tuple[str, ...]:
    """Return what is asked for, in turns."""
    return (
        "/api/version",
        "/api/tasks/",
        f"/api/tasks/{task}",
        f"/api/tasks/{task}/executions?limit=10",
        "/api/dashboard/metrics",
        "/api/dashboard/charts",
    )


async def ask(daemon: WarmDaemon, task: int) -> dict[str, list[float]]:
    """Return the ms each answer took, by path, until the load ends."""
    found: dict[str, list[float]] = {path: [] for path in paths(task)}
    while await daemon.is_running(task):
        for path, times in found.items():
            times.append(await daemon.answer_s(path) * 1000)
            await anyio.sleep(_BETWEEN_S)
    return found


async def measure() -> tuple[dict[str, list[float]], list[float], float]:
    """Return the answers' ms by path, the stalls in ms, and the seconds the load took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stalls = folder / "stalls"
        os.environ["STALLS_FILE"] = str(stalls)
        for part in ("data", "out"):
            (folder / part).mkdir()
        async with (
            replaying(ROWS) as (port, _),
            warm_daemon(folder / "data", "tests.bench.stalls") as daemon,
        ):
            began = time.time()
            task = await daemon.begin(Place(port=port, folder=folder / "out"))
            found = await ask(daemon, task)
            ended = time.time()
        noted = [line.split() for line in stalls.read_text(encoding="ascii").splitlines()]
    held = [float(ms) for at, ms in noted if began <= float(at) <= ended]
    return found, held, ended - began


def main() -> None:
    """Measure, show, and print the JSON line."""
    found, held, seconds = anyio.run(measure)
    table = Table(title=f"{ROWS / seconds:,.0f} rows/s beside the answers")
    for heading in ("path", "answers", "median ms", "p99 ms", "longest ms"):
        table.add_column(heading, justify="left" if heading == "path" else "right")
    every = sorted(ms for times in found.values() for ms in times)
    for path, times in (*found.items(), ("all", every)):
        ordered = sorted(times)
        figures = (_part(ordered, 0.5), _part(ordered, 0.99), ordered[-1])
        table.add_row(path, str(len(ordered)), *(f"{ms:.0f}" for ms in figures))
    Console(width=100).print(table)
    summary: dict[str, Any] = {
        "rows": ROWS,
        "rows_per_second": round(ROWS / seconds),
        "answers": len(every),
        "p99_ms": round(_part(every, 0.99), 1),
        "longest_ms": round(every[-1], 1),
        "longest_stall_ms": round(max(held, default=0.0), 1),
    }
    summary["within_budget"] = (
        summary["p99_ms"] <= MOST_P99_MS and summary["longest_stall_ms"] <= MOST_STALL_MS
    )
    print(json.dumps(summary))


def _part(ordered: list[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


if __name__ == "__main__":
    main()
