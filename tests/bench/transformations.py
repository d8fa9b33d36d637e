"""`make bench-transformations`: rows a second of each transformation, beside pandas and polars.

One batch of 65,536 rows of the bench's table; best of `BENCH_ROUNDS` after one to warm up. pandas and
polars are timed where they are installed (extra `bench`), on columns they hold in their own form. Prints a
table and, as its last line, one JSON object.
"""

import hashlib
import importlib
import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.table_steps import PlacedStep
from dtaas.model.transformations import Transformation
from dtaas.model.type_text import parse_type
from dtaas.transforms.compile import compile_steps, require_program
from tests.bench.chain import CHAIN, HASH
from tests.bench.shape import BLOCK_ROWS, block

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "7"))
TYPES = {
    "id": "bigint", "customer": "integer", "amount": "decimal(18,4)", "weight": "double",
    "paid": "boolean", "ordered": "date", "changed": "timestamp(3)", "name": "string(50)",
    "note": "string(100)", "ref": "uuid",
}  # fmt: skip
SCHEMA = TableSchema(
    table=TableRef("dbo", "orders"),
    columns=tuple(
        Column(name=name, type=parse_type(text), nullable=name in {"weight", "name"})
        for name, text in TYPES.items()
    ),
    key=("id",),
)


def batch() -> pa.RecordBatch:
    """Return the block as it reaches the transformations."""
    start = datetime(1, 1, 1)
    rows = [
        {
            "id": r[0], "customer": r[1], "amount": Decimal(r[2]).scaleb(-4), "weight": r[3],
            "paid": bool(r[4]), "ordered": date.fromordinal(r[5] + 1),
            "changed": start + timedelta(milliseconds=r[6] // 10_000), "name": r[7], "note": r[8],
            "ref": str(uuid.UUID(bytes_le=r[9])),
        }
        for r in block()
    ]  # fmt: skip
    return pa.RecordBatch.from_pylist(rows, schema=SCHEMA.arrow_schema())


def best_s(run: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the shortest of some runs by a clock; that of the processor is not slowed by others."""
    run()
    found = []
    for _ in range(ROUNDS):
        began = clock()
        run()
        found.append(clock() - began)
    return min(found)


def ours(rows: pa.RecordBatch, *steps: Transformation) -> Callable[[], object]:
    """Return our program over the rows."""
    placed = [PlacedStep(f"$[{i}]", step) for i, step in enumerate(steps)]
    program = require_program(compile_steps(placed, SCHEMA))
    return lambda: program.run(rows)


def in_pandas(rows: pa.RecordBatch) -> dict[str, Callable[[], object]]:
    """Return the same steps as a pandas user writes them; its texts are Arrow's."""
    pd: Any = importlib.import_module("pandas")
    f = rows.to_pandas(types_mapper=pd.ArrowDtype)

    def sha(text: Any) -> Any:
        return text if text is pd.NA else hashlib.sha256(b"pepper" + text.encode()).hexdigest()

    return {
        "filter_rows": lambda: f[f["customer"] > 100],
        "drop_column": lambda: f.drop(columns=["ref"]),
        "add_column": lambda: f.assign(gross=f["weight"] * 1.19),
        "rename_column": lambda: f.rename(columns={"amount": "net"}),
        "cast_type": lambda: f.assign(customer=f["customer"].astype("int64[pyarrow]")),
        "replace_value": lambda: f.assign(name=f["name"].fillna("nobody")),
        "concatenate_columns": lambda: f.assign(words=f["name"].fillna("") + " - " + f["note"]),
        "split_column": lambda: f["note"].str.split(" ", n=1, expand=True),
        "apply_function": lambda: f.assign(name=f["name"].str.upper()),
        "sha256": lambda: f.assign(name=f["name"].map(sha)),
    }


def in_polars(rows: pa.RecordBatch) -> dict[str, Callable[[], object]]:
    """Return the same steps as a polars user writes them."""
    pl: Any = importlib.import_module("polars")
    f = pl.from_arrow(pa.Table.from_batches([rows]))
    c = pl.col

    def sha(text: str) -> str:
        return hashlib.sha256(b"pepper" + text.encode()).hexdigest()

    return {
        "filter_rows": lambda: f.filter(c("customer") > 100),
        "drop_column": lambda: f.drop("ref"),
        "add_column": lambda: f.with_columns((c("weight") * 1.19).alias("gross")),
        "rename_column": lambda: f.rename({"amount": "net"}),
        "cast_type": lambda: f.with_columns(c("customer").cast(pl.Int64)),
        "replace_value": lambda: f.with_columns(c("name").fill_null("nobody")),
        "concatenate_columns": lambda: f.with_columns(
            pl.concat_str("name", "note", separator=" - ", ignore_nulls=True).alias("words")
        ),
        "split_column": lambda: f.with_columns(
            c("note").str.splitn(" ", 2).struct.rename_fields(["kind", "rest"]).struct.unnest()
        ),
        "apply_function": lambda: f.with_columns(c("name").str.to_uppercase()),
        "sha256": lambda: f.with_columns(c("name").map_elements(sha, return_dtype=pl.String)),
    }


def main() -> None:
    """Time everything and print it."""
    rows = batch()
    names = [str(step.__struct_config__.tag) for step in CHAIN]
    timed: dict[str, dict[str, float]] = {name: {} for name in [*names, "sha256"]}
    for name, step in zip([*names, "sha256"], [*CHAIN, HASH], strict=True):
        alone = step
        timed[name]["dtaas"] = best_s(ours(rows, alone))
    others = {"pandas": in_pandas, "polars": in_polars}
    for library, build in others.items():
        try:
            runs = build(rows)
        except ImportError:
            print(f"{library} is not installed", file=sys.stderr)
            continue
        for name, run in runs.items():
            timed[name][library] = best_s(run)
    chain_s = best_s(ours(rows, *CHAIN))
    chain_cpu_s = best_s(ours(rows, *CHAIN), time.process_time)
    table = Table("step", *(f"{library}, Mrow/s" for library in ("dtaas", *others)))
    for name, found in timed.items():
        table.add_row(
            name,
            *(
                f"{BLOCK_ROWS / found[x] / 1e6:.1f}" if x in found else "-"
                for x in ("dtaas", *others)
            ),
        )
    Console().print(table)
    print(
        f"all nine in a chain: {BLOCK_ROWS / chain_s / 1e6:.2f} Mrow/s, {chain_s * 1e3:.1f} ms; "
        f"of the processor {chain_cpu_s * 1e3:.1f} ms; load {os.getloadavg()[0]:.1f}"
    )
    print(
        json.dumps(
            {
                "rows": BLOCK_ROWS,
                "chain_s": chain_s,
                "chain_cpu_s": chain_cpu_s,
                "load": os.getloadavg(),
                "seconds": timed,
            }
        )
    )


if __name__ == "__main__":
    main()
