"""Positions of watermark values, and where a fence stands."""

from hypothesis import given
from hypothesis import strategies as st

from dtaas.model.watermark import NOWHERE, next_pass, position_at, risen, value_at

VALUES = st.integers(-(1 << 63), (1 << 63) - 1)


@given(VALUES, VALUES)
def test_positions_are_in_the_order_of_values(one: int, other: int) -> None:
    assert (position_at(one) < position_at(other)) == (one < other)
    assert value_at(position_at(one)) == one
    assert len(position_at(one)) == len(NOWHERE)
    assert position_at(one) > NOWHERE


@given(VALUES)
def test_passes_lie_between_their_value_and_the_next(value: int) -> None:
    position = position_at(value)
    for _ in range(1 << 16):
        assert value_at(position) == value
        later = next_pass(position)
        if later == position:
            break
        assert later > position
        position = later
    else:
        raise AssertionError("passes never end")
    if value < (1 << 63) - 1:
        assert position < position_at(value + 1)


def test_nothing_is_below_nowhere() -> None:
    assert value_at(NOWHERE) is None
    assert risen(None, "", after=None, seen="", late=False).position == NOWHERE
    assert risen(None, "", after=NOWHERE, seen="", late=False).position == NOWHERE


def test_a_fence_rises_with_the_highest_value_and_never_falls() -> None:
    first = risen(5, "5 1", after=None, seen="", late=False)
    assert first.position == position_at(5)
    idle = risen(5, "5 1", after=first.position, seen="5 1", late=False)
    assert idle == first
    higher = risen(9, "9 2", after=first.position, seen="5 1", late=False)
    assert (higher.position, higher.seen) == (position_at(9), "9 2")


def test_rows_that_came_late_move_the_fence_within_its_value() -> None:
    after = position_at(5)
    late = risen(5, "5 2", after=after, seen="5 1", late=True)
    assert (value_at(late.position), late.seen) == (5, "5 2")
    assert late.position > after
    again = risen(6, "6 1", after=late.position, seen="5 2", late=False)
    assert again.position == position_at(6) > late.position


def test_when_no_pass_is_left_late_rows_wait_for_the_next_value() -> None:
    after = position_at(5)
    while next_pass(after) != after:
        after = next_pass(after)
    stuck = risen(5, "5 2", after=after, seen="5 1", late=True)
    assert (stuck.position, stuck.seen) == (after, "5 1")  # and are not taken for seen
