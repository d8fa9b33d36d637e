"""Where a stream goes on, whatever its target holds: the laws of `standing`."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dtaas.engine.standing import standing
from dtaas.model.changes import (
    ChangeWindow,
    Missed,
    StreamState,
    TableStream,
    TrackedTable,
    TrackingMethod,
)
from dtaas.model.ids import LoadId, TaskId
from dtaas.model.load import Owner, TargetTable, WriteOptions
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.types import Integer

T = TableRef("dbo", "t")
SCHEMA = TableSchema(table=T, columns=(Column(name="id", type=Integer(64), nullable=False),))
BASE = 10
MISSED = Missed(columns=("extra",), since=b"", filled=True)


def at(number: int) -> bytes:
    return number.to_bytes(10, "big")


STREAM = TableStream(
    task_id=TaskId(1),
    owner=Owner(installation="a" * 32, task_id=TaskId(1), task_name="t"),
    target=TargetTable(path=("t",)),
    options=WriteOptions(),
    tracked=TrackedTable(schema=SCHEMA, method=TrackingMethod.CAPTURE),
    generation=LoadId("g"),
    base=at(BASE),
)


@st.composite
def states(draw: st.DrawFn) -> StreamState:
    """A stream as it may stand: applied, then moved on idle, then perhaps a window intended."""
    applied = draw(st.integers(BASE, 20))
    position = draw(st.integers(applied, 25))
    intent = None
    if draw(st.booleans()):
        missed = draw(st.sampled_from((None, MISSED)))
        to = draw(st.integers(position + 1, 30))
        intent = ChangeWindow(table=T, after=at(position), to=at(to), missed=missed)
    return StreamState(stream=STREAM, position=at(position), applied=at(applied), intent=intent)


@given(state=states(), held=st.none() | st.integers(BASE, 40).map(at))
def test_what_is_not_at_the_target_is_done_again_and_nothing_else(
    state: StreamState, held: bytes | None
) -> None:
    there = STREAM.base if held is None else held
    found = standing(state, held)
    assert found.applied == there
    assert found.position >= there
    if there < state.applied:  # the target lost something
        assert found.position == there
    elif there <= state.position:  # it knows nothing of the way on which nothing changed
        assert found.position == state.position
    assert found.intent is None or found.intent.after == found.position < found.intent.to
    assert standing(found, held) == found


@given(state=states(), held=st.none() | st.integers(BASE, 40).map(at))
def test_values_that_were_missed_are_brought_before_they_are_forgotten(
    state: StreamState, held: bytes | None
) -> None:
    found = standing(state, held)
    there = STREAM.base if held is None else held
    if state.intent is not None and state.intent.missed and there < state.intent.to:
        assert found.intent is not None
        assert found.intent.missed == MISSED
        assert found.intent.to == state.intent.to


@given(state=states())
def test_a_target_where_the_store_thinks_it_is_changes_nothing(state: StreamState) -> None:
    assert standing(state, state.applied) is state
    assert standing(replace(state, applied=STREAM.base), None).position == state.position
