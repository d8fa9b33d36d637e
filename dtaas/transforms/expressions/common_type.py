"""The type several values share, and expressions brought to it."""

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from dtaas.model.types import (
    Boolean,
    ColumnType,
    Date,
    Decimal,
    Float,
    Integer,
    Json,
    String,
    Timestamp,
    TimestampTz,
    Uuid,
    Xml,
    arrow_type,
)
from dtaas.transforms.casting import cast_of
from dtaas.transforms.expressions.nodes import Expression, ExpressionError
from dtaas.transforms.frame import Frame
from dtaas.transforms.vector import Vector, null_of

NUMBERS: Final = (Integer, Decimal, Float)
TEXTS: Final = (String, Uuid, Json, Xml)
_INT_DIGITS: Final = {16: 5, 32: 10, 64: 19}
_MOST_DIGITS: Final = 38


def common_type(parts: Sequence[Expression], at: int | None) -> ColumnType:
    """Return a type that holds the values of all parts.

    A constant text beside a date, time or id is read as one.

    Raises:
        ExpressionError: there is none.
    """
    kinds = [p.type for p in parts if p.type is not None and not _gives_way(p, parts)]
    if not kinds:
        kinds = [p.type for p in parts if p.type is not None]
    if not kinds:
        return String(1)
    found: ColumnType | None = kinds[0]
    for kind in kinds[1:]:
        found = None if found is None else _joined(found, kind)
    if found is None:
        raise ExpressionError(
            "type_mismatch",
            f"{' and '.join(dict.fromkeys(p.words() for p in parts))} have no type in common.",
            "Write CAST(… AS …) around one of them.",
            at,
        )
    return found


def _gives_way(part: Expression, parts: Sequence[Expression]) -> bool:
    """Return whether a constant follows the type of the columns beside it."""
    others = [p.type for p in parts if not p.constant and p.type is not None]
    if not part.constant or not others:
        return False
    if isinstance(part.type, String):
        return not any(isinstance(kind, TEXTS) for kind in others) or _all_uuid(others)
    return isinstance(part.type, Integer) and all(isinstance(kind, Boolean) for kind in others)


def _all_uuid(kinds: Sequence[ColumnType]) -> bool:
    return all(isinstance(kind, Uuid) for kind in kinds)


def _joined(a: ColumnType, b: ColumnType) -> ColumnType | None:
    if a == b:
        return a
    if isinstance(a, NUMBERS) and isinstance(b, NUMBERS):
        return _number(a, b)
    if isinstance(a, TEXTS) and isinstance(b, TEXTS):
        limits = [_limit(a), _limit(b)]
        return String(None if None in limits else max(x for x in limits if x is not None))
    moments = (Date, Timestamp)
    if isinstance(a, moments) and isinstance(b, moments):
        return Timestamp(max(_digits(a), _digits(b)))
    if isinstance(a, TimestampTz) and isinstance(b, TimestampTz):
        return TimestampTz(max(a.digits, b.digits))
    return None


def _number(a: ColumnType, b: ColumnType) -> ColumnType:
    if isinstance(a, Float) or isinstance(b, Float):
        return Float(64)
    if isinstance(a, Integer) and isinstance(b, Integer):
        return Integer(max(a.bits, b.bits))
    (before_a, scale_a), (before_b, scale_b) = _decimal(a), _decimal(b)
    scale = max(scale_a, scale_b)
    return Decimal(min(_MOST_DIGITS, max(before_a, before_b) + scale), scale)


def _decimal(kind: ColumnType) -> tuple[int, int]:
    if isinstance(kind, Integer):
        return _INT_DIGITS[kind.bits], 0
    assert isinstance(kind, Decimal)  # noqa: S101 - numbers are one of three
    return kind.precision - kind.scale, kind.scale


def _limit(kind: ColumnType) -> int | None:
    if isinstance(kind, Uuid):
        return 36
    return kind.max_chars if isinstance(kind, String) else None


def _digits(kind: ColumnType) -> int:
    return kind.digits if isinstance(kind, Timestamp) else 0


def brought_to(part: Expression, kind: ColumnType, at: int | None) -> Expression:
    """Return an expression with its values as another type.

    Raises:
        ExpressionError: that cannot be, or a constant is no value of the type.
    """
    if part.type == kind:
        return part
    if part.type is None:
        return literal(null_of(kind), kind)
    if arrow_type(part.type) == arrow_type(kind) and isinstance(part.type, type(kind)):
        return Expression(
            type=kind, nullable=part.nullable, sources=part.sources,
            constant=part.constant, run=part.run,
        )  # fmt: skip
    cast = cast_of(part.type, kind)
    if cast is None:
        raise ExpressionError(
            "type_mismatch", f"{part.words()} is no {_word(kind)}.",
            "Write CAST(… AS …) where that makes sense.", at,
        )  # fmt: skip
    convert = cast
    if part.constant:
        found = convert(part.run(Frame((), {}, 1)), 1)
        if found.bad is not None and found.bad.any():
            raise ExpressionError(
                "type_mismatch", f"The constant is no {_word(kind)}.",
                "Dates are written '2026-01-31', times '2026-01-31 13:45:00'.", at,
            )  # fmt: skip
        return literal(found.array(1)[0], kind)

    def run(frame: Frame) -> Vector:
        return convert(part.run(frame), frame.rows)

    return Expression(type=kind, nullable=part.nullable, sources=part.sources, run=run)


def _word(kind: ColumnType) -> str:
    return str(kind.__struct_config__.tag)


def literal(value: pa.Scalar, kind: ColumnType | None) -> Expression:
    """Return a constant."""
    vector = Vector(value)
    return Expression(
        type=kind,
        nullable=not value.is_valid,
        sources=frozenset(),
        constant=True,
        run=lambda _: vector,
    )
