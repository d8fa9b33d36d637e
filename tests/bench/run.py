"""`make bench`: SQL Server → Arrow → Parquet → S3, beside what users would write.

Every contestant reads the same table from the same replay server and writes to the same S3, one
after the other in interleaved rounds, each in a fresh process timed after its imports. The server
replays packed rows: the bench measures the client side, never SQL Server. Prints a table and, as
its last line, one JSON object.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
import boto3
from rich.console import Console
from rich.table import Table

from dtaas.sandbox.seaweed import SeaweedServer, seaweed
from tests.bench.contest import WAYS as MODULES

ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
BUDGET_S = float(os.environ.get("BENCH_SECONDS", "36"))
"""No round begins after this; the slow ways run once in any case."""
SHAPED = ("dtaas-transformed", "dtaas-hashed")
RACERS = ",".join(way for way in MODULES if way not in SHAPED)
WAYS = tuple(os.environ.get("BENCH_WAYS", RACERS).split(","))
BUCKET = "bench"
ACCESS_KEY, SECRET_KEY = "bench", "bench-secret"


async def race(
    ways: Sequence[str] = WAYS, rounds: int = ROUNDS, budget_s: float = BUDGET_S
) -> dict[str, list[dict[str, Any]]]:
    """Return the results of every round by contestant."""
    results: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        async with seaweed(Path(folder) / "s3", access_key=ACCESS_KEY, secret_key=SECRET_KEY) as s3:
            await s3.create_bucket(BUCKET)
            await warm(s3)
            command = [sys.executable, "-m", "tests.bench.replay", "--rows", str(ROWS)]
            async with await anyio.open_process(command, stdout=PIPE, stderr=None) as replay:
                assert replay.stdout is not None
                port = int((await replay.stdout.receive()).split()[0])
                began = time.monotonic()
                for _ in range(rounds):
                    for way in ways:
                        late = time.monotonic() - began > budget_s
                        if results[way] and late:
                            continue
                        results[way].append(await contest(way, port, s3.endpoint_url))
                replay.terminate()
    return results


async def warm(s3: SeaweedServer) -> None:
    """Write once: the server makes a bucket's volumes at its first write."""
    client = boto3.client(
        "s3",
        endpoint_url=s3.endpoint_url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=s3.region,
    )
    await anyio.to_thread.run_sync(lambda: client.put_object(Bucket=BUCKET, Key="w", Body=b"w"))


async def contest(way: str, port: int, endpoint: str) -> dict[str, Any]:
    """Run one contestant in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.contest", way, "--port", str(port)]
    command += [
        "--endpoint",
        endpoint,
        "--access-key",
        ACCESS_KEY,
        "--secret-key",
        SECRET_KEY,
        "--bucket",
        BUCKET,
    ]
    done = await anyio.run_process(command, stderr=None, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    filtered = way == "dtaas-transformed"  # its chain begins with a filter
    assert result["rows"] == ROWS or filtered, result
    return result


def main() -> None:
    """Race, show, and print the JSON line."""
    results = anyio.run(race)
    rate = {
        way: statistics.median(r["rows"] / r["seconds"] for r in rounds)
        for way, rounds in results.items()
    }
    table = Table(title=f"{ROWS:,} rows, median of the rounds; whole path to the last object")
    for heading in ("way", "rounds", "rows/s", "CPU s per M rows", "peak MB", "DTaaS is"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    for way, rounds in results.items():
        table.add_row(
            way,
            str(len(rounds)),
            f"{rate[way]:,.0f}",
            f"{statistics.median(r['cpu_s'] for r in rounds) * 1e6 / ROWS:.2f}",
            f"{max(r['peak_mb'] for r in rounds):,.0f}",
            f"{rate['dtaas'] / rate[way]:.1f} x",
        )
    Console(width=100).print(table)
    print(
        json.dumps(
            {
                "rows": ROWS,
                "rows_per_second": round(rate["dtaas"]),
                "pyodbc_rows_per_second": round(rate["pyodbc"]),
                "ratio_vs_pyodbc": round(rate["dtaas"] / rate["pyodbc"], 2),
                "ratio_vs_connectorx": round(rate["dtaas"] / rate["connectorx"], 2),
                "ratio_vs_arrow_odbc": round(rate["dtaas"] / rate["arrow-odbc"], 2),
                "cpu_s_per_million_rows": round(
                    statistics.median(r["cpu_s"] for r in results["dtaas"]) * 1e6 / ROWS, 2
                ),
                "peak_memory_mb": round(max(r["peak_mb"] for r in results["dtaas"])),
            }
        )
    )


if __name__ == "__main__":
    main()
