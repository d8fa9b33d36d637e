"""The grammar of FROM: tables, joins, APPLY, derived tables, table hints."""

from typing import Final

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.cursor import Cursor
from dtaas.sandbox.sqlserver.tsql.expression_parser import parse_expression, parse_expressions
from dtaas.sandbox.sqlserver.tsql.lexer import Kind
from dtaas.sandbox.sqlserver.tsql.tree import JoinKind

_JOINS: Final = {
    "INNER": JoinKind.INNER,
    "LEFT": JoinKind.LEFT,
    "RIGHT": JoinKind.RIGHT,
    "FULL": JoinKind.FULL,
}
_HINT_WORDS: Final = """
NOLOCK READUNCOMMITTED READCOMMITTED READCOMMITTEDLOCK REPEATABLEREAD SERIALIZABLE HOLDLOCK
ROWLOCK PAGLOCK TABLOCK TABLOCKX UPDLOCK XLOCK NOWAIT FORCESEEK FORCESCAN NOEXPAND SNAPSHOT
KEEPIDENTITY KEEPDEFAULTS IGNORE_CONSTRAINTS IGNORE_TRIGGERS INDEX FASTFIRSTROW
"""
_HINTS: Final = frozenset(_HINT_WORDS.split())
"""Hints that change no result. READPAST does, by leaving rows out, so it is refused."""
# These end a table without being reserved: an alias may not swallow them.
_NO_ALIAS: Final = frozenset({"OFFSET", "OUTPUT", "USING"})


def parse_from(cursor: Cursor) -> tree.Source:
    """Read the elements behind FROM."""
    source = _joined(cursor)
    while cursor.accept(","):
        source = tree.Join(JoinKind.CROSS, source, _joined(cursor))
    return source


def parse_hints(cursor: Cursor) -> None:
    """Step over WITH (hint, …).

    Raises:
        SqlError: 321-like syntax error for an unknown hint.
    """
    if not cursor.at("WITH", "("):
        return
    cursor.expect("WITH", "(")
    while not cursor.accept(")"):
        if cursor.accept_any(*_HINTS) is None:
            raise cursor.error()
        if cursor.accept("("):
            while not cursor.accept(")"):
                if cursor.take().kind is Kind.END:
                    raise cursor.error()
        elif cursor.accept("="):
            cursor.take()
        cursor.accept(",")


def parse_alias(cursor: Cursor) -> str | None:
    """Read `[AS] alias`."""
    if cursor.accept("AS"):
        return cursor.name()
    if cursor.at_name() and cursor.token.word not in _NO_ALIAS:
        return cursor.name()
    return None


def parse_element(cursor: Cursor) -> tree.Source:
    """Read one table, derived table, function or parenthesised join."""
    if cursor.at("("):
        if _at_query(cursor):
            return _derived(cursor)
        cursor.expect("(")
        source = _joined(cursor)
        cursor.expect(")")
        return source
    if cursor.at("CHANGETABLE", "("):
        return _change_table(cursor)
    parts = cursor.parts()
    if cursor.at("(") and cursor.ahead().word not in _HINTS:
        return _function(cursor, parts)
    if cursor.at("FOR", "SYSTEM_TIME"):
        raise cursor.error()
    alias = parse_alias(cursor)
    parse_hints(cursor)
    if cursor.at("(") and cursor.ahead().word in _HINTS:
        _bare_hints(cursor)
        alias = alias or parse_alias(cursor)
    return tree.TableName(parts, alias)


def _bare_hints(cursor: Cursor) -> None:
    """Step over `(NOLOCK)` written without WITH."""
    cursor.expect("(")
    while not cursor.accept(")"):
        if cursor.accept_any(*_HINTS) is None:
            raise cursor.error()
        cursor.accept(",")


def _joined(cursor: Cursor) -> tree.Source:
    left = parse_element(cursor)
    while True:
        if cursor.accept("CROSS", "APPLY"):
            left = tree.Join(JoinKind.CROSS_APPLY, left, parse_element(cursor))
        elif cursor.accept("OUTER", "APPLY"):
            left = tree.Join(JoinKind.OUTER_APPLY, left, parse_element(cursor))
        elif cursor.accept("CROSS", "JOIN"):
            left = tree.Join(JoinKind.CROSS, left, parse_element(cursor))
        elif cursor.at_any("JOIN", *_JOINS):
            left = _join(cursor, left)
        else:
            return left


def _join(cursor: Cursor, left: tree.Source) -> tree.Source:
    kind = _JOINS[cursor.accept_any(*_JOINS) or "INNER"]
    if kind is not JoinKind.INNER:
        cursor.accept("OUTER")
    cursor.accept_any("HASH", "LOOP", "MERGE", "REMOTE")
    cursor.expect("JOIN")
    right = parse_element(cursor)
    # a JOIN b JOIN c ON … ON …: the inner pair is the right side
    while cursor.at_any("JOIN", *_JOINS):
        right = _join(cursor, right)
    cursor.expect("ON")
    return tree.Join(kind, left, right, parse_expression(cursor))


def _at_query(cursor: Cursor) -> bool:
    depth = 0
    while cursor.ahead(depth).word == "(":
        depth += 1
    return cursor.ahead(depth).word in {"SELECT", "VALUES"}


def _derived(cursor: Cursor) -> tree.Source:
    cursor.expect("(")
    query = cursor.query(cursor)
    cursor.expect(")")
    cursor.accept("AS")
    alias = cursor.name()
    columns = cursor.names() if cursor.at("(") else ()
    return tree.Derived(query, alias, columns)


def _change_table(cursor: Cursor) -> tree.Source:
    """Read CHANGETABLE. Raises: SqlError 102 an expression for a version, 22104 no alias."""
    cursor.expect("CHANGETABLE", "(", "CHANGES")
    table = cursor.parts()
    cursor.expect(",")
    if cursor.ahead().word not in {")", ","}:  # only a variable or constant may stand here
        cursor.take()
        raise cursor.error()
    since = parse_expression(cursor)
    if cursor.accept(","):
        cursor.expect("FORCESEEK")
    cursor.expect(")")
    alias = parse_alias(cursor)
    if alias is None:
        raise SqlError(22104, "A table returned by the CHANGETABLE function must be aliased.")
    columns = cursor.names() if cursor.at("(") else ()
    return tree.ChangeTable(table, since, alias, columns)


def _function(cursor: Cursor, parts: tree.Parts) -> tree.Source:
    cursor.expect("(")
    arguments: tuple[tree.Expression, ...] = ()
    if not cursor.at(")"):
        arguments = parse_expressions(cursor)
    cursor.expect(")")
    alias = parse_alias(cursor)
    columns = cursor.names() if alias and cursor.at("(") else ()
    return tree.FunctionTable(parts, arguments, alias, columns)
