"""The grammar of queries: WITH, SELECT, FROM, set operators, ORDER BY, hints."""

from typing import Final

from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.call_parser import parse_order
from dtaas.sandbox.sqlserver.tsql.cursor import Cursor
from dtaas.sandbox.sqlserver.tsql.expression_parser import (
    parse_expression,
    parse_expressions,
    parse_parenthesis,
    parse_value,
)
from dtaas.sandbox.sqlserver.tsql.from_parser import parse_from
from dtaas.sandbox.sqlserver.tsql.lexer import Kind

_MAX_RECURSION: Final = 100


def parse_query(cursor: Cursor) -> tree.Query:
    """Read a query with its WITH, ORDER BY and OPTION clauses."""
    with_tables = parse_with(cursor)
    body = _union(cursor)
    order = parse_order(cursor, parse_expression) if cursor.accept("ORDER", "BY") else ()
    offset = fetch = None
    if cursor.accept("OFFSET"):
        offset = parse_value(cursor)
        cursor.accept_any("ROW", "ROWS")
        if cursor.accept("FETCH"):
            cursor.accept_any("FIRST", "NEXT")
            fetch = parse_value(cursor)
            cursor.accept_any("ROW", "ROWS")
            cursor.expect("ONLY")
    recursion = parse_option(cursor)
    return tree.Query(body, with_tables, order, offset, fetch, recursion)


def parse_with(cursor: Cursor) -> tuple[tree.CommonTable, ...]:
    """Read a WITH clause, empty when there is none."""
    if not cursor.accept("WITH"):
        return ()
    tables = [_common_table(cursor)]
    while cursor.accept(","):
        tables.append(_common_table(cursor))
    return tuple(tables)


def parse_option(cursor: Cursor) -> int:
    """Read OPTION (…), whose hints change no result, and return MAXRECURSION."""
    recursion = _MAX_RECURSION
    if not cursor.accept("OPTION"):
        return recursion
    cursor.expect("(")
    depth = 1
    while depth:
        token = cursor.take()
        if token.kind is Kind.END:
            raise cursor.error()
        depth += {"(": 1, ")": -1}.get(token.word, 0)
        if token.word == "MAXRECURSION" and cursor.token.kind is Kind.INTEGER:
            recursion = int(cursor.take().text)
    return recursion


def parse_select_items(cursor: Cursor) -> tuple[tree.SelectItem, ...]:
    """Read a select list."""
    items = [_select_item(cursor)]
    while cursor.accept(","):
        items.append(_select_item(cursor))
    return tuple(items)


def parse_top(cursor: Cursor) -> tree.Top | None:
    """Read TOP."""
    if not cursor.accept("TOP"):
        return None
    if cursor.at("("):
        count = parse_parenthesis(cursor)
    elif cursor.token.kind in {Kind.INTEGER, Kind.DECIMAL, Kind.VARIABLE}:
        count = parse_value(_only_number(cursor))
    else:
        raise cursor.error()
    percent = cursor.accept("PERCENT")
    return tree.Top(count, percent, cursor.accept("WITH", "TIES"))


def parse_rows(cursor: Cursor) -> tree.Rows:
    """Read the rows behind VALUES."""
    rows = [_row(cursor)]
    while cursor.accept(","):
        rows.append(_row(cursor))
    return tree.Rows(tuple(rows))


def _only_number(cursor: Cursor) -> Cursor:
    # TOP 5 * FROM t: what follows the number is the select list, not a product
    following = cursor.ahead()
    if following.word in {"+", "-", "/", "%"}:
        raise cursor.error()
    return _NumberCursor(cursor)


class _NumberCursor(Cursor):
    """Shows the expression grammar one token only."""

    def __init__(self, outer: Cursor) -> None:
        token = outer.take()
        super().__init__(outer.sql[token.start : token.end], outer.query)


def _common_table(cursor: Cursor) -> tree.CommonTable:
    name = cursor.name()
    columns = cursor.names() if cursor.at("(") else ()
    cursor.expect("AS", "(")
    query = parse_query(cursor)
    cursor.expect(")")
    return tree.CommonTable(name, columns, query)


def _union(cursor: Cursor) -> tree.Body:
    left = _intersect(cursor)
    while operator := cursor.accept_any("UNION", "EXCEPT"):
        if operator == "UNION" and cursor.accept("ALL"):
            operator = "UNION ALL"
        left = tree.SetOperation(operator, left, _intersect(cursor))
    return left


def _intersect(cursor: Cursor) -> tree.Body:
    left = _block(cursor)
    while cursor.accept("INTERSECT"):
        left = tree.SetOperation("INTERSECT", left, _block(cursor))
    return left


def _block(cursor: Cursor) -> tree.Body:
    if cursor.accept("("):
        body = _union(cursor)
        cursor.expect(")")
        return body
    if cursor.accept("VALUES"):
        return parse_rows(cursor)
    cursor.expect("SELECT")
    return _select(cursor)


def _select(cursor: Cursor) -> tree.Select:
    distinct = cursor.accept("DISTINCT")
    if not distinct:
        cursor.accept("ALL")
    top = parse_top(cursor)
    items = parse_select_items(cursor)
    into = cursor.parts() if cursor.accept("INTO") else None
    source = parse_from(cursor) if cursor.accept("FROM") else None
    where = parse_expression(cursor) if cursor.accept("WHERE") else None
    group = parse_expressions(cursor) if cursor.accept("GROUP", "BY") else ()
    having = parse_expression(cursor) if cursor.accept("HAVING") else None
    return tree.Select(items, source, where, group, having, distinct, top, into)


def _select_item(cursor: Cursor) -> tree.SelectItem:
    if cursor.accept("*"):
        return tree.SelectItem(tree.Star())
    if cursor.token.kind is Kind.VARIABLE and cursor.ahead().word == "=":
        variable = cursor.take().text.lower()
        cursor.take()
        return tree.SelectItem(parse_expression(cursor), variable=variable)
    if cursor.at_name() and cursor.ahead().word == "=":
        alias = cursor.name()
        cursor.take()
        return tree.SelectItem(parse_expression(cursor), alias)
    operand = parse_expression(cursor)
    return tree.SelectItem(operand, _column_alias(cursor))


def _column_alias(cursor: Cursor) -> str | None:
    explicit = cursor.accept("AS")
    if cursor.token.kind in {Kind.STRING, Kind.NATIONAL}:
        return cursor.take().text
    if explicit or cursor.at_name():
        return cursor.name()
    return None


def _row(cursor: Cursor) -> tuple[tree.Expression, ...]:
    cursor.expect("(")
    row = parse_expressions(cursor)
    cursor.expect(")")
    return row
