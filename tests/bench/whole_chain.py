"""What all nine transformations, and SHA-256 alone, cost on the whole path. Run by its Makefile target.

The same task reads the same table through the ODBC reader and writes Parquet to S3: without steps,
with the chain, with the hash, in turns, each in a fresh process. A round's ratio is taken within
the round, because the machine's speed drifts. Prints a table and, as its last line, JSON.
"""

import json
import os
import statistics
from typing import Any, Final

import anyio
from rich.console import Console
from rich.table import Table

from dtaas.model.connectors import Reader
from tests.bench.run import ROWS, race

ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "5"))
PLAIN: Final = "dtaas"
SHAPED: Final = {"dtaas-transformed": "all nine", "dtaas-hashed": "SHA-256"}
LEAST: Final = 0.6
"""Of the throughput without steps that the chain must keep, by the clock."""
Rounds = list[dict[str, Any]]


def kept(results: dict[str, Rounds], way: str, what: str) -> list[float]:
    """Return what a task with steps keeps of the plain one's throughput, round by round."""
    pairs = zip(results[PLAIN], results[way], strict=True)
    return [plain[what] / shaped[what] for plain, shaped in pairs]


def main() -> None:
    """Race, show, and print the JSON line."""
    os.environ["BENCH_READER"] = reader = os.environ.get("BENCH_READER", Reader.ODBC.value)
    load = os.getloadavg()
    results = anyio.run(race, (PLAIN, *SHAPED), ROUNDS, float("inf"))
    table = Table(title=f"{ROWS:,} rows through the {reader} reader; load before {load[0]:.1f}")
    for heading in ("steps", "rows/s", "CPU s per M rows", "kept by the clock", "kept by CPU"):
        table.add_column(heading, justify="left" if heading == "steps" else "right")
    told: dict[str, Any] = {"rows": ROWS, "rounds": ROUNDS, "reader": reader, "load": load}
    for way, rounds in results.items():
        rate = statistics.median(ROWS / r["seconds"] for r in rounds)
        cpu_s = statistics.median(r["cpu_s"] for r in rounds) * 1e6 / ROWS
        row = [SHAPED.get(way, "none"), f"{rate:,.0f}", f"{cpu_s:.2f}"]
        found: dict[str, Any] = {"rows_per_second": round(rate), "cpu_s_per_million": cpu_s}
        for what, name in (("seconds", "wall"), ("cpu_s", "cpu")) if way in SHAPED else ():
            ratios = kept(results, way, what)
            found |= {f"kept_{name}": ratios, f"kept_{name}_median": statistics.median(ratios)}
            row.append(f"{statistics.median(ratios):.0%} ({min(ratios):.0%} to {max(ratios):.0%})")
        told[way] = found
        table.add_row(*row)
    Console(width=110).print(table)
    told["chain_keeps_enough"] = told["dtaas-transformed"]["kept_wall_median"] >= LEAST
    print(json.dumps(told))


if __name__ == "__main__":
    main()
