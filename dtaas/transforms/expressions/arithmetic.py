"""Sums, products and joined texts. Integers have 64 bits here; what overflows is refused."""

from collections.abc import Callable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from dtaas.model.transformations import NullParts
from dtaas.model.types import ColumnType, Decimal, Float, Integer, String, arrow_type
from dtaas.transforms.expressions.common_type import NUMBERS, TEXTS, brought_to
from dtaas.transforms.expressions.nodes import Expression, ExpressionError, combined
from dtaas.transforms.functions.function import text_limit
from dtaas.transforms.joining import join_texts

_INT: Final = Integer(64)
_FLOAT: Final = Float(64)
OPERATORS: Final[dict[type[exp.Expr], Callable[..., object]]] = {
    exp.Add: pc.add_checked,
    exp.Sub: pc.subtract_checked,
    exp.Mul: pc.multiply_checked,
    exp.Div: pc.divide_checked,
}


def calculated(node: type[exp.Expr], a: Expression, b: Expression, at: int | None) -> Expression:
    """Return a sum, difference, product, quotient or rest; `+` joins texts too."""
    if node is exp.Add and (isinstance(a.type, TEXTS) or isinstance(b.type, TEXTS)):
        return joined((a, b), at)
    for part in (a, b):
        if part.type is not None and not isinstance(part.type, NUMBERS):
            raise ExpressionError(
                "type_mismatch", f"Numbers are wanted here, and this is {part.words()}.",
                "Write CAST(… AS …), or date_add for dates.", at,
            )  # fmt: skip
    if node is exp.Mod:
        return _rest(a, b, at)
    sides = _same_kind(a, b, at)
    kernel = OPERATORS[node]
    kind = _result(kernel, sides, at)
    reason = "division by zero, or too large" if node is exp.Div else "the result is too large"
    return combined(sides, kind, kernel, reason)


def _same_kind(a: Expression, b: Expression, at: int | None) -> tuple[Expression, Expression]:
    kinds = (a.type, b.type)
    if any(isinstance(kind, Float) for kind in kinds):
        return brought_to(a, _FLOAT, at), brought_to(b, _FLOAT, at)
    if any(isinstance(kind, Decimal) for kind in kinds):
        return _as_decimal(a, at), _as_decimal(b, at)
    return brought_to(a, _INT, at), brought_to(b, _INT, at)


def _as_decimal(part: Expression, at: int | None) -> Expression:
    if isinstance(part.type, Integer):
        digits = {16: 5, 32: 10, 64: 19}[part.type.bits]
        return brought_to(part, Decimal(digits, 0), at)
    return brought_to(part, Decimal(1, 0), at) if part.type is None else part


def _result(
    kernel: Callable[..., object], sides: tuple[Expression, Expression], at: int | None
) -> ColumnType:
    """Return the type Arrow gives, which follows SQL's rules for decimals."""
    samples = [pa.array([], arrow_type(s.type)) for s in sides if s.type is not None]
    try:
        kind = kernel(*samples).type  # type: ignore[attr-defined]
    except pa.ArrowException:
        raise ExpressionError(
            "type_mismatch",
            f"The result of {sides[0].words()} and {sides[1].words()} needs more than 38 digits.",
            "Cast one of them to a decimal with fewer digits.",
            at,
        ) from None
    if pa.types.is_decimal(kind):
        return Decimal(kind.precision, kind.scale)
    return _FLOAT if pa.types.is_floating(kind) else _INT


def _rest(a: Expression, b: Expression, at: int | None) -> Expression:
    for part in (a, b):
        if part.type is not None and not isinstance(part.type, Integer):
            raise ExpressionError(
                "unsupported_expression", "% takes whole numbers.", "Cast them to bigint.", at
            )

    def kernel(x: pa.Array, y: pa.Array) -> pa.Array:
        whole = pc.multiply_checked(pc.divide_checked(x, y), y)
        return pc.subtract_checked(x, whole)

    sides = (brought_to(a, _INT, at), brought_to(b, _INT, at))
    return combined(sides, _INT, kernel, "division by zero")


def negative(part: Expression, at: int | None) -> Expression:
    """Return the number with the other sign."""
    if not isinstance(part.type, NUMBERS):
        raise ExpressionError("type_mismatch", f"{part.words()} has no sign.", at=at)
    if isinstance(part.type, Integer):
        part = brought_to(part, _INT, at)
    assert part.type is not None  # noqa: S101 - numbers have one
    return combined((part,), part.type, pc.negate_checked, "the result is too large")


def joined(
    parts: tuple[Expression, ...], at: int | None, *, skip_null: bool = False, separator: str = ""
) -> Expression:
    """Return texts one after another; NULL makes all NULL unless it is left out."""
    for part in parts:
        if part.type is not None and not isinstance(part.type, (*TEXTS, *NUMBERS)):
            raise ExpressionError(
                "type_mismatch", f"Texts are joined, and this is {part.words()}.",
                "Write CAST(… AS string) around it.", at,
            )  # fmt: skip
    texts = [brought_to(p, String(_width(p)), at) for p in parts]
    widths = [text_limit(t.type) for t in texts if t.type is not None]
    known = [w for w in widths if w is not None]
    limit = sum(known) + len(separator) * (len(parts) - 1) if len(known) == len(widths) else None
    nulls = NullParts.SKIP if skip_null else NullParts.NULL
    return combined(
        texts,
        String(limit),
        lambda *values: join_texts([v.cast(pa.string()) for v in values], separator, nulls),
        "",
        nullable=False if skip_null else None,
    )


def _width(part: Expression) -> int | None:
    if part.type is None:
        return 1
    if isinstance(part.type, NUMBERS):
        return 40
    return text_limit(part.type)
