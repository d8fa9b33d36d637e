"""Each transformation against the same in plain Python, row by row, in loads and in changes."""

import datetime as dt
import hashlib
import json
import math
import re
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtaas.model.changes import CHANGE_FIELDS, OP, change_schema
from dtaas.model.transformations import (
    AddColumn,
    ApplyFunction,
    CastType,
    ConcatenateColumns,
    DropColumn,
    FilterRows,
    Match,
    NullParts,
    OnError,
    RenameColumn,
    ReplaceValue,
    SplitBy,
    SplitColumn,
    Transformation,
)
from dtaas.transforms.changes import transform_changes
from dtaas.transforms.compile import compile_steps, require_program
from tests.unit.transforms.orders import placed, table

SCHEMA = table(
    "id bigint!", "text string(40)", "whole bigint", "exact decimal(12,3)", "amount double",
    "day date", "at timestamp(6)", "flag boolean",
    key=("id",),
)  # fmt: skip
Row = dict[str, Any]
REJECTED = "rejected"
Reference = Callable[[Row], Row | str | None]
"""From a row to what becomes of it: a row, None when it is filtered, or REJECTED."""

TEXTS = st.one_of(
    st.none(),
    st.text("aB1 ,-é\t@.", max_size=8),
    st.integers(-(10**6), 10**6).map(str),
    st.sampled_from(["abc", "a,b,c", "", "{}", "2020-02-29"]),
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "text": TEXTS,
            "whole": st.none() | st.integers(-(10**15), 10**15) | st.integers(-3, 3),
            "exact": st.none() | st.integers(-(10**9), 10**9).map(lambda n: Decimal(n).scaleb(-3)),
            "amount": st.none() | st.floats(-(2.0**40), 2.0**40, width=32),
            "day": st.none() | st.dates(),
            "at": st.none() | st.datetimes(),
            "flag": st.none() | st.booleans(),
        }
    ),
    max_size=12,
)


def with_value(column: str, value: Callable[[Row], Any]) -> Reference:
    """Return a row with one value worked out from it."""
    return lambda row: row | {column: value(row)}


def function(
    column: str, name: str, value_of: Callable[[Any], Any], /, **arguments: Any
) -> tuple[Transformation, Reference]:
    """Return a function that leaves NULL alone, in place."""
    step = ApplyFunction(column=column, function=name, arguments=arguments)
    return step, with_value(
        column, lambda row: None if row[column] is None else value_of(row[column])
    )


def kleene_and(*values: bool | None) -> bool | None:
    if any(v is False for v in values):
        return False
    return None if any(v is None for v in values) else True


def kleene_or(*values: bool | None) -> bool | None:
    if any(v is True for v in values):
        return True
    return None if any(v is None for v in values) else False


def condition(row: Row) -> bool | None:
    """Say `whole > 0 AND (flag OR text LIKE 'a%')` with three values."""
    positive = None if row["whole"] is None else row["whole"] > 0
    like = None if row["text"] is None else row["text"].startswith("a")
    return kleene_and(positive, kleene_or(row["flag"], like))


def whole_of(row: Row, bad: Any) -> Row | str:
    text = row["text"]
    if text is None:
        return row
    if re.fullmatch(r"[+-]?\d+", text.strip(" \t")):
        return row | {"text": int(text)}
    return row | {"text": None} if bad is None else REJECTED


def joined(row: Row, nulls: NullParts) -> str | None:
    parts = [row["text"], None if row["whole"] is None else str(row["whole"]),
             None if row["day"] is None else row["day"].isoformat()]  # fmt: skip
    if nulls is NullParts.NULL:
        return None if None in parts else "/".join(p for p in parts if p is not None)
    if nulls is NullParts.EMPTY:
        return "/".join(p or "" for p in parts)
    return "/".join(p for p in parts if p is not None)


def split(row: Row, most: int) -> Row:
    text = row["text"]
    parts = [] if text is None else text.split(",", most)
    parts = [*parts, None, None][:2]
    return {k: v for k, v in row.items() if k != "text"} | {"p": parts[0], "q": parts[1]}


def by_pattern(row: Row) -> Row:
    found = (
        None if row["text"] is None else re.search(r"([a-z]+)([^a-z]*)$", row["text"], re.DOTALL)
    )
    return row | {"p": found and found[1], "q": found and found[2]}


def masked(text: str) -> str:
    return "*" * len(text) if len(text) <= 3 else text[:1] + "*" * (len(text) - 3) + text[-2:]


def at_json(text: str) -> str | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found.get("k") if isinstance(found, dict) else None


def rounded(number: Decimal, how: str) -> Decimal:
    return number.quantize(Decimal(1), how).quantize(Decimal("0.001"))


def calculated(row: Row) -> int | None:
    return None if row["whole"] is None else row["whole"] * 2 - 7


def dated(value: dt.date, **parts: int) -> dt.date:
    return value.replace(**parts)


