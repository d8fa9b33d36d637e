"""The grammar of INSERT, UPDATE, DELETE and MERGE."""

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql import changes, tree
from dtaas.sandbox.sqlserver.tsql.cursor import Cursor
from dtaas.sandbox.sqlserver.tsql.expression_parser import parse_expression, parse_expressions
from dtaas.sandbox.sqlserver.tsql.from_parser import (
    parse_alias,
    parse_element,
    parse_from,
    parse_hints,
)
from dtaas.sandbox.sqlserver.tsql.lexer import Kind
from dtaas.sandbox.sqlserver.tsql.query_parser import (
    parse_option,
    parse_query,
    parse_rows,
    parse_select_items,
    parse_top,
)

_COMPOUND = ("+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=")
_With = tuple[tree.CommonTable, ...]


def parse_dml(cursor: Cursor, with_tables: _With) -> changes.Statement:
    """Read the statement at the cursor."""
    match cursor.take().word:
        case "INSERT":
            return _insert(cursor, with_tables)
        case "UPDATE":
            return _update(cursor, with_tables)
        case "DELETE":
            return _delete(cursor, with_tables)
        case _:
            return _merge(cursor, with_tables)


def _insert(cursor: Cursor, with_tables: _With) -> changes.Insert:
    cursor.accept("INTO")
    table = cursor.parts()
    parse_hints(cursor)
    columns = cursor.names() if cursor.at("(") and cursor.ahead().word != "SELECT" else ()
    output = _output(cursor)
    if cursor.accept("DEFAULT", "VALUES"):
        return changes.Insert(table, columns, None, output, with_tables)
    if cursor.accept("VALUES"):
        rows = parse_rows(cursor)
        limit = parse_option(cursor)
        return changes.Insert(table, columns, tree.Query(rows), output, with_tables, limit)
    if not cursor.at_any("SELECT", "(", "WITH"):
        raise cursor.error()
    query = parse_query(cursor)
    return changes.Insert(table, columns, query, output, with_tables, query.max_recursion)


def _update(cursor: Cursor, with_tables: _With) -> changes.Update:
    top = parse_top(cursor)
    table = cursor.parts()
    parse_hints(cursor)
    cursor.expect("SET")
    assignments = [_assignment(cursor)]
    while cursor.accept(","):
        assignments.append(_assignment(cursor))
    output = _output(cursor)
    source = parse_from(cursor) if cursor.accept("FROM") else None
    where = parse_expression(cursor) if cursor.accept("WHERE") else None
    limit = parse_option(cursor)
    return changes.Update(table, tuple(assignments), source, where, top, output, with_tables, limit)


def _delete(cursor: Cursor, with_tables: _With) -> changes.Delete:
    top = parse_top(cursor)
    cursor.accept("FROM")
    table = cursor.parts()
    parse_hints(cursor)
    output = _output(cursor)
    source = parse_from(cursor) if cursor.accept("FROM") else None
    where = parse_expression(cursor) if cursor.accept("WHERE") else None
    limit = parse_option(cursor)
    return changes.Delete(table, source, where, top, output, with_tables, limit)


def _assignment(cursor: Cursor) -> changes.Assign:
    variable = None
    if cursor.token.kind is Kind.VARIABLE:
        variable = cursor.take().text.lower()
        if operator := cursor.accept_any(*_COMPOUND):
            value: tree.Expression = tree.Binary(
                operator[0], tree.Variable(variable), parse_expression(cursor)
            )
            return changes.Assign(None, value, variable)
        cursor.expect("=")
        if not (cursor.at_name() and cursor.ahead().word == "="):
            return changes.Assign(None, parse_expression(cursor), variable)
    column = cursor.parts()
    if operator := cursor.accept_any(*_COMPOUND):
        value = tree.Binary(operator[0], tree.Column(column), parse_expression(cursor))
        return changes.Assign(column, value, variable)
    cursor.expect("=")
    return changes.Assign(column, parse_expression(cursor), variable)


def _output(cursor: Cursor) -> tuple[tree.SelectItem, ...]:
    if not cursor.accept("OUTPUT"):
        return ()
    items = parse_select_items(cursor)
    if cursor.at("INTO"):
        raise cursor.error()
    return items


def _merge(cursor: Cursor, with_tables: _With) -> changes.Merge:
    cursor.accept("INTO")
    table = cursor.parts()
    parse_hints(cursor)
    alias = parse_alias(cursor)
    cursor.expect("USING")
    source = parse_element(cursor)
    cursor.expect("ON")
    condition = parse_expression(cursor)
    actions = []
    while cursor.accept("WHEN"):
        actions.append(_merge_action(cursor))
    output = _output(cursor)
    limit = parse_option(cursor)
    if not cursor.at(";"):
        raise SqlError(
            10713, "A MERGE statement must be terminated by a semi-colon (;).", severity=15
        )
    return changes.Merge(
        table, alias, source, condition, tuple(actions), output, with_tables, limit
    )


def _merge_action(cursor: Cursor) -> changes.MergeAction:
    match = "MATCHED"
    if cursor.accept("NOT"):
        cursor.expect("MATCHED")
        match = "TARGET"
        if cursor.accept("BY"):
            side = cursor.accept_any("TARGET", "SOURCE")
            if side is None:
                raise cursor.error()
            match = side
    else:
        cursor.expect("MATCHED")
    condition = parse_expression(cursor) if cursor.accept("AND") else None
    cursor.expect("THEN")
    verb = cursor.accept_any("UPDATE", "DELETE", "INSERT")
    if verb == "UPDATE":
        cursor.expect("SET")
        assignments = [_assignment(cursor)]
        while cursor.accept(","):
            assignments.append(_assignment(cursor))
        return changes.MergeAction(match, condition, verb, tuple(assignments))
    if verb == "INSERT":
        columns = cursor.names() if cursor.at("(") else ()
        cursor.expect("VALUES", "(")
        values = parse_expressions(cursor)
        cursor.expect(")")
        return changes.MergeAction(match, condition, verb, (), columns, values)
    if verb is None:
        raise cursor.error()
    return changes.MergeAction(match, condition, verb)
