"""Changes laid over a load give what applying them one by one gives."""

from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from dtaas.connectors.lake.stream_state import StreamState
from dtaas.model.changes import change_schema
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.types import Integer, String

SCHEMA = TableSchema(
    table=TableRef("dbo", "t"),
    columns=(
        Column(name="a", type=Integer(32), nullable=False),
        Column(name="b", type=String(10), nullable=False),
        Column(name="body", type=String(), nullable=True),
    ),
    key=("a", "b"),
)
Row = dict[str, Any]

keys = st.tuples(st.integers(0, 3), st.sampled_from(["x", "y"]))
bodies = st.none() | st.text(max_size=3)
steps = st.lists(st.tuples(st.sampled_from("IUuD"), keys, bodies), max_size=30)


def change(number: int, op: str, key: tuple[int, str], body: str | None) -> Row:
    lsn, command = divmod(number, 3)
    return {
        "_op": op.upper(),
        "_lsn": f"{lsn:020x}",
        "_command_id": command,
        "_seqval": f"{number:020x}",
        "_commit_time": None,
        "_unchanged": '["body"]' if op == "u" else None,
        "a": key[0],
        "b": key[1],
        "body": None if op in "uD" else body,
    }


@settings(max_examples=200, deadline=None)
@given(
    load=st.dictionaries(keys, bodies, max_size=8),
    done=steps,
    cut=st.integers(1, 5),
    shuffled=st.randoms(),
)
def test_equal_to_applying_one_by_one(
    load: dict[tuple[int, str], str | None], done: list[Any], cut: int, shuffled: Any
) -> None:
    expected = dict(load)
    for op, key, body in done:
        if op == "D":
            expected.pop(key, None)
        elif op == "u":
            expected[key] = expected.get(key)
        else:
            expected[key] = body
    changes = [change(i, op, key, body) for i, (op, key, body) in enumerate(done)]
    shuffled.shuffle(changes)
    state = StreamState(SCHEMA, pa.Table.from_pylist(changes, schema=change_schema(SCHEMA)))
    rows = [{"a": a, "b": b, "body": body} for (a, b), body in load.items()]
    found: list[Row] = []
    for start in range(0, len(rows), cut):
        batch = pa.RecordBatch.from_pylist(rows[start : start + cut], schema=SCHEMA.arrow_schema())
        found += state.over(batch).to_pylist()
    for batch in state.rest():
        assert batch.schema == SCHEMA.arrow_schema()
        found += batch.to_pylist()
    assert len(found) == len(expected)
    assert {(r["a"], r["b"]): r["body"] for r in found} == expected
