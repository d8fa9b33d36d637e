"""The syntax tree of a T-SQL statement, as the parser builds it: names are not resolved yet.

Names keep the case they were written in; function names are in upper case.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from msgspec import Struct

from dtaas.sandbox.sqlserver.tsql import predicates
from dtaas.sandbox.sqlserver.types import SqlType

NULL_TYPE: Final = SqlType("int")
"""A bare NULL is an int until its neighbours say otherwise."""

Parts = tuple[str, ...]
"""A name of one to four parts: server, database, schema, object; or table and column."""


def owner(parts: Parts) -> str | None:
    """Return the part before the last, None when it is missing or empty."""
    return next(iter(parts[-2:-1]), None) or None


class Literal(Struct, frozen=True):
    """A constant. `value` is a str of its digits or text, bytes for binary, None for NULL."""

    value: str | bytes | None
    type: SqlType


class Variable(Struct, frozen=True):
    """`@name` or `@@name`, in lower case."""

    name: str


class Column(Struct, frozen=True):
    """A column by name, perhaps qualified."""

    parts: Parts


class Star(Struct, frozen=True):
    """`*` or `t.*`."""

    qualifier: Parts = ()


class Default(Struct, frozen=True):
    """DEFAULT in a VALUES row or an assignment."""


class Unary(Struct, frozen=True):
    """`-x`, `+x`, `~x`."""

    operator: str
    operand: Expression


class Binary(Struct, frozen=True):
    """Arithmetic, bit or string operator: `+ - * / % & | ^`."""

    operator: str
    left: Expression
    right: Expression


class Case(Struct, frozen=True):
    """CASE; `operand` is None for the searched form."""

    operand: Expression | None
    branches: tuple[tuple[Expression, Expression], ...]
    otherwise: Expression | None


class Cast(Struct, frozen=True):
    """CAST, CONVERT and their TRY_ forms; `style` is None when not given."""

    operand: Expression
    type: TypeName
    style: Expression | None = None
    is_try: bool = False


class TypeName(Struct, frozen=True):
    """A type as written: `[schema.]name[(arguments)]`; an argument MAX is -1."""

    parts: Parts
    arguments: tuple[int, ...] = ()


class Collate(Struct, frozen=True):
    """`x COLLATE name`."""

    operand: Expression
    collation: str


class AtTimeZone(Struct, frozen=True):
    """`x AT TIME ZONE zone`."""

    operand: Expression
    zone: Expression


class ScalarQuery(Struct, frozen=True):
    """`(SELECT …)` as a value."""

    query: Query


class OrderItem(Struct, frozen=True):
    """An expression to sort by."""

    operand: Expression
    descending: bool = False


class Over(Struct, frozen=True):
    """OVER (…); `frame` is the ROWS or RANGE clause in upper case, as written."""

    partition: tuple[Expression, ...] = ()
    order: tuple[OrderItem, ...] = ()
    frame: str | None = None


class Call(Struct, frozen=True):
    """A call; a star argument is `Star()`. `parts` with more than one element: schema or method."""

    parts: Parts
    arguments: tuple[Expression, ...] = ()
    distinct: bool = False
    over: Over | None = None
    within: tuple[OrderItem, ...] = ()


class StaticCall(Struct, frozen=True):
    """`type::Method(arguments)`."""

    type: str
    method: str
    arguments: tuple[Expression, ...]


class Trim(Struct, frozen=True):
    """`TRIM([LEADING|TRAILING|BOTH] [characters FROM] text)`."""

    side: str
    characters: Expression | None
    operand: Expression


Expression = (
    Literal
    | Variable
    | Column
    | Star
    | Default
    | Unary
    | Binary
    | predicates.Compare
    | predicates.Quantified
    | predicates.And
    | predicates.Or
    | predicates.Not
    | predicates.IsNull
    | predicates.IsDistinct
    | predicates.Between
    | predicates.InList
    | predicates.InQuery
    | predicates.Exists
    | predicates.Like
    | Case
    | Cast
    | Collate
    | AtTimeZone
    | ScalarQuery
    | Call
    | StaticCall
    | Trim
)


class TableName(Struct, frozen=True):
    """A table in FROM."""

    parts: Parts
    alias: str | None = None


class Derived(Struct, frozen=True):
    """`(SELECT …) AS alias (columns)`."""

    query: Query
    alias: str
    columns: tuple[str, ...] = ()


class FunctionTable(Struct, frozen=True):
    """`f(arguments) AS alias (columns)`."""

    parts: Parts
    arguments: tuple[Expression, ...]
    alias: str | None = None
    columns: tuple[str, ...] = ()


class ChangeTable(Struct, frozen=True):
    """`CHANGETABLE(CHANGES table, since) AS alias (columns)`."""

    table: Parts
    since: Expression
    alias: str
    columns: tuple[str, ...] = ()


class JoinKind(Enum):
    """How two sides meet."""

    INNER = auto()
    LEFT = auto()
    RIGHT = auto()
    FULL = auto()
    CROSS = auto()
    CROSS_APPLY = auto()
    OUTER_APPLY = auto()


class Join(Struct, frozen=True):
    """Two sides joined; `condition` is None for CROSS and APPLY."""

    kind: JoinKind
    left: Source
    right: Source
    condition: Expression | None = None


Source = TableName | Derived | FunctionTable | ChangeTable | Join


class SelectItem(Struct, frozen=True):
    """An element of the select list; `variable` for `@v = x`."""

    operand: Expression
    alias: str | None = None
    variable: str | None = None


class Top(Struct, frozen=True):
    """TOP (n) [PERCENT] [WITH TIES]."""

    count: Expression
    percent: bool = False
    ties: bool = False


class Select(Struct, frozen=True):
    """One SELECT block. Several FROM elements are CROSS joins already."""

    items: tuple[SelectItem, ...]
    source: Source | None = None
    where: Expression | None = None
    group: tuple[Expression, ...] = ()
    having: Expression | None = None
    distinct: bool = False
    top: Top | None = None
    into: Parts | None = None


class Rows(Struct, frozen=True):
    """VALUES (…), (…)."""

    rows: tuple[tuple[Expression, ...], ...]


class SetOperation(Struct, frozen=True):
    """`left UNION [ALL] | INTERSECT | EXCEPT right`."""

    operator: str
    left: Body
    right: Body


Body = Select | Rows | SetOperation


class CommonTable(Struct, frozen=True):
    """`name (columns) AS (query)` of a WITH clause."""

    name: str
    columns: tuple[str, ...]
    query: Query


class Query(Struct, frozen=True):
    """A whole query; `max_recursion` comes from OPTION (MAXRECURSION n)."""

    body: Body
    with_tables: tuple[CommonTable, ...] = ()
    order: tuple[OrderItem, ...] = ()
    offset: Expression | None = None
    fetch: Expression | None = None
    max_recursion: int = 100
