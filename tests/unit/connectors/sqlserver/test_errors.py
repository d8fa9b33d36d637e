"""Driver errors become ours by number, whichever library brought them."""

import arrow_odbc
import pyodbc
import pytest

from dtaas.connectors.sqlserver.errors import is_buffer_too_small, parse_failure, to_dtaas_error
from dtaas.model import errors as ours


class FromArrowOdbc(arrow_odbc.Error):
    """arrow-odbc's error without the handle its constructor wants."""

    def __init__(self, text: str) -> None:
        Exception.__init__(self, text)


def from_pyodbc(state: str, text: str, number: int, function: str = "SQLExecDirectW") -> Exception:
    prefix = f"[{state}] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]"
    return pyodbc.Error(state, f"{prefix}{text} ({number}) ({function})")


def from_arrow(state: str, text: str, number: int) -> Exception:
    prefix = "[Microsoft][ODBC Driver 18 for SQL Server][SQL Server]"
    return FromArrowOdbc(
        f"ODBC emitted an error calling 'SQLFetch':\nState: {state}, Native error: {number}, "
        f"Message: {prefix}{text}"
    )


@pytest.mark.parametrize("make", [from_pyodbc, from_arrow])
@pytest.mark.parametrize(
    ("state", "number", "kind"),
    [
        ("40001", 1205, ours.SourceBusyError),
        ("HY000", 1222, ours.SourceBusyError),
        ("HY000", 3960, ours.SourceBusyError),
        ("HY000", 3961, ours.SourceBusyError),
        ("HY000", 3952, ours.SourceQueryError),
        ("HY000", 40197, ours.ConnectionLostError),
        ("HY000", 40613, ours.ConnectionLostError),
        ("08S01", 10054, ours.ConnectionLostError),
        ("08S01", 0, ours.ConnectionLostError),
        ("HYT00", 0, ours.TimedOutError),
        ("HYT01", 0, ours.TimedOutError),
        ("28000", 18456, ours.AuthenticationError),
        ("42000", 4060, ours.DatabaseNotFoundError),
        ("42S02", 208, ours.TableNotFoundError),
        ("42S22", 207, ours.SchemaChangedError),
        ("42000", 229, ours.PermissionDeniedError),
        ("42000", 262, ours.PermissionDeniedError),
        ("08001", 11001, ours.HostNotFoundError),
        ("HY000", 824, ours.SourceQueryError),
        ("42000", 102, ours.SourceQueryError),
        ("IM002", 0, ours.DriverMissingError),
    ],
)
def test_kind_follows_the_number(make, state, number, kind) -> None:
    error = to_dtaas_error(make(state, "What the server said.", number), where="Reading dbo.t")
    assert type(error) is kind
    assert error.detail.startswith("Reading dbo.t failed: What the server said.")
    assert error.hint


def test_detail_names_the_number_and_drops_the_prefixes() -> None:
    error = to_dtaas_error(from_pyodbc("42S02", "Invalid object name 't'.", 208), where="Reading t")
    assert error.detail == "Reading t failed: Invalid object name 't'. (SQL Server error 208)"


def test_number_in_the_server_s_text_is_not_taken_for_the_native_one() -> None:
    exc = from_pyodbc("42000", "Column (1205) (x) is odd.", 102)
    assert parse_failure(exc).number == 102


def test_untrusted_certificate_is_told_from_other_failures_to_connect() -> None:
    text = "SSL Provider: [error:0A000086:SSL routines::certificate verify failed:self-signed]"
    assert isinstance(
        to_dtaas_error(from_pyodbc("08001", text, -1), where="x"), ours.CertificateError
    )
    assert isinstance(
        to_dtaas_error(from_pyodbc("08001", "TCP Provider: refused", 10061), where="x"),
        ours.ConnectionLostError,
    )


def test_throttling_asks_for_a_wait() -> None:
    error = to_dtaas_error(from_pyodbc("HY000", "Busy.", 40501), where="x")
    assert isinstance(error, ours.RetryableError)
    assert error.retry_after_s == 10.0


def test_message_without_fields_keeps_its_text() -> None:
    exc = FromArrowOdbc("External error: something else")
    assert to_dtaas_error(exc, where="x").detail == "x failed: External error: something else"


def test_too_small_buffer_is_known_by_its_text() -> None:
    text = (
        "External error: A value (at least one) is too large to be written into the allocated "
        "buffer without truncation. Size in bytes indicated by ODBC driver: Some(20000)"
    )
    assert is_buffer_too_small(FromArrowOdbc(text))
    assert not is_buffer_too_small(FromArrowOdbc("External error: something else"))
