"""The grammar of SET for options, and which of them change nothing here.

Source: Microsoft Learn, "SET Statements (Transact-SQL)".
"""

from typing import Final

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql.batch_cursor import BatchCursor
from dtaas.sandbox.sqlserver.tsql.lexer import Kind
from dtaas.sandbox.sqlserver.tsql.program import SetOption

ALWAYS_ON: Final = frozenset(
    {
        "ANSI_DEFAULTS",
        "ANSI_NULLS",
        "ANSI_PADDING",
        "ANSI_WARNINGS",
        "CONCAT_NULL_YIELDS_NULL",
        "QUOTED_IDENTIFIER",
    }
)
"""OFF would change answers, so it is refused."""

ALWAYS_OFF: Final = frozenset(
    {
        "FORCEPLAN",
        "NOEXEC",
        "NUMERIC_ROUNDABORT",
        "PARSEONLY",
        "REMOTE_PROC_TRANSACTIONS",
        "SHOWPLAN_ALL",
        "SHOWPLAN_TEXT",
        "SHOWPLAN_XML",
        "STATISTICS IO",
        "STATISTICS PROFILE",
        "STATISTICS TIME",
        "STATISTICS XML",
    }
)
"""ON would change answers, so it is refused."""

_EITHER: Final = frozenset(
    {
        "ANSI_NULL_DFLT_OFF",
        "ANSI_NULL_DFLT_ON",
        "ARITHABORT",
        "ARITHIGNORE",
        "CURSOR_CLOSE_ON_COMMIT",
        "FMTONLY",
        "IMPLICIT_TRANSACTIONS",
        "NOCOUNT",
        "XACT_ABORT",
    }
)
_SWITCHES: Final = ALWAYS_ON | ALWAYS_OFF | _EITHER
_VALUES: Final = frozenset(
    {
        "CONTEXT_INFO",
        "DATEFIRST",
        "DATEFORMAT",
        "DEADLOCK_PRIORITY",
        "LANGUAGE",
        "LOCK_TIMEOUT",
        "QUERY_GOVERNOR_COST_LIMIT",
        "ROWCOUNT",
        "TEXTSIZE",
    }
)
_LEVELS: Final = (
    ("READ", "UNCOMMITTED"),
    ("READ", "COMMITTED"),
    ("REPEATABLE", "READ"),
    ("SERIALIZABLE",),
    ("SNAPSHOT",),
)


def parse_options(cursor: BatchCursor) -> list[SetOption]:
    """Read what follows SET.

    Raises:
        SqlError: 195 an unknown option or one this server does not honour, 102 or 156 syntax.
    """
    if cursor.word == "TRANSACTION":
        return [_isolation(cursor)]
    if cursor.accept("IDENTITY_INSERT"):
        return [_identity_insert(cursor)]
    if cursor.word in _VALUES:
        return [_valued(cursor)]
    return _switches(cursor)


def _isolation(cursor: BatchCursor) -> SetOption:
    cursor.expect("TRANSACTION", "ISOLATION", "LEVEL")
    for words in _LEVELS:
        if cursor.at_words(*words):
            cursor.expect(*words)
            return SetOption("TRANSACTION ISOLATION LEVEL", "_".join(words))
    raise cursor.error()


def _identity_insert(cursor: BatchCursor) -> SetOption:
    start = cursor.at
    cursor.name()
    while cursor.accept("."):
        if cursor.word != ".":
            cursor.name()
    table = cursor.text(start, cursor.at)
    if cursor.accept("ON"):
        return SetOption("IDENTITY_INSERT ON", table)
    cursor.expect("OFF")
    return SetOption("IDENTITY_INSERT OFF", table)


def _valued(cursor: BatchCursor) -> SetOption:
    option = cursor.take().word
    start = cursor.at
    if cursor.token.kind is Kind.VARIABLE:
        cursor.check(start, start + 1)
    cursor.accept("-")
    if cursor.ends_statement():
        raise cursor.error()
    cursor.take()
    return SetOption(option, cursor.text(start, cursor.at))


def _switches(cursor: BatchCursor) -> list[SetOption]:
    options = [_option(cursor)]
    while cursor.accept(","):
        options.append(_option(cursor))
    value = cursor.word
    if not cursor.accept("ON", "OFF"):
        raise cursor.error()
    for option in options:
        honoured = {"ON": option not in ALWAYS_OFF, "OFF": option not in ALWAYS_ON}
        if not honoured[value]:
            raise _unknown(f"{option} {value}", cursor.line)
    return [SetOption(option, value) for option in options]


def _option(cursor: BatchCursor) -> str:
    line = cursor.line
    if cursor.token.kind is not Kind.NAME:
        raise cursor.error()
    option = cursor.take().word
    if option == "STATISTICS":
        option = f"STATISTICS {cursor.take().word}"
    if option not in _SWITCHES:
        raise _unknown(option, line)
    return option


def _unknown(option: str, line: int) -> SqlError:
    return SqlError(
        195, f"'{option}' is not a recognized SET option.", severity=15, state=5, line=line
    )
