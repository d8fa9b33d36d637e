"""A small table with a column of most types, and the short way to run steps on it."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa

from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.table_steps import PlacedStep
from dtaas.model.transformations import AddColumn, Transformation
from dtaas.model.type_text import parse_type, type_text
from dtaas.transforms.compile import Compilation, compile_steps, require_program
from dtaas.transforms.program import Transformed

TABLE = TableRef("sales", "orders")


def table(*columns: str, key: tuple[str, ...] = ()) -> TableSchema:
    """Return a schema of columns written `name type`, with `!` for NOT NULL."""
    return TableSchema(
        table=TABLE,
        columns=tuple(
            Column(
                name=text.split()[0],
                type=parse_type(text.split()[1].rstrip("!")),
                nullable=not text.endswith("!"),
            )
            for text in columns
        ),
        key=key,
    )


ORDERS = table(
    "id integer!", "name string(20)", "price decimal(10,2)", "qty integer", "at timestamp(3)",
    "ok boolean", "doc string", "zoned timestamp_tz(3)", "day date", "amount double",
    "mail string(50)", "exact timestamp(7)", "raw binary(4)", "clock time(3)", "guid uuid",
    key=("id",),
)  # fmt: skip
ROWS = pa.RecordBatch.from_pydict(
    {
        "id": [1, 2, 3, 4],
        "name": [" Ann ", "b,c", None, "Ärger x"],
        "price": [Decimal("1.50"), None, Decimal("3.00"), Decimal("0.10")],
        "qty": [1, 2, None, 0],
        "at": [
            dt.datetime(2020, 5, 6, 7, 8, 9, 123000),
            None,
            dt.datetime(1950, 1, 1),
            dt.datetime(2020, 3, 29, 1, 30),
        ],
        "ok": [True, None, False, True],
        "doc": ['{"a":{"b":[1,"x"]}}', None, "{}", '{"a":1}'],
        "zoned": [
            "2020-01-01 10:00:00.000 +02:00",
            None,
            "2020-01-01 10:00:00.000 -05:30",
            "2020-01-01 10:00:00.000 +00:00",
        ],
        "day": [dt.date(2020, 2, 29), None, dt.date(1, 1, 1), dt.date(9999, 12, 31)],
        "amount": [1.5, None, -2.25, 1e300],
        "mail": ["ann@example.com", None, "nobody", "x@y.z"],
        "exact": [
            "2020-05-06 07:08:09.1234567",
            None,
            "0001-01-01 00:00:00.0000000",
            "9999-12-31 23:59:59.9999999",
        ],
        "raw": [b"ab", None, b"\xff", b""],
        "clock": [dt.time(1, 2, 3), None, dt.time(0), dt.time(23, 59, 59, 999000)],
        "guid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", None, "0" * 8 + "-0000" * 3 + "-" + "0" * 12,
                 "ffffffff-ffff-ffff-ffff-ffffffffffff"],
    },
    schema=ORDERS.arrow_schema(),
)  # fmt: skip


def placed(*steps: Transformation, skip_missing: bool = False) -> tuple[PlacedStep, ...]:
    """Return steps as those of one rule."""
    return tuple(
        PlacedStep(f"$.transformations[0].steps[{i}]", step, skip_missing)
        for i, step in enumerate(steps)
    )


def compiled(*steps: Transformation, schema: TableSchema = ORDERS, **how: Any) -> Compilation:
    """Compile steps."""
    return compile_steps(placed(*steps), schema, **how)


def ran(
    *steps: Transformation, rows: pa.RecordBatch = ROWS, schema: TableSchema = ORDERS, **how: Any
) -> Transformed:
    """Compile steps and run them."""
    return require_program(compiled(*steps, schema=schema)).run(rows, **how)


def column(expression: str, **how: Any) -> tuple[str, list[Any]]:
    """Return the type and the values of an expression."""
    step = AddColumn(column="x", expression=expression, **how)
    program = require_program(compiled(step))
    batch = program.run(ROWS).batch
    batch.validate(full=True)
    return type_text(program.output.column("x").type), batch.column("x").to_pylist()
