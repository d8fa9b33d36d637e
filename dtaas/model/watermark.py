"""Watermarks: how mode `incremental` finds what is new in a table without change data capture."""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct


class WatermarkKind(StrEnum):
    """What a watermark column promises.

    Attributes:
        ROWVERSION: the database sets it anew with every insert and update; none is missed.
        KEY: it rises with every insert; updates of a row are not seen.
        MODIFIED_AT: whoever inserts or updates a row sets it to the time.
    """

    ROWVERSION = "rowversion"
    KEY = "key"
    MODIFIED_AT = "modified_at"


class Watermark(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The column whose values tell which rows are new. Deletes are not seen by any of them.

    Attributes:
        kind: follows from the column's type when left out.
        overlap_s: seconds below the last value that are read again, for a `modified_at` that was
            set before its transaction committed, or by another clock.
        overlap_values: the same for a `key`, in values of the column.
    """

    column: Annotated[str, Meta(min_length=1, max_length=128)]
    kind: WatermarkKind | None = None
    overlap_s: Annotated[int, Meta(ge=0, le=7 * 86_400)] = 300
    overlap_values: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 1_000


class Fence(Struct, frozen=True, kw_only=True):
    """How far a table may be read now without passing by a row.

    Attributes:
        position: everything up to here is read by this execution.
        seen: what the overlap holds, as text: the same text again means that nothing came late.
    """

    position: bytes
    seen: str = ""


NOWHERE: Final = bytes(10)
"""The position below every value: of a table that was empty."""
_HALF: Final = 1 << 63
_PASS_BITS: Final = 16
_MOST_PASSES: Final = (1 << _PASS_BITS) - 1


def position_at(value: int) -> bytes:
    """Return the position of a watermark value of 64 bits; in byte order they are in value order.

    The last two bytes count how often the overlap below the value was read.
    """
    return ((value + _HALF << _PASS_BITS) + 1).to_bytes(10)


def value_at(position: bytes) -> int | None:
    """Return the value a position stands at, None for `NOWHERE`."""
    if position == NOWHERE:
        return None
    return (int.from_bytes(position) >> _PASS_BITS) - _HALF


def next_pass(position: bytes) -> bytes:
    """Return the next position at the same value, the same one when there are none left."""
    number = int.from_bytes(position)
    exhausted = number & _MOST_PASSES == _MOST_PASSES
    return position if exhausted else (number + 1).to_bytes(10)


def risen(top: int | None, held: str, *, after: bytes | None, seen: str, late: bool) -> Fence:
    """Return the fence of a column whose highest value is `top`.

    Args:
        held: what the overlap below `top` holds. It must have been asked for before `late` was
            found out: a row that comes between the two is then read once more, never passed by.
        after: where the last fence stood, None before the first.
        seen: what the last fence saw.
        late: the overlap below `after` holds something else than `seen`.
    """
    position = NOWHERE if top is None else position_at(top)
    if after is None or (value_at(position) != value_at(after) and position > after):
        return Fence(position=position, seen=held)
    again = next_pass(after) if late else after
    return Fence(position=again, seen=seen if again == after else held)
