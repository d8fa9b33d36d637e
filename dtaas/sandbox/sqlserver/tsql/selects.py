"""One SELECT block: its columns, conditions, groups, DISTINCT and TOP."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.aggregates import AGGREGATES
from dtaas.sandbox.sqlserver.tsql.block import Block
from dtaas.sandbox.sqlserver.tsql.comparing import comparable, key
from dtaas.sandbox.sqlserver.tsql.conditions import bind_condition
from dtaas.sandbox.sqlserver.tsql.conversion import convert
from dtaas.sandbox.sqlserver.tsql.errors import not_grouped
from dtaas.sandbox.sqlserver.tsql.expressions import bind
from dtaas.sandbox.sqlserver.tsql.ordering import order_term
from dtaas.sandbox.sqlserver.tsql.sources import bind_source
from dtaas.sandbox.sqlserver.tsql.type_rules import CHARACTERS
from dtaas.sandbox.sqlserver.tsql.value import BIGINT, FLOAT, Value

Finish = Callable[[Value], str]
"""Gives a column of the result its last form."""

_INTEGER_LITERAL: Final = frozenset({"int"})


class Column(Struct, frozen=True):
    """A column of the select list; `variable` when it is assigned."""

    name: str | None
    value: Value
    variable: str | None = None


class Selected(Struct, frozen=True, kw_only=True):
    """A bound SELECT block, before its ORDER BY and TOP are known to be needed.

    Attributes:
        tail: from FROM to HAVING.
        block: where ORDER BY expressions are bound.
    """

    columns: tuple[Column, ...]
    tail: str
    block: Block
    distinct: bool
    top: tree.Top | None


def bind_select(select: tree.Select, block: Block) -> Selected:
    """Bind a block; `block.names` gets the relations of its FROM.

    Raises:
        SqlError: what SQL Server says of it.
    """
    bare = replace(block, allows_aggregates=False, allows_windows=False)
    tail = f" FROM {bind_source(select.source, bare)}" if select.source is not None else ""
    if select.where is not None:
        tail += f" WHERE {bind_condition(select.where, replace(bare, clause='WHERE'), bind)}"
    groups, clause = _groups(select, bare)
    block.names.groups = groups
    tail += clause
    grouped = replace(block, groups=groups, allows_aggregates=True)
    if select.having is not None:
        having = replace(grouped, clause="HAVING", allows_windows=False)
        tail += f" HAVING {bind_condition(select.having, having, bind)}"
    listed = replace(grouped, allows_windows=True, clause="select list")
    columns = tuple(_columns(select, listed))
    return Selected(
        columns=columns, tail=tail, block=listed, distinct=select.distinct, top=select.top
    )


def plain(value: Value) -> str:
    """Leave a column in storage form."""
    return value.sql


def select_sql(
    selected: Selected, order: Sequence[tree.OrderItem], limits: str, finish: Finish = plain
) -> str:
    """Return the block as SQL with columns c1, c2 …; `limits` is OFFSET and FETCH."""
    columns = selected.columns
    listed = ", ".join(f"{finish(c.value)} AS c{i}" for i, c in enumerate(columns, start=1))
    terms = order_terms(selected, order)
    if selected.top is not None:
        limits = _top(selected, terms)
    if selected.distinct:
        return _distinct(selected, listed, order, limits)
    if selected.top is not None and selected.top.percent:
        return _percent(selected, listed, terms)
    order_clause = f" ORDER BY {', '.join(terms)}" if terms else ""
    return f"SELECT {listed}{selected.tail}{order_clause}{limits}"


def order_terms(selected: Selected, order: Sequence[tree.OrderItem]) -> list[str]:
    """Return the terms of ORDER BY: positions, names of the select list, or expressions.

    Raises:
        SqlError: 108 a position out of range, 408 a constant, 145 with DISTINCT.
    """
    terms = []
    for item in order:
        value = _ordered_value(selected, item.operand)
        terms.append(order_term(value, descending=item.descending))
    return terms


def _ordered_value(selected: Selected, operand: tree.Expression) -> Value:
    position = ordered_position([c.name for c in selected.columns], operand)
    if position is not None:
        return selected.columns[position].value
    value = bind(operand, replace(selected.block, clause="ORDER BY"))
    if selected.distinct and value.sql not in {c.value.sql for c in selected.columns}:
        raise SqlError(
            145,
            "ORDER BY items must appear in the select list if SELECT DISTINCT is specified.",
            severity=15,
        )
    return value


def ordered_position(names: Sequence[str | None], operand: tree.Expression) -> int | None:
    """Return the index of the column an ORDER BY item names, None when it is an expression.

    Raises:
        SqlError: 108, 209.
    """
    if (
        isinstance(operand, tree.Literal)
        and operand.type.name in _INTEGER_LITERAL
        and operand.value
    ):
        position = int(operand.value)
        if not 1 <= position <= len(names):
            raise SqlError(
                108,
                f"The ORDER BY position number {position} is out of range of the number of items "
                "in the select list.",
                severity=15,
            )
        return position - 1
    if isinstance(operand, tree.Column) and len(operand.parts) == 1:
        name = operand.parts[0].lower()
        found = [i for i, own in enumerate(names) if own is not None and own.lower() == name]
        return found[0] if found else None
    return None


def _columns(select: tree.Select, block: Block) -> list[Column]:
    columns: list[Column] = []
    for item in select.items:
        if isinstance(item.operand, tree.Star):
            for field, value in block.names.expand(item.operand.qualifier):
                if block.groups is not None:
                    value = _starred(field.name, value, block)  # noqa: PLW2901 - its grouped form
                columns.append(Column(field.name, value))
            continue
        value = bind(item.operand, block)
        name = item.alias
        if name is None and isinstance(item.operand, tree.Column):
            name = _own_name(item.operand, block)
        if item.variable is not None:
            target = block.compilation.variable_type(item.variable)
            columns.append(Column(None, convert(value, target), item.variable))
            continue
        if value.is_null:
            value = replace(value, sql="NULL::integer")
        columns.append(Column(name, value))
    assigned = [c for c in columns if c.variable is not None]
    if assigned and len(assigned) != len(columns):
        raise SqlError(
            141,
            "A SELECT statement that assigns a value to a variable must not be combined with "
            "data-retrieval operations.",
            severity=15,
        )
    return columns


def _own_name(node: tree.Column, block: Block) -> str:
    """Return a column's name as its table spells it."""
    wanted = node.parts[-1].lower()
    qualifier = tuple(part.lower() for part in node.parts[:-1])
    for relation in block.names.relations:
        if not qualifier or qualifier in relation.names:
            for field in relation.fields:
                if field.name.lower() == wanted:
                    return field.name
    return node.parts[-1]


