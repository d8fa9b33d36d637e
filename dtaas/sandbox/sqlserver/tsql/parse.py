"""T-SQL text to its syntax tree: the front door of the parser."""

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql import changes, tree
from dtaas.sandbox.sqlserver.tsql.call_parser import parse_type
from dtaas.sandbox.sqlserver.tsql.cursor import Cursor
from dtaas.sandbox.sqlserver.tsql.dml_parser import parse_dml
from dtaas.sandbox.sqlserver.tsql.expression_parser import parse_expression
from dtaas.sandbox.sqlserver.tsql.lexer import Kind
from dtaas.sandbox.sqlserver.tsql.query_parser import parse_query, parse_with

_DEEP = SqlError(8631, "Internal error: Server stack limit has been reached.", severity=17)


def parse_statement(sql: str) -> changes.Statement:
    """Return the tree of one SELECT, INSERT, UPDATE, DELETE or MERGE.

    Raises:
        SqlError: 102, 156 and their kin.
    """
    cursor = Cursor(sql, parse_query)
    try:
        statement = _statement(cursor)
    except RecursionError:
        raise _DEEP from None
    cursor.accept(";")
    if cursor.token.kind is not Kind.END:
        raise cursor.error()
    return statement


def parse_scalar(sql: str) -> tree.Expression:
    """Return the tree of an expression or condition.

    Raises:
        SqlError: 102, 156 and their kin.
    """
    cursor = Cursor(sql, parse_query)
    try:
        expression = parse_expression(cursor)
    except RecursionError:
        raise _DEEP from None
    if cursor.token.kind is not Kind.END:
        raise cursor.error()
    return expression


def parse_type_name(sql: str) -> tree.TypeName:
    """Return the tree of a type such as `nvarchar(max)`.

    Raises:
        SqlError: 102, 156 and their kin.
    """
    cursor = Cursor(sql, parse_query)
    type_name = parse_type(cursor)
    if cursor.token.kind is not Kind.END:
        raise cursor.error()
    return type_name


def _statement(cursor: Cursor) -> changes.Statement:
    with_tables = parse_with(cursor)
    if cursor.at_any("INSERT", "UPDATE", "DELETE", "MERGE"):
        return parse_dml(cursor, with_tables)
    query = parse_query(cursor)
    return tree.Query(
        query.body, with_tables, query.order, query.offset, query.fetch, query.max_recursion
    )
