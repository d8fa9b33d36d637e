"""Calls of functions: those that take several expressions, and the catalogue."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import pyarrow as pa
from sqlglot import exp

from dtaas.model.transformations import Scalar
from dtaas.model.types import Decimal, String
from dtaas.transforms.expressions.arithmetic import joined
from dtaas.transforms.expressions.choice import chosen, first_known, null_if
from dtaas.transforms.expressions.common_type import literal
from dtaas.transforms.expressions.logic import comparison, condition
from dtaas.transforms.expressions.nodes import Expression, ExpressionError, combined
from dtaas.transforms.frame import Frame
from dtaas.transforms.functions.catalogue import function_named
from dtaas.transforms.functions.function import Function, Run
from dtaas.transforms.problems import StepError
from dtaas.transforms.vector import null_of

_NOT_FIXED: Final = frozenset(
    {
        "getdate", "getutcdate", "sysdatetime", "now", "current_timestamp", "current_date",
        "rand", "random", "newid", "uuid",
    }
)  # fmt: skip
_AGGREGATES: Final = frozenset({"sum", "count", "avg", "min", "max"})
_UNIT_FIRST: Final = frozenset({"date_trunc", "datetrunc", "date_add", "dateadd"})
_PART_OF: Final = frozenset({"datepart", "date_part"})
Compile = Callable[[exp.Expr], Expression]


def call(name: str, nodes: Sequence[exp.Expr], compile_one: Compile, at: int | None) -> Expression:
    """Return a call of a function by name.

    Raises:
        ExpressionError: there is none, or it does not take these arguments.
    """
    known = name.lower()
    if known in _NOT_FIXED or known in _AGGREGATES:
        raise ExpressionError(
            "unsupported_expression",
            f"{name} cannot be used: "
            + ("a row knows no other rows." if known in _AGGREGATES else "it is not repeatable."),
            "A row that is read again must give the same result.",
            at,
        )
    several = _SEVERAL.get(known)
    if several is not None:
        return several([compile_one(node) for node in nodes], at)
    nodes = list(nodes)
    if known in _PART_OF and nodes:
        name, nodes = _word_of(nodes[0], at), nodes[1:]
    try:
        function = function_named("date_add" if known == "dateadd" else name, "")
        return _of_catalogue(function, known, nodes, compile_one, at)
    except StepError as error:
        raise ExpressionError(error.code, error.detail, error.hint, at) from error


def _of_catalogue(
    function: Function,
    known: str,
    nodes: Sequence[exp.Expr],
    compile_one: Compile,
    at: int | None,
) -> Expression:
    ordered = list(nodes)
    words: list[Scalar] = []
    if known in _UNIT_FIRST and ordered:
        words.append(_word_of(ordered.pop(0), at))
        if known == "dateadd":  # DATEADD(unit, amount, column)
            ordered = [*ordered[1:], *ordered[:1]]
    if not ordered:
        raise ExpressionError(
            "bad_argument", f"{function.name} needs a column in its parentheses.", at=at
        )
    subject, *others = [compile_one(node) for node in ordered]
    given = dict(
        zip(
            (p.name for p in function.parameters),
            [*words, *(_constant(function, other, at) for other in others)],
            strict=False,
        )
    )
    if len(words) + len(others) > len(function.parameters):
        most = len(function.parameters) + 1
        raise ExpressionError(
            "bad_argument", f"{function.name} takes at most {most} arguments.", at=at
        )
    kind = String(1) if subject.type is None else subject.type
    function.check_column("this", kind, "")
    result, run = function.build(kind, function.filled(given, ""))
    if subject.type is None:
        subject = literal(null_of(kind), kind)
    return combined(
        (subject,),
        result,
        _on_arrays(run),
        f"{function.name} does not take the value",
        nullable=not function.fills_null and (subject.nullable or function.may_null),
    )


def _on_arrays(run: Run) -> Callable[..., object]:
    def kernel(values: pa.Array | pa.Scalar) -> pa.Array | pa.Scalar:
        if isinstance(values, pa.Scalar):
            return run(pa.repeat(values, 1))[0]
        return run(values)

    return kernel


def _constant(function: Function, part: Expression, at: int | None) -> Scalar:
    """Return an argument beside the column, which must be the same for every row."""
    if not part.constant:
        raise ExpressionError(
            "unsupported_expression",
            f"{function.name} takes constants behind its first argument.",
            "Write a number, or a text in single quotes.",
            at,
        )
    vector = part.run(Frame((), {}, 1))
    value = vector.array(1)[0].as_py()
    if isinstance(part.type, Decimal) and value is not None:
        return float(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise ExpressionError("bad_argument", f"{value} cannot be an argument.", at=at)


def _word_of(node: exp.Expr, at: int | None) -> str:
    """Return a unit, with or without quotes around it."""
    if isinstance(node, exp.Literal) and node.is_string:
        return str(node.this).lower()
    if isinstance(node, exp.Column) and not node.table:
        return str(node.name).lower()
    raise ExpressionError("bad_argument", "A unit such as month is wanted first.", at=at)


def _concat(parts: Sequence[Expression], at: int | None) -> Expression:
    _require(parts, 1, None, "CONCAT", at)
    return joined(tuple(parts), at, skip_null=True)


def _concat_ws(parts: Sequence[Expression], at: int | None) -> Expression:
    _require(parts, 2, None, "CONCAT_WS", at)
    separator, *others = parts
    text = separator.run(Frame((), {}, 1)).array(1)[0].as_py() if separator.constant else None
    if not isinstance(text, str):
        raise ExpressionError(
            "unsupported_expression", "CONCAT_WS takes a constant separator first.", at=at
        )
    return joined(tuple(others), at, skip_null=True, separator=text)


def _coalesce(parts: Sequence[Expression], at: int | None) -> Expression:
    _require(parts, 2, None, "COALESCE", at)
    return first_known(parts, at)


def _null_if(parts: Sequence[Expression], at: int | None) -> Expression:
    _require(parts, 2, 2, "NULLIF", at)
    value, other = parts
    if value.type is None:
        return value
    return null_if(value, comparison(exp.EQ, value, other, at), value.type)


def _iif(parts: Sequence[Expression], at: int | None) -> Expression:
    _require(parts, 3, 3, "IIF", at)
    when, then, otherwise = parts
    return chosen([(condition(when, at), then)], otherwise, at)


def _require(
    parts: Sequence[Expression], least: int, most: int | None, name: str, at: int | None
) -> None:
    if len(parts) < least or (most is not None and len(parts) > most):
        count = f"{least}" if most == least else f"at least {least}"
        raise ExpressionError("bad_argument", f"{name} takes {count} arguments.", at=at)


_SEVERAL: Final[Mapping[str, Callable[[Sequence[Expression], int | None], Expression]]] = {
    "concat": _concat,
    "concat_ws": _concat_ws,
    "coalesce": _coalesce,
    "isnull": _coalesce,
    "ifnull": _coalesce,
    "nvl": _coalesce,
    "nullif": _null_if,
    "iif": _iif,
}