def _starred(name: str, value: Value, block: Block) -> Value:
    grouped = (block.groups or {}).get(value.sql)
    if grouped is None:
        raise not_grouped(value.column or name, block.clause)
    return grouped


def _groups(select: tree.Select, block: Block) -> tuple[Mapping[str, Value] | None, str]:
    """Return what grouped expressions become, and the GROUP BY clause."""
    if not select.group:
        if select.having is None and not any(_aggregates(item.operand) for item in select.items):
            return None, ""
        return {}, ""
    groups: dict[str, Value] = {}
    keys = []
    for node in select.group:
        if isinstance(node, tree.Literal):
            raise SqlError(
                164,
                "Each GROUP BY expression must contain at least one column that is not an outer "
                "reference.",
                severity=15,
            )
        value = comparable(bind(node, replace(block, clause="GROUP BY")), "GROUP BY")
        own = key(value)
        keys.append(own)
        # of equal texts any may be shown; min makes the choice stable
        shown = value if own == value.sql else replace(value, sql=_representative(value))
        groups[value.sql] = replace(shown, constant=False)
    return groups, f" GROUP BY {', '.join(keys)}"


def _representative(value: Value) -> str:
    if value.type.name in CHARACTERS:
        return f'min({value.sql} COLLATE "C")'
    return f"min({value.sql})"


def _aggregates(node: object) -> bool:
    """Tell whether an aggregate of this block stands in a tree, outside subqueries and OVER."""
    if isinstance(node, tree.Call) and node.over is None and node.parts[-1].upper() in AGGREGATES:
        return True
    if isinstance(node, tree.Query):
        return False
    if isinstance(node, tuple):
        return any(_aggregates(item) for item in node)
    fields = getattr(node, "__struct_fields__", ())
    return any(_aggregates(getattr(node, field)) for field in fields)


def _top(selected: Selected, terms: Sequence[str]) -> str:
    top = selected.top
    if top is None or top.percent:
        return ""
    if top.ties and not terms:
        raise SqlError(
            1062,
            "The TOP N WITH TIES clause is not allowed without a corresponding ORDER BY clause.",
            severity=15,
        )
    block = replace(selected.block, groups=None, allows_aggregates=False, allows_windows=False)
    count = convert(bind(top.count, block), BIGINT).sql
    if top.ties:
        return f" FETCH FIRST ({count}) ROWS WITH TIES"
    return f" LIMIT {count}"


def _percent(selected: Selected, listed: str, terms: Sequence[str]) -> str:
    """TOP (n) PERCENT: rows are numbered and counted, the share is rounded up."""
    top = selected.top
    if top is None or top.ties:
        raise SqlError(102, "Incorrect syntax near 'TIES'.", severity=15)
    block = replace(selected.block, groups=None, allows_aggregates=False, allows_windows=False)
    share = convert(bind(top.count, block), FLOAT).sql
    order = f"ORDER BY {', '.join(terms)}" if terms else ""
    alias = block.compilation.alias()
    names = ", ".join(f"{alias}.c{i}" for i in range(1, len(selected.columns) + 1))
    return (
        f"SELECT {names} FROM (SELECT {listed}, row_number() OVER ({order}) AS n, "
        f"count(*) OVER () AS total{selected.tail}) AS {alias} "
        f"WHERE {alias}.n <= ceil({alias}.total * ({share}) / 100) ORDER BY {alias}.n"
    )


def _distinct(selected: Selected, listed: str, order: Sequence[tree.OrderItem], limits: str) -> str:
    """Return SELECT DISTINCT: equal by key, in any order; then ORDER BY over its columns."""
    alias = selected.block.compilation.alias()
    columns = selected.columns
    outer = [
        replace(comparable(c.value, "DISTINCT"), sql=f"{alias}.c{i}")
        for i, c in enumerate(columns, start=1)
    ]
    names = ", ".join(f"{value.sql} AS c{i}" for i, value in enumerate(outer, start=1))
    keys = [key(value) for value in outer]
    if all(own == value.sql for own, value in zip(keys, outer, strict=True)):
        inner = f"SELECT DISTINCT {listed}{selected.tail}"
    else:
        source = f"(SELECT {listed}{selected.tail}) AS {alias}"
        inner = f"SELECT DISTINCT ON ({', '.join(keys)}) {names} FROM {source}"
    if not order and not limits:
        return inner
    by_sql = {c.value.sql: value for c, value in zip(columns, outer, strict=True)}
    terms = [
        order_term(by_sql[_ordered_value(selected, i.operand).sql], descending=i.descending)
        for i in order
    ]
    clause = f" ORDER BY {', '.join(terms)}" if terms else ""
    return f"SELECT {names} FROM ({inner}) AS {alias}{clause}{limits}"
