"""Constants of a step as values of a column's type."""

import pyarrow as pa

from dtaas.model.transformations import Scalar
from dtaas.model.type_text import type_text
from dtaas.model.types import (
    Boolean,
    ColumnType,
    Decimal,
    Float,
    Integer,
    String,
    arrow_type,
)
from dtaas.transforms.casting import cast_of
from dtaas.transforms.problems import StepError
from dtaas.transforms.vector import Vector, null_of

_INT32_MOST = 2**31 - 1
_INT64_MOST = 2**63 - 1


def type_of(value: Scalar, field: str) -> ColumnType:
    """Return the type a constant has by itself.

    Raises:
        StepError: it is NULL, which has none, or too large a number.
    """
    match value:
        case bool():
            return Boolean()
        case int():
            if not -_INT64_MOST - 1 <= value <= _INT64_MOST:
                raise StepError("bad_argument", field, f"{value} does not fit 64 bits.")
            return Integer(32 if -_INT32_MOST - 1 <= value <= _INT32_MOST else 64)
        case float():
            return Float(64)
        case str():
            return String(max(1, len(value)))
        case None:
            raise StepError("bad_type", field, "NULL has no type of its own.", "Give a data_type.")


def constant(value: Scalar, kind: ColumnType, field: str) -> tuple[pa.Scalar, ColumnType]:
    """Return a constant as a value of a column, and the column's type with room for it.

    Raises:
        StepError: it is not a value of that type.
    """
    if value is None:
        return null_of(kind), kind
    wider = _with_room(value, kind)
    if isinstance(value, float) and isinstance(wider, Decimal):
        value = repr(value)  # as it was written, not as binary has it
    own = type_of(value, field)
    cast = cast_of(own, wider)
    if cast is not None:
        found = cast(Vector(pa.array([value], arrow_type(own))), 1)
        if found.bad is None:
            return found.array(1)[0], wider
    raise StepError(
        "type_mismatch", field, f"{value!r} is not a value of {type_text(kind)}.",
        "Write one, or cast the column first.",
    )  # fmt: skip


def _with_room(value: Scalar, kind: ColumnType) -> ColumnType:
    if isinstance(kind, String) and kind.max_chars is not None and isinstance(value, str):
        return String(max(kind.max_chars, len(value)))
    return kind
