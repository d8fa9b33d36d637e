"""Nodes of the syntax tree that are true, false or unknown; T-SQL keeps them apart from values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from dtaas.sandbox.sqlserver.tsql.tree import Expression, Query


class Compare(Struct, frozen=True):
    """`= <> < <= > >=`."""

    operator: str
    left: Expression
    right: Expression


class Quantified(Struct, frozen=True):
    """`x = ANY (query)`; quantifier is ANY or ALL."""

    operator: str
    left: Expression
    quantifier: str
    query: Query


class And(Struct, frozen=True):
    """Both."""

    left: Expression
    right: Expression


class Or(Struct, frozen=True):
    """Either."""

    left: Expression
    right: Expression


class Not(Struct, frozen=True):
    """Negation."""

    operand: Expression


class IsNull(Struct, frozen=True):
    """`x IS [NOT] NULL`."""

    operand: Expression
    negated: bool


class IsDistinct(Struct, frozen=True):
    """`x IS [NOT] DISTINCT FROM y`; `negated` with NOT."""

    left: Expression
    right: Expression
    negated: bool


class Between(Struct, frozen=True):
    """`x [NOT] BETWEEN low AND high`."""

    operand: Expression
    low: Expression
    high: Expression
    negated: bool


class InList(Struct, frozen=True):
    """`x [NOT] IN (a, b)`."""

    operand: Expression
    items: tuple[Expression, ...]
    negated: bool


class InQuery(Struct, frozen=True):
    """`x [NOT] IN (SELECT …)`."""

    operand: Expression
    query: Query
    negated: bool


class Exists(Struct, frozen=True):
    """`EXISTS (SELECT …)`."""

    query: Query


class Like(Struct, frozen=True):
    """`x [NOT] LIKE pattern [ESCAPE c]`."""

    operand: Expression
    pattern: Expression
    escape: Expression | None
    negated: bool


CONDITIONS: Final = (
    Compare,
    Quantified,
    And,
    Or,
    Not,
    IsNull,
    IsDistinct,
    Between,
    InList,
    InQuery,
    Exists,
    Like,
)
