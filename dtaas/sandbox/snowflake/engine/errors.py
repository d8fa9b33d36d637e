"""Errors of statements, with Snowflake's numbers."""

from typing import Final

import duckdb
from snowflake.connector.errors import Error as ConnectorError

UNSUPPORTED: Final = 2  # Snowflake's own "Unsupported feature"


class StatementError(Exception):
    """A statement Snowflake would refuse.

    Attributes:
        code: Snowflake's error number; the wire carries it in six digits.
        sqlstate: five characters.
        message: for people.
    """

    def __init__(self, code: int, sqlstate: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.sqlstate = sqlstate
        self.message = message


def compilation(message: str, code: int = 1003, sqlstate: str = "42000") -> StatementError:
    """Return the error of a statement that cannot be understood."""
    return StatementError(code, sqlstate, f"SQL compilation error:\n{message}")


def missing(kind: str, name: str) -> StatementError:
    """Return the error of an object that is not there."""
    return compilation(f"{kind} '{name}' does not exist or not authorized.", 2003, "02000")


def exists(name: str) -> StatementError:
    """Return the error of an object that is there already."""
    return compilation(f"Object '{name}' already exists.", 2002, "42710")


def unsupported(what: str) -> StatementError:
    """Return the error of what Snowflake can and the emulator cannot."""
    return StatementError(UNSUPPORTED, "0A000", f"Unsupported feature '{what}' (emulator).")


def aborted() -> StatementError:
    """Return the error of a statement that was cancelled."""
    return StatementError(604, "57014", "SQL execution canceled")


def is_conflict(error: Exception) -> bool:
    """Whether DuckDB refused what Snowflake would have let wait for a lock."""
    return isinstance(error, duckdb.Error) and "conflict" in str(error).lower()


def translated(error: Exception) -> StatementError:
    """Return Snowflake's error for one of fakesnow's or DuckDB's."""
    if isinstance(error, StatementError):
        return error
    if isinstance(error, ConnectorError):
        if isinstance(error.__cause__, duckdb.Error):
            return _of_duckdb(error.__cause__)
        message = error.raw_msg if getattr(error, "raw_msg", None) else str(error.msg)
        return StatementError(error.errno or 9999, error.sqlstate or "99999", message)
    if isinstance(error, duckdb.Error):
        return _of_duckdb(error)
    return unsupported(f"{type(error).__name__}: {error}")


_BY_TEXT: Final = (
    ("not null constraint", 100072, "22000", "NULL result in a non-nullable column"),
    ("more than once", 100090, "42P18", "Duplicate row detected during DML action"),
    ("same row twice", 100090, "42P18", "Duplicate row detected during DML action"),
    ("multiple source rows", 100090, "42P18", "Duplicate row detected during DML action"),
    ("is aborted", 90232, "25000", "The transaction failed earlier: only ROLLBACK helps"),
    ("conflict", 625, "57014", "The statement waited for a lock and was aborted"),
)
_BY_TYPE: Final[tuple[tuple[type[duckdb.Error], int, str], ...]] = (
    (duckdb.InterruptException, 604, "57014"),
    (duckdb.ConversionException, 100038, "22018"),
    (duckdb.OutOfRangeException, 100038, "22003"),
    (duckdb.CatalogException, 2003, "42S02"),
    (duckdb.BinderException, 904, "42000"),
    (duckdb.ParserException, 1003, "42000"),
    (duckdb.ConstraintException, 100090, "22000"),
    (duckdb.IOException, 91016, "22000"),
    (duckdb.TransactionException, 625, "57014"),
)


def _of_duckdb(error: duckdb.Error) -> StatementError:
    message = str(error).split("\n", 1)[0]
    lower = message.lower()
    for text, code, sqlstate, said in _BY_TEXT:
        if text in lower:
            return StatementError(code, sqlstate, f"{said}: {message}")
    for kind, code, sqlstate in _BY_TYPE:
        if isinstance(error, kind):
            return StatementError(code, sqlstate, message)
    return StatementError(2140, "42601", message)
