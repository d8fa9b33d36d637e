"""Comparisons and conditions, with the three truth values of SQL.

Text is compared by code point: upper and lower case differ, and so do trailing blanks. A condition
that could not be worked out is only an error where the result depends on it.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from dtaas.model.types import Boolean, Json, String, TimestampTz, Variant, Xml, arrow_type
from dtaas.transforms.expressions.common_type import brought_to, common_type, literal
from dtaas.transforms.expressions.nodes import Expression, ExpressionError, combined
from dtaas.transforms.frame import Frame
from dtaas.transforms.functions.moments import instants
from dtaas.transforms.vector import Vector, joined_bad

COMPARISONS: Final[dict[type[exp.Expr], Callable[..., object]]] = {
    exp.EQ: pc.equal,
    exp.NEQ: pc.not_equal,
    exp.GT: pc.greater,
    exp.GTE: pc.greater_equal,
    exp.LT: pc.less,
    exp.LTE: pc.less_equal,
}
_BOOLEAN: Final = Boolean()


def condition(part: Expression, at: int | None) -> Expression:
    """Return an expression that must be true or false.

    Raises:
        ExpressionError: it is neither.
    """
    if part.type is None:
        return literal(pa.scalar(None, pa.bool_()), _BOOLEAN)
    if not isinstance(part.type, Boolean):
        raise ExpressionError(
            "type_mismatch", f"A condition is wanted, and this is {part.words()}.",
            "Compare it with something, such as … = 1.", at,
        )  # fmt: skip
    return part


def comparison(node: type[exp.Expr], a: Expression, b: Expression, at: int | None) -> Expression:
    """Return a comparison of two values."""
    kind = common_type((a, b), at)
    sides = [brought_to(part, kind, at) for part in (a, b)]
    if isinstance(kind, Json | Xml | Variant):
        raise ExpressionError(
            "unsupported_expression", "Documents are not compared.", "Cast them to string.", at
        )
    kernel = COMPARISONS[node]
    if isinstance(kind, TimestampTz):
        plain = kernel
        kernel = lambda x, y: plain(_instants(x), _instants(y))  # noqa: E731 - wraps the kernel
    _try(kernel, sides, at)
    return combined(sides, _BOOLEAN, kernel, "values that cannot be compared")


def _instants(values: pa.Array | pa.Scalar) -> pa.Array | pa.Scalar:
    if isinstance(values, pa.Scalar):
        return instants(pa.repeat(values, 1))[0]
    return instants(values)


def _try(kernel: Callable[..., object], sides: Sequence[Expression], at: int | None) -> None:
    """Compare nothing with nothing: Arrow refuses types it cannot compare."""
    try:
        kernel(*(pa.array([], arrow_type(s.type)) for s in sides if s.type is not None))
    except pa.ArrowException as error:
        raise ExpressionError(
            "type_mismatch", f"They cannot be compared: {error}.", "Cast one of them.", at
        ) from None


def all_of(parts: Sequence[Expression]) -> Expression:
    """Return AND of conditions."""
    return _joined(parts, pc.and_kleene, decides=False)


def any_of(parts: Sequence[Expression]) -> Expression:
    """Return OR of conditions."""
    return _joined(parts, pc.or_kleene, decides=True)


def _joined(
    parts: Sequence[Expression], kernel: Callable[..., object], *, decides: bool
) -> Expression:
    def run(frame: Frame) -> Vector:
        vectors = [part.run(frame) for part in parts]
        result = vectors[0].values
        for vector in vectors[1:]:
            result = kernel(result, vector.values)
        bad, reason = joined_bad(vectors)
        if bad is None:
            return Vector(result)
        known = pc.fill_null(pc.equal(Vector(result).array(frame.rows), decides), False)
        left = bad & ~np.asarray(known)
        return Vector(result, left if left.any() else None, reason)

    return Expression(
        type=_BOOLEAN,
        nullable=any(p.nullable for p in parts),
        sources=frozenset().union(*(p.sources for p in parts)),
        constant=all(p.constant for p in parts),
        run=run,
    )


def negated(part: Expression) -> Expression:
    """Return NOT of a condition."""
    return combined((part,), _BOOLEAN, pc.invert, "")


def is_null(part: Expression) -> Expression:
    """Return whether a value is NULL; never unknown itself."""
    return combined((part,), _BOOLEAN, pc.is_null, "", nullable=False)


def same_or_both_null(a: Expression, b: Expression, at: int | None) -> Expression:
    """Return IS NOT DISTINCT FROM."""
    equal = comparison(exp.EQ, a, b, at)

    def kernel(found: pa.Array, x: pa.Array, y: pa.Array) -> pa.Array:
        both = pc.and_(pc.is_null(x), pc.is_null(y))
        return pc.or_(pc.fill_null(found, False), both)

    return combined((equal, a, b), _BOOLEAN, kernel, "", nullable=False)


def among(value: Expression, choices: Sequence[Expression], at: int | None) -> Expression:
    """Return IN over constants or columns: OR of equalities, faster for many constants."""
    kind = common_type((value, *choices), at)
    side = brought_to(value, kind, at)
    others = [brought_to(choice, kind, at) for choice in choices]
    if not all(c.constant for c in others) or isinstance(kind, TimestampTz):
        return any_of([comparison(exp.EQ, side, other, at) for other in others])
    values = [c.run(Frame((), {}, 1)).values for c in others]
    known = [v for v in values if v.is_valid]
    has_null = len(known) < len(values)
    chosen = pa.concat_arrays([pa.repeat(v, 1) for v in known]) if known else None

    def kernel(found: pa.Array) -> pa.Array:
        if chosen is None:
            return pc.if_else(True, pa.scalar(None, pa.bool_()), pc.is_valid(found))
        inside = pc.is_in(found, value_set=chosen, skip_nulls=True)
        unknown = pc.is_null(found)
        if has_null:
            unknown = pc.or_(unknown, pc.invert(inside))
        return pc.if_else(unknown, pa.scalar(None, pa.bool_()), inside)

    return combined((side,), _BOOLEAN, kernel, "", nullable=side.nullable or has_null)


def like(
    value: Expression, pattern: Expression, escape: str | None, *, folded: bool, at: int | None
) -> Expression:
    """Return LIKE with a constant pattern."""
    if value.type is not None and not isinstance(value.type, String):
        value = brought_to(value, String(None), at)
    if not pattern.constant or not isinstance(pattern.type, String):
        raise ExpressionError(
            "unsupported_expression", "LIKE takes a constant pattern.",
            "Write it in single quotes: % is any text, _ is one character.", at,
        )  # fmt: skip
    text = pattern.run(Frame((), {}, 1)).values.as_py()
    wanted = _like_pattern(text, escape, at)
    if value.type is None:
        return literal(pa.scalar(None, pa.bool_()), _BOOLEAN)
    return combined((value,), _BOOLEAN, lambda v: pc.match_like(v, wanted, ignore_case=folded), "")


def _like_pattern(text: str, escape: str | None, at: int | None) -> str:
    """Return the pattern with a backslash as escape, which is Arrow's."""
    if escape is not None and len(escape) != 1:
        raise ExpressionError("bad_expression", "ESCAPE takes one character.", at=at)
    found: list[str] = []
    escaped = False
    for character in text:
        if escaped:
            found.append(f"\\{character}" if character in "%_\\" else character)
            escaped = False
        elif character == escape:
            escaped = True
        else:
            found.append("\\\\" if character == "\\" else character)
    if escaped:
        raise ExpressionError("bad_expression", "Nothing follows the escape character.", at=at)
    return "".join(found)