CASES: dict[str, tuple[Transformation, Reference]] = {
    "add constant": (AddColumn(column="n", value="x"), with_value("n", lambda _: "x")),
    "add null": (AddColumn(column="n", data_type="date"), with_value("n", lambda _: None)),
    "add expression": (
        AddColumn(column="n", expression="whole * 2 - 7"), with_value("n", calculated),
    ),
    "add choice": (
        AddColumn(column="n", expression="CASE WHEN flag THEN text ELSE COALESCE(text, '?') END"),
        with_value("n", lambda r: r["text"] if r["flag"] or r["text"] is not None else "?"),
    ),
    "rename": (
        RenameColumn(column="text", to="words"),
        lambda r: {("words" if k == "text" else k): v for k, v in r.items()},
    ),
    "drop": (
        DropColumn(columns=("text", "at")),
        lambda r: {k: v for k, v in r.items() if k not in {"text", "at"}},
    ),
    "cast or null": (
        CastType(column="text", data_type="bigint", on_error=OnError.NULL),
        lambda r: whole_of(r, None),
    ),
    "cast or reject": (
        CastType(column="text", data_type="bigint", on_error=OnError.REJECT),
        lambda r: whole_of(r, REJECTED),
    ),
    "cast to text": (
        CastType(column="exact", data_type="string"),
        with_value("exact", lambda r: None if r["exact"] is None else f"{r['exact']:.3f}"),
    ),
    "cast to date": (
        CastType(column="at", data_type="date"),
        with_value("at", lambda r: None if r["at"] is None else r["at"].date()),
    ),
    "cast to whole or reject": (
        CastType(column="exact", data_type="integer", on_error=OnError.REJECT),
        lambda r: REJECTED if r["exact"] is not None and r["exact"] % 1 else
        r | {"exact": None if r["exact"] is None else int(r["exact"])},
    ),
    "filter": (
        FilterRows(condition="whole > 0 AND (flag OR text LIKE 'a%')"),
        lambda r: r if condition(r) is True else None,
    ),
    "filter not": (
        FilterRows(condition="NOT (whole > 0 AND (flag OR text LIKE 'a%'))"),
        lambda r: r if condition(r) is False else None,
    ),
    "replace exact": (
        ReplaceValue(column="text", find="abc", replacement="much longer than it was"),
        with_value("text", lambda r: "much longer than it was" if r["text"] == "abc" else r["text"]),
    ),
    "replace number": (
        ReplaceValue(column="whole", find=0),
        with_value("whole", lambda r: None if r["whole"] == 0 else r["whole"]),
    ),
    "replace regex": (
        ReplaceValue(column="text", match=Match.REGEX, find="[aB]+(.)", replacement=r"<\1>"),
        with_value("text", lambda r: r["text"] and re.sub("[aB]+(.)", r"<\1>", r["text"])),
    ),
    "replace null": (
        ReplaceValue(column="exact", match=Match.NULL, replacement=1.5),
        with_value("exact", lambda r: Decimal("1.500") if r["exact"] is None else r["exact"]),
    ),
    **{
        f"concatenate, nulls {nulls}": (
            ConcatenateColumns(
                columns=("text", "whole", "day"), to="n", separator="/", nulls=nulls
            ),
            with_value("n", lambda r, nulls=nulls: joined(r, nulls)),
        )
        for nulls in NullParts
    },
    "split": (
        SplitColumn(column="text", into=("p", "q"), drop_source=True), lambda r: split(r, 1)
    ),
    "split without the rest": (
        SplitColumn(column="text", into=("p", "q"), keep_rest=False, drop_source=True),
        lambda r: split(r, -1),
    ),
    "split by pattern": (
        SplitColumn(column="text", into=("p", "q"), by=SplitBy.REGEX,
                    pattern=r"([a-z]+)([^a-z]*)$"),
        by_pattern,
    ),
    "split by position": (
        SplitColumn(column="text", into=("p", "q"), by=SplitBy.POSITION, positions=(2,)),
        lambda r: r | {"p": r["text"] and r["text"][:2], "q": r["text"] and r["text"][2:]}
        if r["text"] != "" else r | {"p": "", "q": ""},
    ),
    "trim": function("text", "trim", lambda v: v.strip(" \t")),
    "ltrim": function("text", "ltrim", lambda v: v.lstrip("a"), characters="a"),
    "upper": function("text", "upper", str.upper),
    "lower": function("text", "lower", str.lower),
    "reverse": function("text", "reverse", lambda v: v[::-1]),
    "length": function("text", "length", len),
    "substring": function("text", "substring", lambda v: v[1:4], start=2, length=3),
    "left": function("text", "left", lambda v: v[:3], count=3),
    "right": function("text", "right", lambda v: v[-3:], count=3),
    "lpad": function("text", "lpad", lambda v: v.rjust(6, "0"), width=6, fill="0"),
    "rpad": function("text", "rpad", lambda v: v.ljust(6), width=6),
    "replace": function("text", "replace", lambda v: v.replace("a", ""), find="a"),
    "collapse": function("text", "collapse_spaces", lambda v: " ".join(v.split())),
    "prefix": function("text", "prefix", lambda v: "x-" + v, text="x-"),
    "sha256": function(
        "text", "sha256", lambda v: hashlib.sha256(b"salt" + v.encode()).hexdigest(), salt="salt"
    ),
    "sha256 of a number": function(
        "exact", "sha256", lambda v: hashlib.sha256(f"{v:.3f}".encode()).hexdigest()
    ),
    "mask": function("text", "mask", masked, keep_first=1, keep_last=2),
    "redact": function("day", "redact", lambda _: "***"),
    "round": function("exact", "round", lambda v: rounded(v, ROUND_HALF_UP)),
    "floor": function("exact", "floor", lambda v: rounded(v, ROUND_FLOOR)),
    "ceil": function("exact", "ceil", lambda v: rounded(v, ROUND_CEILING)),
    "floor of a float": function("amount", "floor", math.floor),
    "abs": function("whole", "abs", abs),
    "sign": function("whole", "sign", lambda v: (v > 0) - (v < 0)),
    "year": function("day", "year", lambda v: v.year),
    "quarter": function("at", "quarter", lambda v: (v.month + 2) // 3),
    "day of week": function("day", "day_of_week", lambda v: v.isoweekday()),
    "week": function("at", "week", lambda v: v.isocalendar().week),
    "hour": function("at", "hour", lambda v: v.hour),
    "month begins": function("day", "date_trunc", lambda v: v.replace(day=1), unit="month"),
    "hour begins": function(
        "at", "date_trunc", lambda v: v.replace(minute=0, second=0, microsecond=0), unit="hour"
    ),
    "coalesce": (
        ApplyFunction(column="flag", function="coalesce", arguments={"value": True}),
        with_value("flag", lambda r: True if r["flag"] is None else r["flag"]),
    ),
    "null if": function("whole", "null_if", lambda v: None if v == 1 else v, value=1),
    "into a new column": (
        ApplyFunction(column="whole", function="abs", to="n"),
        with_value("n", lambda r: None if r["whole"] is None else abs(r["whole"])),
    ),
}  # fmt: skip
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def numbered(rows: list[Row]) -> list[Row]:
    return [{"id": i} | row for i, row in enumerate(rows)]


def same(found: list[Row], wanted: list[Row]) -> bool:
    """Compare rows whatever the order of their columns."""
    return found == wanted


@pytest.mark.parametrize("case", CASES)
@FEW
@given(rows=ROWS)
def test_a_load_is_what_python_makes_of_it(case: str, rows: list[Row]) -> None:
    step, reference = CASES[case]
    program = require_program(compile_steps(placed(step), SCHEMA))
    given_rows = numbered(rows)
    result = program.run(pa.RecordBatch.from_pylist(given_rows, schema=SCHEMA.arrow_schema()))
    result.batch.validate(full=True)
    outcomes = [reference(row) for row in given_rows]
    assert same(result.batch.to_pylist(), [o for o in outcomes if isinstance(o, dict)])
    rejected = [r for r, o in zip(given_rows, outcomes, strict=True) if o == REJECTED]
    found = [] if result.rejected is None else result.rejected.rows.to_pylist()
    assert found == rejected
    for column in result.batch.schema:
        if not column.nullable:
            assert result.batch.column(column.name).null_count == 0


@pytest.mark.parametrize("case", CASES)
@FEW
@given(rows=ROWS, data=st.data())
def test_changes_are_what_python_makes_of_them(
    case: str, rows: list[Row], data: st.DataObject
) -> None:
    step, reference = CASES[case]
    program = require_program(compile_steps(placed(step), SCHEMA, streaming=True))
    given_rows = numbered(rows)
    ops = [data.draw(st.sampled_from("IUD")) for _ in rows]
    new = data.draw(st.booleans())
    batch = pa.RecordBatch.from_pylist(
        [
            row | {"_op": op, "_lsn": "0" * 20, "_command_id": i, "_seqval": f"{i:020x}"}
            for i, (row, op) in enumerate(zip(given_rows, ops, strict=True))
        ],
        schema=change_schema(SCHEMA),
    )
    result = transform_changes(program, batch, inserts_are_new=new)
    assert result.batch.schema == change_schema(program.output)
    metadata = {field.name for field in CHANGE_FIELDS}
    wanted = []
    rejected = []
    blank = dict.fromkeys(c.name for c in program.output.columns)
    for i, (row, op) in enumerate(zip(given_rows, ops, strict=True)):
        outcome = reference(row)
        if op == "D" or (outcome is None and (op == "U" or not new)):
            wanted.append((i, "D", blank | {"id": row["id"]}))
        elif outcome == REJECTED:
            rejected.append(row["id"])
        elif isinstance(outcome, dict):
            wanted.append((i, op, outcome))
    found = [
        (r["_command_id"], r[OP], {k: v for k, v in r.items() if k not in metadata})
        for r in result.batch.to_pylist()
    ]
    assert found == wanted
    kept = [] if result.rejected is None else result.rejected.rows.column("id").to_pylist()
    assert kept == rejected
