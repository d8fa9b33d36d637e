"""The grammar of statements that are neither control flow nor queries."""

from collections.abc import Callable, Mapping
from typing import Final

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql.batch_cursor import BatchCursor
from dtaas.sandbox.sqlserver.tsql.execute_parser import parse_execute
from dtaas.sandbox.sqlserver.tsql.program import (
    Action,
    CommitTransaction,
    Print,
    RaiseError,
    Return,
    RollbackTransaction,
    SaveTransaction,
    Throw,
    Use,
    Wait,
)

_RAISERROR_ARGUMENTS: Final = range(3, 24)  # message, severity, state and at most 20 more
_RAISERROR_OPTIONS: Final = frozenset({"LOG", "NOWAIT", "SETERROR"})


def _print(cursor: BatchCursor) -> Action:
    cursor.take()
    return Print(cursor.expression())


def _raiserror(cursor: BatchCursor) -> Action:
    cursor.take()
    cursor.expect("(")
    arguments = [cursor.expression()]
    while cursor.accept(","):
        arguments.append(cursor.expression())
    if len(arguments) not in _RAISERROR_ARGUMENTS:
        raise cursor.error()
    cursor.expect(")")
    options = set()
    if cursor.accept("WITH"):
        options.add(cursor.take().word)
        while cursor.accept(","):
            options.add(cursor.take().word)
    if not options <= _RAISERROR_OPTIONS:
        raise cursor.error()
    return RaiseError(tuple(arguments), frozenset(options))


def _throw(cursor: BatchCursor) -> Action:
    line = cursor.line
    cursor.take()
    if cursor.ends_statement():
        if not cursor.catches:
            raise SqlError(
                10704,
                "To rethrow an error, a THROW statement must be used inside a CATCH block. Insert "
                "the THROW statement inside a CATCH block, or add error parameters to the THROW "
                "statement.",
                severity=15,
                line=line,
            )
        return Throw()
    number = cursor.expression()
    cursor.expect(",")
    message = cursor.expression()
    cursor.expect(",")
    return Throw((number, message, cursor.expression()))


def _commit(cursor: BatchCursor) -> Action:
    cursor.take()
    if not cursor.accept("WORK") and cursor.accept("TRAN", "TRANSACTION"):
        cursor.transaction_name()
    return CommitTransaction()


def _rollback(cursor: BatchCursor) -> Action:
    cursor.take()
    if not cursor.accept("WORK") and cursor.accept("TRAN", "TRANSACTION"):
        return RollbackTransaction(cursor.transaction_name())
    return RollbackTransaction()


def _save(cursor: BatchCursor) -> Action:
    cursor.take()
    if not cursor.accept("TRAN", "TRANSACTION"):
        raise cursor.error()
    name = cursor.transaction_name()
    if not name:
        raise cursor.error()
    return SaveTransaction(name)


def _use(cursor: BatchCursor) -> Action:
    cursor.take()
    return Use(cursor.name())


def _waitfor(cursor: BatchCursor) -> Action:
    cursor.take()
    kind = cursor.word
    if not cursor.accept("DELAY", "TIME"):
        raise cursor.error()
    return Wait(kind, cursor.constant())


def _return(cursor: BatchCursor) -> Action:
    line = cursor.line
    cursor.take()
    if cursor.ends_statement():
        return Return()
    if not cursor.in_procedure:
        raise SqlError(
            178,
            "A RETURN statement with a return value cannot be used in this context.",
            severity=15,
            line=line,
        )
    return Return(cursor.expression())


SIMPLE_STATEMENTS: Final[Mapping[str, Callable[[BatchCursor], Action]]] = {
    "COMMIT": _commit,
    "EXEC": parse_execute,
    "EXECUTE": parse_execute,
    "PRINT": _print,
    "RAISERROR": _raiserror,
    "RETURN": _return,
    "ROLLBACK": _rollback,
    "SAVE": _save,
    "THROW": _throw,
    "USE": _use,
    "WAITFOR": _waitfor,
}
"""By the word a statement begins with."""
