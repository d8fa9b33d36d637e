"""`python -m tests.bench.read`: how fast rows become Arrow, natively and through arrow-odbc.

Each way reads the whole table from the replay server in a process of its own, in turns, without
encryption and with it, and drops the batches. `to Parquet` reads two halves natively, each in a
thread that encodes them with the product's own encoder and drops the bytes. The server is a process too; its processor time is
counted apart, so that it can be seen whether it or the reader was the limit. Prints a table and, as
its last line, one JSON object.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from subprocess import PIPE
from typing import Any

import anyio
import psutil
from rich.console import Console
from rich.table import Table

ROWS = int(os.environ.get("BENCH_ROWS", "2000000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
_BATCH_ROWS = 65_536
_BATCH_BYTES = 4 << 20
_ODBC_BYTES = 8 << 20
"""The fastest of arrow-odbc's settings on this table."""
WAYS = ("native", "arrow-odbc")
TO_PARQUET = "to Parquet"
_HALVES = 2
ENCRYPT = ("no", "yes")


async def race() -> dict[str, list[dict[str, float]]]:
    """Return what every round took, by way and encryption."""
    found: dict[str, list[dict[str, float]]] = {}
    async with replaying(ROWS) as (port, server):
        for _ in range(ROUNDS):
            for encrypt in ENCRYPT:
                for way in (*WAYS, TO_PARQUET):
                    before = _cpu_s(server)
                    command = [sys.executable, "-m", "tests.bench.read", "--way", way]
                    command += ["--port", str(port), "--encrypt", encrypt]
                    done = await anyio.run_process(command, stderr=None, check=True)
                    told = json.loads(done.stdout.splitlines()[-1])
                    if told["all_rows"] != ROWS:
                        raise RuntimeError(f"{way} read {told['all_rows']:,} of {ROWS:,} rows")
                    told["server_cpu_s"] = _cpu_s(server) - before
                    found.setdefault(f"{way}, Encrypt={encrypt}", []).append(told)
    return found


@asynccontextmanager
async def replaying(rows: int) -> AsyncIterator[tuple[int, psutil.Process]]:
    """Run the replay server; yields its port and its process."""
    command = [sys.executable, "-m", "tests.bench.replay", "--rows", str(rows)]
    async with await anyio.open_process(command, stdout=PIPE, stderr=None) as replay:
        assert replay.stdout is not None
        try:
            yield int((await replay.stdout.receive()).split()[0]), psutil.Process(replay.pid)
        finally:
            replay.terminate()


def _cpu_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


def contend(way: str, port: int, encrypt: str) -> dict[str, Any]:
    """Read the table once; imports and the login are no part of it."""
    ways = {"native": _native, "arrow-odbc": _arrow_odbc, TO_PARQUET: _to_parquet}
    run = ways[way](port, encrypt)
    first = next(run)  # one batch: everything is warm and connected
    used, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    rows = sum(run)
    seconds = time.perf_counter() - began
    now = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    return {
        "all_rows": first + rows,
        "rows": rows,
        "seconds": seconds,
        "cpu_s": cpu_s,
        "system_s": now.ru_stime - used.ru_stime,
        "peak_mb": now.ru_maxrss / 1e3,
    }


def _native(port: int, encrypt: str) -> Any:
    from dtaas.allocator import return_freed_memory  # noqa: PLC0415 - only what a way needs
    from tests.bench.straightforward import QUERY, SCHEMA  # noqa: PLC0415

    return_freed_memory()
    for batch in _batches(port, encrypt, QUERY, SCHEMA):
        yield batch.num_rows


