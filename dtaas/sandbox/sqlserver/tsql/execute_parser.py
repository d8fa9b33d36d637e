"""The grammar of EXECUTE."""

from typing import Final

from dtaas.sandbox.sqlserver.tsql.batch_cursor import BatchCursor
from dtaas.sandbox.sqlserver.tsql.lexer import Kind
from dtaas.sandbox.sqlserver.tsql.program import Call, CallArgument, CallText

_CONSTANTS: Final = frozenset(
    {Kind.STRING, Kind.NATIONAL, Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT, Kind.MONEY, Kind.BINARY}
)


def parse_execute(cursor: BatchCursor) -> Call | CallText:
    """Read EXEC procedure … or EXEC (text)."""
    cursor.take()
    if cursor.accept("("):
        text = cursor.expression()
        cursor.expect(")")
        return CallText(text)
    status = ""
    if cursor.token.kind is Kind.VARIABLE and cursor.peek().word == "=":
        cursor.check(cursor.at, cursor.at + 1)
        status = cursor.take().text.lower()
        cursor.take()
    return parse_call(cursor, status)


def parse_call(cursor: BatchCursor, status: str = "") -> Call:
    """Read a procedure's name and arguments; EXEC may be left out of a batch's first statement."""
    start = cursor.at
    if cursor.token.kind is Kind.VARIABLE:
        cursor.check(start, start + 1)
        cursor.take()
    else:
        cursor.name()
        while cursor.accept("."):
            if cursor.word != ".":
                cursor.name()
    name = cursor.text(start, cursor.at)
    arguments = []
    if not cursor.ends_statement() and cursor.word != "WITH":
        arguments.append(_argument(cursor))
        while cursor.accept(","):
            arguments.append(_argument(cursor))
    if cursor.accept("WITH"):
        cursor.expect("RECOMPILE")
    return Call(name, tuple(arguments), status)


def _argument(cursor: BatchCursor) -> CallArgument:
    name = ""
    if cursor.token.kind is Kind.VARIABLE and cursor.peek().word == "=":
        name = cursor.take().text.lower()
        cursor.take()
    start = cursor.at
    token = cursor.token
    if token.kind is Kind.VARIABLE:
        cursor.check(start, start + 1)
        cursor.take()
    elif token.word in {"-", "+"} and cursor.peek().kind in _CONSTANTS:
        cursor.take()
        cursor.take()
    elif token.kind in _CONSTANTS or token.word in {"NULL", "DEFAULT"}:
        cursor.take()
    elif cursor.at_name():
        # EXEC sp_help orders: a bare word is a text
        text = cursor.take().text.replace("'", "''")
        return CallArgument(name, f"N'{text}'")
    else:
        raise cursor.error()
    value = cursor.text(start, cursor.at)
    return CallArgument(name, value, cursor.accept("OUTPUT", "OUT"))
