"""What an error ends besides its statement.

Source: Microsoft Learn, "SET XACT_ABORT", "TRY...CATCH", "THROW"; Erland Sommarskog, "Error and
Transaction Handling in SQL Server".
"""

from enum import IntEnum, auto
from typing import Final

from dtaas.sandbox.sqlserver.results import SqlError


class Effect(IntEnum):
    """How far an error reaches; more is greater."""

    STATEMENT = auto()
    BATCH = auto()
    TRANSACTION = auto()
    """The batch ends and the open transaction is rolled back, or doomed inside TRY."""


class CompileError(Exception):
    """A statement did not compile when its turn came: TRY of the same scope does not see it."""

    def __init__(self, error: SqlError) -> None:
        super().__init__(str(error))
        self.error = error


class RaisedError(Exception):
    """RAISERROR or THROW: neither ends more than it says itself."""

    def __init__(self, error: SqlError, effect: Effect) -> None:
        super().__init__(str(error))
        self.error = error
        self.effect = effect


_ENDS_TRANSACTION: Final = frozenset(
    {
        235,  # char to money
        241,  # text to date and time
        242,  # date and time out of range
        244,  # overflow of text to int1 or int2
        245,  # text to number
        248,  # overflow of text to int
        293,  # char to smallmoney
        295,  # text to smalldatetime
        1205,  # deadlock victim
        3930,  # a doomed transaction cannot write
        3952,  # snapshot isolation is not allowed
        3960,  # snapshot update conflict
        3961,  # snapshot of a changed table
        8114,  # converting a data type
        8169,  # text to uniqueidentifier
    }
)
_MIN_ERROR_SEVERITY: Final = 11


def effect_of(error: SqlError, *, xact_abort: bool) -> Effect:
    """Return what a run-time error of a statement ends."""
    if error.severity < _MIN_ERROR_SEVERITY:
        return Effect.STATEMENT
    if xact_abort or error.number in _ENDS_TRANSACTION:
        return Effect.TRANSACTION
    return Effect.STATEMENT
