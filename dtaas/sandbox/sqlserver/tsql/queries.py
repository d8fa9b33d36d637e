"""Whole queries: WITH, set operators, ORDER BY, OFFSET and FETCH."""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.block import Block, Bound
from dtaas.sandbox.sqlserver.tsql.comparing import comparable, key, unify
from dtaas.sandbox.sqlserver.tsql.conversion import convert
from dtaas.sandbox.sqlserver.tsql.expressions import bind
from dtaas.sandbox.sqlserver.tsql.names import CommonTable, Names
from dtaas.sandbox.sqlserver.tsql.ordering import order_term
from dtaas.sandbox.sqlserver.tsql.recursion import bind_recursive, is_recursive
from dtaas.sandbox.sqlserver.tsql.selects import (
    Column,
    Finish,
    bind_select,
    ordered_position,
    plain,
    select_sql,
)
from dtaas.sandbox.sqlserver.tsql.sources import derived_fields
from dtaas.sandbox.sqlserver.tsql.value import BIGINT, Value


class Finished(Struct, frozen=True):
    """A query as a statement: columns c1, c2 … as `finish` makes them."""

    sql: str
    columns: tuple[Column, ...]


def new_block(names: Names) -> Block:
    """Return the place of the expressions of a new query level."""
    return Block(names=names, query=bind_query)


def bind_query(query: tree.Query, parent: Names, *, may_order: bool = False) -> Bound:
    """Bind a subquery; its columns are c1, c2 … in storage form.

    Raises:
        SqlError: 1033 ORDER BY without TOP or OFFSET, and all that binding raises.
    """
    top = isinstance(query.body, tree.Select) and query.body.top is not None
    if query.order and query.offset is None and not top and not may_order:
        raise SqlError(
            1033,
            "The ORDER BY clause is invalid in views, inline functions, derived tables, "
            "subqueries, and common table expressions, unless TOP, OFFSET or FOR XML is also "
            "specified.",
            severity=15,
        )
    finished = finish_query(query, parent, None)
    return Bound(finished.sql, tuple((column.name, column.value) for column in finished.columns))


def finish_query(query: tree.Query, parent: Names, finish: Finish | None) -> Finished:
    """Bind a query; with `finish` its columns get their last form.

    Raises:
        SqlError: all that binding raises.
    """
    names = Names(parent.compilation, parent=parent, common=parent.common)
    prefix = _with(query, names)
    limits = _limits(query, names)
    if isinstance(query.body, tree.Select):
        finished = _select(query, query.body, names, limits, finish)
    else:
        finished = _combined(query, names, limits, finish)
    return replace(finished, sql=prefix + finished.sql)


def _select(
    query: tree.Query, select: tree.Select, names: Names, limits: str, finish: Finish | None
) -> Finished:
    selected = bind_select(select, new_block(names))
    if finish is None:
        return Finished(select_sql(selected, query.order, limits), selected.columns)
    share = selected.top is not None and selected.top.percent
    if selected.distinct or share:
        inner = select_sql(selected, query.order, limits)
        return _wrapped(inner, selected.columns, names, finish)
    columns = selected.columns
    return Finished(select_sql(selected, query.order, limits, finish), columns)


def _combined(query: tree.Query, names: Names, limits: str, finish: Finish | None) -> Finished:
    """UNION, INTERSECT, EXCEPT and VALUES: ORDER BY knows their columns only."""
    bound = bind_body(query.body, names)
    alias = names.compilation.alias()
    columns = tuple(
        Column(name, replace(value, sql=f"{alias}.c{i}", column=None))
        for i, (name, value) in enumerate(bound.columns, start=1)
    )
    if not query.order and finish is None:
        return Finished(bound.sql, columns)
    terms = []
    for item in query.order:
        position = ordered_position([name for name, _ in bound.columns], item.operand)
        if position is None:
            raise SqlError(
                104,
                "ORDER BY items must appear in the select list if the statement contains a UNION, "
                "INTERSECT or EXCEPT operator.",
                severity=15,
            )
        terms.append(order_term(columns[position].value, descending=item.descending))
    shape = finish or plain
    listed = ", ".join(f"{shape(c.value)} AS c{i}" for i, c in enumerate(columns, start=1))
    order = f" ORDER BY {', '.join(terms)}" if terms else ""
    return Finished(f"SELECT {listed} FROM ({bound.sql}) AS {alias}{order}{limits}", columns)


def _wrapped(inner: str, columns: Sequence[Column], names: Names, finish: Finish) -> Finished:
    alias = names.compilation.alias()
    outer = tuple(
        replace(column, value=replace(column.value, sql=f"{alias}.c{i}"))
        for i, column in enumerate(columns, start=1)
    )
    listed = ", ".join(f"{finish(c.value)} AS c{i}" for i, c in enumerate(outer, start=1))
    # the storage keeps the order of a subquery that it only projects
    return Finished(f"SELECT {listed} FROM ({inner}) AS {alias}", outer)


def bind_body(body: tree.Body, names: Names) -> Bound:
    """Bind one side of a set operator, or VALUES."""
    match body:
        case tree.Select():
            own = Names(names.compilation, parent=names.parent, common=names.common)
            selected = bind_select(body, new_block(own))
            columns = tuple((column.name, column.value) for column in selected.columns)
            return Bound(select_sql(selected, (), ""), columns)
        case tree.Rows(rows):
            return _rows(rows, names)
        case tree.SetOperation(operator, left, right):
            return _set_operation(operator, bind_body(left, names), bind_body(right, names), names)