def _to_parquet(port: int, encrypt: str) -> Any:
    import io  # noqa: PLC0415
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415
    from queue import SimpleQueue  # noqa: PLC0415

    import pyarrow as pa  # noqa: PLC0415

    from dtaas.allocator import return_freed_memory  # noqa: PLC0415
    from dtaas.connectors.lake.encode import ParquetEncoder  # noqa: PLC0415
    from tests.bench.straightforward import QUERY, SCHEMA  # noqa: PLC0415

    class Nowhere(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            return len(data)

    return_freed_memory()
    batches: SimpleQueue[int | None] = SimpleQueue()

    def copy(half: int) -> None:
        low, high = (ROWS * n // _HALVES for n in (half, half + 1))
        query = f"{QUERY} WHERE [id] > CAST({low} AS bigint) AND [id] <= CAST({high} AS bigint)"
        encoder = ParquetEncoder(Nowhere(), SCHEMA)  # type: ignore[arg-type]
        try:
            for batch in _batches(port, encrypt, query, SCHEMA):
                encoder.write(pa.Table.from_batches([batch]))
                batches.put(batch.num_rows)
            encoder.close()
        finally:
            batches.put(None)

    with ThreadPoolExecutor(_HALVES) as threads:
        halves = [threads.submit(copy, half) for half in range(_HALVES)]
        for _ in halves:
            yield from iter(batches.get, None)
        for half in halves:
            half.result()


def _batches(port: int, encrypt: str, query: str, schema: Any) -> Any:
    from dtaas.tds.login import Login  # noqa: PLC0415
    from dtaas.tds.plan import plan_column  # noqa: PLC0415
    from dtaas.tds.session import Encryption, Session, Target  # noqa: PLC0415

    login = Login(
        user="sa", password="bench", database="bench", server="127.0.0.1",
        application="bench", packet_size=16_383,
    )  # fmt: skip
    target = Target(
        host="127.0.0.1", port=port, encryption=Encryption(encrypt), login=login,
        trust_certificate=True,
    )  # fmt: skip
    session = Session(target)
    session.connect()
    result = session.query(query)
    plans = []
    for column, field in zip(result.columns, schema, strict=True):
        plan = plan_column(column, field.type)
        if plan is None:
            raise TypeError(f"{field.name} cannot be read as {field.type}")
        plans.append(plan)
    result.start(plans, schema, most_value_bytes=1 << 30)
    while (batch := result.next(most_rows=_BATCH_ROWS, most_bytes=_BATCH_BYTES)) is not None:
        yield batch
    session.close()


def _arrow_odbc(port: int, encrypt: str) -> Any:
    import arrow_odbc  # noqa: PLC0415

    from dtaas.connectors.sqlserver.driver import find_driver  # noqa: PLC0415
    from tests.bench.straightforward import QUERY  # noqa: PLC0415

    text = (
        f"Driver={{{find_driver()}}};Server=127.0.0.1,{port};Database=bench;UID=sa;PWD=bench;"
        f"Encrypt={encrypt};TrustServerCertificate=yes"
    )
    reader = arrow_odbc.read_arrow_batches_from_odbc(
        QUERY, connection_string=text, max_bytes_per_batch=_ODBC_BYTES, batch_size=_BATCH_ROWS
    )
    for batch in reader:
        yield batch.num_rows


def main() -> None:
    """Race, show, and print the JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--way", choices=(*WAYS, TO_PARQUET))
    parser.add_argument("--port", type=int)
    parser.add_argument("--encrypt", choices=ENCRYPT)
    given = parser.parse_args()
    if given.way:
        print(json.dumps(contend(given.way, given.port, given.encrypt)))
        return
    show(anyio.run(race))


def show(found: dict[str, list[dict[str, float]]]) -> None:
    """Print the table and the JSON line."""
    table = Table(title=f"{ROWS:,} rows from the wire to Arrow; {ROUNDS} rounds")
    for heading in ("way", "best rows/s", "CPU s per M", "of it system", "server's", "peak MB"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    per_million: dict[str, float] = {}
    best: dict[str, float] = {}
    for way, runs in found.items():
        per_million[way] = statistics.median(r["cpu_s"] * 1e6 / r["rows"] for r in runs)
        best[way] = max(r["rows"] / r["seconds"] for r in runs)
        table.add_row(
            way,
            f"{best[way]:,.0f}",
            f"{per_million[way]:.3f}",
            f"{statistics.median(r['system_s'] * 1e6 / r['rows'] for r in runs):.3f}",
            f"{statistics.median(r['server_cpu_s'] for r in runs) * 1e6 / ROWS:.3f}",
            f"{max(r['peak_mb'] for r in runs):,.0f}",
        )
    Console(width=100).print(table)
    summary: dict[str, Any] = {"rows": ROWS}
    for encrypt in ENCRYPT:
        ours, theirs = f"native, Encrypt={encrypt}", f"arrow-odbc, Encrypt={encrypt}"
        summary[f"encrypt_{encrypt}"] = {
            "rows_per_second": round(best[ours]),
            "cpu_s_per_million_rows": round(per_million[ours], 3),
            "arrow_odbc_cpu_s_per_million_rows": round(per_million[theirs], 3),
            "cpu_ratio_vs_arrow_odbc": round(per_million[theirs] / per_million[ours], 2),
            "speed_ratio_vs_arrow_odbc": round(best[ours] / best[theirs], 2),
            "to_parquet_rows_per_second": round(best[f"{TO_PARQUET}, Encrypt={encrypt}"]),
        }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
