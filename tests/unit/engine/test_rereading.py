"""Filters and mixed columns beside large values that updates do not log: histories against Python."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtaas.concurrency.blocking import Blocking
from dtaas.engine.shaping.rereading import WholeChanges
from dtaas.model.changes import CHANGE_FIELDS, change_schema
from dtaas.model.errors import SchemaChangedError
from dtaas.model.ports import Source
from dtaas.model.schema import TableSchema
from dtaas.model.transformations import (
    AddColumn,
    ApplyFunction,
    CastType,
    ConcatenateColumns,
    DropColumn,
    FilterRows,
    OnError,
    RenameColumn,
    Transformation,
)
from dtaas.transforms.changes import transform_changes
from dtaas.transforms.compile import compile_steps, require_program
from dtaas.transforms.program import Program
from tests.unit.transforms.orders import placed, table

SCHEMA = table("id integer!", "n integer", "doc string", "more string", key=("id",))
LOBS = ("doc", "more")
Row = dict[str, Any]
State = dict[int, Row]

STEPS: dict[str, tuple[Transformation, ...]] = {
    "filter beside": (FilterRows(condition="n > 2"),),
    "filter on it": (FilterRows(condition="doc LIKE 'a%' AND n > 0"), RenameColumn(column="id", to="k")),
    "filter on it, dropped": (FilterRows(condition="doc LIKE 'a%'"), DropColumn(columns=("doc",))),
    "mixed": (ConcatenateColumns(columns=("doc", "n"), to="both", separator="/"),),
    "mixed and filtered": (
        AddColumn(column="both", expression="doc || '-' || more"),
        FilterRows(condition="n <> 3"),
        ApplyFunction(column="doc", function="upper"),
    ),
    "rejected by it": (CastType(column="doc", data_type="integer", on_error=OnError.REJECT),),
    "rejected beside": (
        AddColumn(column="x", expression="10 / (n - 2)", on_error=OnError.REJECT),
    ),
    "rejected by a copy": (
        ApplyFunction(column="doc", function="trim", to="copy"),
        CastType(column="copy", data_type="integer", on_error=OnError.REJECT),
        DropColumn(columns=("copy",)),
    ),
    "alone": (ApplyFunction(column="doc", function="upper"), RenameColumn(column="n", to="m")),
}  # fmt: skip

DOCS = st.sampled_from([None, "a", "ab", "b", "12", " 7", "x" * 50])
CHANGES = st.tuples(
    st.integers(0, 2),
    st.sampled_from(["put", "n", "n", "n", "doc", "more", "D"]),
    st.sampled_from([None, 0, 2, 3, 5]),
    DOCS,
    DOCS,
)


class History:
    """What a source went through: its state after every change, and the change rows."""

    def __init__(self, changes: Sequence[tuple[int, str, int | None, Any, Any]]) -> None:
        self.states: list[State] = [{}]
        self.rows: list[Row] = []
        for key, what, n, doc, more in changes:
            now = dict(self.states[-1])
            before = now.get(key)
            if what == "D" or before is None:
                if what == "D" and before is None:
                    continue
                row = {"id": key, "n": n, "doc": doc, "more": more} if before is None else before
                self._log("I" if before is None else "D", row, ())
                now.pop(key, None)
                now |= {} if before is not None else {key: row}
            else:
                brought = {"put": {"n", "doc", "more"}}.get(what, {what})
                new = {k: v for k, v in (("n", n), ("doc", doc), ("more", more)) if k in brought}
                now[key] = before | new
                self._log("U", now[key], tuple(name for name in LOBS if name not in brought))
            self.states.append(now)

    def _log(self, op: str, row: Row, unchanged: tuple[str, ...]) -> None:
        number = len(self.rows)
        logged = row | dict.fromkeys(unchanged)
        place = {"_op": op, "_lsn": f"{number:020x}", "_command_id": 0, "_seqval": "0" * 20}
        self.rows.append(
            logged | place | {"_unchanged": json.dumps(unchanged) if unchanged else None}
        )


class Table:
    """The source's table as it is now."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.asked: list[int] = []

    @asynccontextmanager
    async def read_keys(
        self,
        schema: TableSchema,
        columns: tuple[str, ...],
        keys: Sequence[tuple[str, ...]],
        **_: int,
    ) -> AsyncIterator["Batches"]:
        assert columns == ("id",)
        assert len(set(keys)) == len(keys)
        self.asked.append(len(keys))
        names = [column.name for column in schema.columns]
        rows = [
            {name: row[name] for name in names}
            for key, row in self.state.items()
            if (str(key),) in set(keys)
        ]
        batches = [pa.RecordBatch.from_pylist([row], schema=schema.arrow_schema()) for row in rows]
        yield Batches(batches)


class Batches:
    def __init__(self, batches: list[pa.RecordBatch]) -> None:
        self._batches = list(batches)

    async def next(self) -> pa.RecordBatch | None:
        return self._batches.pop(0) if self._batches else None


def batches_of(rows: list[Row], most: int) -> Batches:
    schema = change_schema(SCHEMA)
    pieces = [rows[i : i + most] for i in range(0, len(rows), most)]
    return Batches([pa.RecordBatch.from_pylist(piece, schema=schema) for piece in pieces])