def _rows(rows: Sequence[Sequence[tree.Expression]], names: Names) -> Bound:
    block = new_block(names)
    bound = [[bind(item, block) for item in row] for row in rows]
    if len({len(row) for row in bound}) > 1:
        raise SqlError(
            10709,
            "The number of columns for each row in a table value constructor must be the same.",
            severity=15,
        )
    unified = [unify(column) for column in zip(*bound, strict=True)]
    lines = zip(*(values for _, values in unified), strict=True)
    listed = ", ".join(f"({', '.join(value.sql for value in line)})" for line in lines)
    alias = names.compilation.alias()
    named = ", ".join(f"c{i}" for i in range(1, len(unified) + 1))
    columns = tuple(
        (None, Value(sql=f"c{i}", type=type_, nullable=any(v.nullable for v in values)))
        for i, (type_, values) in enumerate(unified, start=1)
    )
    return Bound(f"SELECT * FROM (VALUES {listed}) AS {alias} ({named})", columns)


def _set_operation(operator: str, left: Bound, right: Bound, names: Names) -> Bound:
    if len(left.columns) != len(right.columns):
        raise SqlError(
            205,
            "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal "
            "number of expressions in their target lists.",
        )
    a, b = names.compilation.alias(), names.compilation.alias()
    pairs = [
        unify([replace(lv, sql=f"{a}.c{i}"), replace(rv, sql=f"{b}.c{i}")])[1]
        for i, ((_, lv), (_, rv)) in enumerate(
            zip(left.columns, right.columns, strict=True), start=1
        )
    ]
    sides = [f"SELECT {_named(p[0] for p in pairs)} FROM ({left.sql}) AS {a}"]
    sides.append(f"SELECT {_named(p[1] for p in pairs)} FROM ({right.sql}) AS {b}")
    columns = tuple(
        (
            name,
            replace(
                pair[0],
                sql=f"c{i}",
                nullable=pair[0].nullable or pair[1].nullable,
                column=None,
                identity=False,
            ),
        )
        for i, ((name, _), pair) in enumerate(zip(left.columns, pairs, strict=True), start=1)
    )
    if operator == "UNION ALL":
        return Bound(" UNION ALL ".join(sides), columns)
    return Bound(_distinct_rows(operator, sides, columns, names), columns)


def _named(values: Iterable[Value]) -> str:
    return ", ".join(f"{value.sql} AS c{i}" for i, value in enumerate(values, start=1))


def _distinct_rows(
    operator: str,
    sides: Sequence[str],
    columns: Sequence[tuple[str | None, Value]],
    names: Names,
) -> str:
    """Combine two sides by what their rows are compared by."""
    values = [comparable(value, operator) for _, value in columns]
    if all(key(value) == value.sql for value in values):
        return f"({sides[0]}) {operator} ({sides[1]})"
    a, b = names.compilation.alias(), names.compilation.alias()

    def keys(alias: str) -> str:
        return ", ".join(key(replace(value, sql=f"{alias}.{value.sql}")) for value in values)

    if operator == "UNION":
        return (
            f"SELECT DISTINCT ON ({keys(a)}) {a}.* "
            f"FROM (({sides[0]}) UNION ALL ({sides[1]})) AS {a}"
        )
    test = "EXISTS" if operator == "INTERSECT" else "NOT EXISTS"
    return (
        f"SELECT DISTINCT ON ({keys(a)}) {a}.* FROM ({sides[0]}) AS {a} "
        f"WHERE {test} (SELECT FROM ({sides[1]}) AS {b} "
        f"WHERE ROW({keys(a)}) IS NOT DISTINCT FROM ROW({keys(b)}))"
    )


def _with(query: tree.Query, names: Names) -> str:
    """Bind the WITH clause, and return it."""
    return bind_with(query.with_tables, names, query.max_recursion)


def bind_with(tables: Sequence[tree.CommonTable], names: Names, max_recursion: int) -> str:
    """Put common tables in reach, and return their WITH clause.

    Raises:
        SqlError: 8155, 8156, 240 and all that binding raises.
    """
    parts = []
    recursive = False
    for table in tables:
        own = Names(names.compilation, common=names.common)
        if is_recursive(table):
            recursive = True
            common, sql = bind_recursive(table, own, max_recursion, bind_body, new_block)
        else:
            bound = bind_query(table.query, own)
            alias = names.compilation.alias()
            common = CommonTable(
                sql_name=alias, fields=derived_fields(bound, table.columns, table.name)
            )
            sql = f"{alias} AS ({bound.sql})"
        names.common[table.name.lower()] = common
        parts.append(sql)
    if not parts:
        return ""
    return f"WITH {'RECURSIVE ' if recursive else ''}{', '.join(parts)} "


def _limits(query: tree.Query, names: Names) -> str:
    if query.offset is None:
        return ""
    if not query.order:
        raise SqlError(102, "Incorrect syntax near 'OFFSET'.", severity=15)
    block = new_block(names)
    offset = convert(bind(query.offset, block), BIGINT).sql
    if query.fetch is None:
        return f" OFFSET {offset}"
    return f" OFFSET {offset} LIMIT {convert(bind(query.fetch, block), BIGINT).sql}"