class Target:
    """Rows by key, changed as every destination does it."""

    def __init__(self, program: Program) -> None:
        self.rows: dict[Any, Row] = {}
        self._program = program
        self._metadata = {field.name for field in CHANGE_FIELDS}

    def apply(self, changes: list[Row]) -> None:
        (key,) = self._program.output.key
        for change in changes:
            row = {k: v for k, v in change.items() if k not in self._metadata}
            if change["_op"] == "D":
                self.rows.pop(row[key], None)
                continue
            kept = json.loads(change["_unchanged"] or "[]")
            before = self.rows.get(row[key], {})
            self.rows[row[key]] = row | {name: before.get(name) for name in kept}


async def followed(
    program: Program, history: History, cuts: list[int], late: list[int], most_bytes: int
) -> Target:
    """Apply a history window by window, the table being read some changes later."""
    target, blocking, done = Target(program), Blocking(1), 0
    for number, end in enumerate([*sorted(cuts), len(history.rows)]):
        window = history.rows[done : max(done, end)]
        now = min(len(history.rows), max(done, end) + late[number % len(late)])
        source = cast("Source", Table(history.states[now]))
        reader = WholeChanges(
            batches_of(window, 7), program, source, blocking, batch_bytes=most_bytes
        )
        while (batch := await reader.next()) is not None:
            batch.validate(full=True)
            made = transform_changes(program, batch, inserts_are_new=True)
            target.apply(made.batch.to_pylist())
        done = max(done, end)
    return target


@pytest.mark.parametrize("case", STEPS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    changes=st.lists(CHANGES, min_size=6, max_size=25),
    cuts=st.lists(st.integers(0, 25), max_size=4),
    late=st.lists(st.integers(0, 25), min_size=1, max_size=3),
    most_bytes=st.sampled_from([1, 60, 10_000]),
)
async def test_the_target_ends_as_the_filtered_source(
    case: str, changes: list[Any], cuts: list[int], late: list[int], most_bytes: int
) -> None:
    program = require_program(compile_steps(placed(*STEPS[case]), SCHEMA, streaming=True))
    history = History(changes)
    target = await followed(program, history, cuts, late, most_bytes)
    final = list(history.states[-1].values())
    wanted = program.run(pa.RecordBatch.from_pylist(final, schema=SCHEMA.arrow_schema()))
    (key,) = program.output.key
    refused = (
        set() if wanted.rejected is None else set(wanted.rejected.rows.column("id").to_pylist())
    )
    found = {k: row for k, row in target.rows.items() if k not in refused}
    assert found == {row[key]: row for row in wanted.batch.to_pylist()}


def test_what_is_needed_is_known_before() -> None:
    needed = {
        case: require_program(compile_steps(placed(*steps), SCHEMA, streaming=True)).reread
        for case, steps in STEPS.items()
    }
    assert needed == {
        "filter beside": {"doc", "more"},
        "filter on it": {"doc", "more"},
        "filter on it, dropped": {"doc", "more"},
        "mixed": {"doc"},
        "mixed and filtered": {"doc", "more"},
        "rejected by it": {"doc", "more"},
        "rejected beside": {"doc", "more"},
        "rejected by a copy": {"doc", "more"},
        "alone": set(),
    }


async def test_rows_that_a_filter_keeps_away_are_not_looked_up() -> None:
    steps = placed(FilterRows(condition="n > 2"))
    program = require_program(compile_steps(steps, SCHEMA, streaming=True))
    history = History(
        [(i, "put", 0, "a", None) for i in range(20)] + [(i, "n", i, None, None) for i in range(20)]
    )
    source = Table(history.states[-1])
    reader = WholeChanges(
        batches_of(history.rows, 100),
        program,
        cast("Source", source),
        Blocking(1),
        batch_bytes=10**6,
    )
    assert await reader.next() is not None
    assert source.asked == [17]
    assert await reader.next() is None


async def test_columns_that_are_gone_stay_marked() -> None:
    class Altered(Table):
        @asynccontextmanager
        async def read_keys(
            self,
            schema: TableSchema,
            columns: tuple[str, ...],
            keys: Sequence[tuple[str, ...]],
            **_: int,
        ) -> AsyncIterator[Batches]:
            if any(column.name == "more" for column in schema.columns):
                raise SchemaChangedError("more is gone")
            async with super().read_keys(schema, columns, keys) as reader:
                yield reader

        async def describe(self, _: object) -> TableSchema:
            return table("id integer!", "n integer", "doc string", key=("id",))

    steps = placed(FilterRows(condition="n > 2"))
    program = require_program(compile_steps(steps, SCHEMA, streaming=True))
    history = History([(1, "put", 5, "a", "m"), (1, "n", 6, None, None)])
    source = cast("Source", Altered(history.states[-1]))
    reader = WholeChanges(
        batches_of(history.rows, 100), program, source, Blocking(1), batch_bytes=10**6
    )
    batch = await reader.next()
    assert batch is not None
    row = batch.to_pylist()[1]
    assert (row["doc"], row["more"], row["_unchanged"]) == ("a", None, '["more"]')
