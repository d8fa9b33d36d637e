"""From SQL Server's error numbers and ODBC's states to the one error vocabulary."""

import re
from collections.abc import Iterable

from msgspec import Struct

from dtaas.connectors.sqlserver.odbc import SYSTEM_LIBRARIES_HINT, pyodbc
from dtaas.model.errors import (
    AuthenticationError,
    CertificateError,
    ConnectionLostError,
    DatabaseNotFoundError,
    DriverMissingError,
    DtaasError,
    HostNotFoundError,
    PermissionDeniedError,
    RetryableError,
    SchemaChangedError,
    SourceBusyError,
    SourceQueryError,
    TableNotFoundError,
    TimedOutError,
)
from dtaas.tds.errors import EncryptionError, LinkError, ProtocolError, ServerError

_PYODBC_NATIVE = re.compile(r"\((-?\d+)\) \(SQL\w+\)")
"""pyodbc ends each message with the native number and the ODBC function it came from."""
_ARROW_ODBC = re.compile(r"State: (\w{5}), Native error: (-?\d+), Message: (.*)", re.DOTALL)
"""arrow-odbc has no attribute for them: its text begins with these two fixed fields."""
_PREFIX = re.compile(r"^(\[[^\]]*\]\s*)+")
_TOO_LARGE = "too large to be written into the allocated buffer without truncation"
_CERTIFICATE = "certificate verify failed"
_UNKNOWN_HOST_NATIVE = 11001
"""The driver reports an unresolved name with Windows' WSAHOST_NOT_FOUND."""


class _Kind(Struct, frozen=True):
    """What an error number becomes."""

    error: type[DtaasError]
    hint: str = ""
    retry_after_s: float = 0.0


class Failure(Struct, frozen=True, kw_only=True):
    """What a driver or our own reader said.

    Attributes:
        state: SQLSTATE, '' when there is none.
        number: SQL Server's error number or the system's, 0 when there is none.
        text: the message without the driver's own prefixes.
    """

    state: str
    number: int
    text: str


def _each(numbers: Iterable[int], kind: _Kind) -> dict[int, _Kind]:
    return dict.fromkeys(numbers, kind)


_BUSY = _Kind(SourceBusyError, "The load goes on by itself when the server has room again.")
_LOST = _Kind(ConnectionLostError, "The load goes on by itself when the server answers again.")
_AZURE = _Kind(
    ConnectionLostError, "The service is moving or restarting the database; it is tried again."
)
_NO_RIGHT = _Kind(
    PermissionDeniedError,
    "Grant the login the right to read: GRANT SELECT ON SCHEMA::[dbo] TO [the_user];",
)
_LOGIN = "Check the user name and password, and that SQL Server logins are allowed."

_BY_NUMBER: dict[int, _Kind] = {
    # Microsoft Learn, "Database engine events and errors"; retry lists of mssql-jdbc and SqlClient
    **_each((1204, 601, 701, 802, 8645, 8651), _BUSY),
    1205: _Kind(SourceBusyError, "It was the victim of a deadlock; the chunk is read again."),
    1222: _Kind(
        SourceBusyError,
        "Another session holds a lock for over 30 s. Switch on READ_COMMITTED_SNAPSHOT so that "
        "readers do not wait for writers.",
    ),
    **_each(
        (3960, 3961), _Kind(SourceBusyError, "The snapshot was lost; the chunk is read again.")
    ),
    40501: _Kind(SourceBusyError, "The service is throttling.", retry_after_s=10.0),
    **_each((10928, 10929, 49918, 49919, 49920, 4221), _BUSY),
    **_each((40020, 40143, 40166, 40197, 40540, 40613, 42108, 42109), _AZURE),
    **_each((64, 121, 233, 258, 10053, 10054, 10060, 10061), _LOST),
    **_each((976, 978, 979, 983, 988, 924, 927, 945, 952, 6005, 17142, 17187, 18401, 3906), _AZURE),
    _UNKNOWN_HOST_NATIVE: _Kind(HostNotFoundError, "Check the host name."),
    3952: _Kind(
        SourceQueryError,
        "Snapshot isolation is not allowed in this database: "
        "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON;",
    ),
    18456: _Kind(AuthenticationError, _LOGIN + " The server's log names the exact reason."),
    **_each((18450, 18452, 18470, 18486), _Kind(AuthenticationError, _LOGIN)),
    **_each((18487, 18488), _Kind(AuthenticationError, "The password expired: change it.")),
    4060: _Kind(
        DatabaseNotFoundError,
        "Check the database's name and that the login has a user in it: CREATE USER [u] FOR LOGIN "
        "[u];",
    ),
    4064: _Kind(
        DatabaseNotFoundError,
        "Set the login's default database: ALTER LOGIN [u] WITH DEFAULT_DATABASE = [db];",
    ),
    916: _Kind(
        PermissionDeniedError, "Create a user for the login: CREATE USER [u] FOR LOGIN [u];"
    ),
    **_each((229, 230), _NO_RIGHT),
    **_each(
        (262, 297, 300),
        _Kind(PermissionDeniedError, "Grant it: GRANT VIEW DATABASE STATE TO [the_user];"),
    ),
    207: _Kind(SchemaChangedError, "Start the task with force to load the table anew."),
    208: _Kind(TableNotFoundError, "List the source's tables to see their names."),
    **_each(
        (823, 824, 825),
        _Kind(SourceQueryError, "The database is damaged: run DBCC CHECKDB and restore the page."),
    ),
}
_BY_STATE: dict[str, _Kind] = {
    "HYT00": _Kind(TimedOutError, "The server did not answer in time; raise query_timeout_s."),
    "HYT01": _Kind(TimedOutError, "The server did not answer in time; raise login_timeout_s."),
    "08001": _Kind(ConnectionLostError, "Check host, port and firewall."),
    "08003": _LOST,
    "08007": _LOST,
    "08S01": _LOST,
    "28000": _Kind(AuthenticationError, _LOGIN),
    "40001": _BUSY,
    "IM002": _Kind(DriverMissingError, SYSTEM_LIBRARIES_HINT),
    "IM003": _Kind(DriverMissingError, SYSTEM_LIBRARIES_HINT),
    "01000": _Kind(DriverMissingError, SYSTEM_LIBRARIES_HINT),
}
"""Consulted when the number says nothing. 01000 alone is unixODBC's "can't open lib"."""


def parse_failure(exc: BaseException) -> Failure:
    """Return state, number and text of an exception of pyodbc, arrow-odbc or our own reader."""
    if isinstance(exc, ServerError):
        return Failure(state="", number=exc.number, text=exc.text)
    if isinstance(exc, EncryptionError):
        return Failure(state="08001", number=0, text=str(exc))
    if isinstance(exc, LinkError | ProtocolError):
        return Failure(state="08S01", number=0, text=str(exc))
    if isinstance(exc, pyodbc.Error):
        state, text = (*map(str, exc.args), "", "")[:2]
        found = _PYODBC_NATIVE.search(text)
        number = int(found.group(1)) if found else 0
        return Failure(state=state, number=number, text=_plain(text[: _end(found, text)]))
    text = str(exc)
    fields = _ARROW_ODBC.search(text)
    if fields is None:
        return Failure(state="", number=0, text=text)
    return Failure(state=fields.group(1), number=int(fields.group(2)), text=_plain(fields.group(3)))


def to_dtaas_error(exc: BaseException, *, where: str) -> DtaasError:
    """Return the error of ours for an exception of a driver.

    Args:
        where: what was being done, as the start of a sentence: `Reading dbo.orders`.
    """
    failure = parse_failure(exc)
    detail = f"{where} failed: {failure.text}"
    if failure.number:
        detail = f"{detail} (SQL Server error {failure.number})"
    kind = _kind(failure)
    if issubclass(kind.error, RetryableError):
        return kind.error(detail, hint=kind.hint, retry_after_s=kind.retry_after_s)
    return kind.error(detail, hint=kind.hint)


def is_buffer_too_small(exc: Exception) -> bool:
    """Return whether a value was longer than the transit buffer; arrow-odbc never cuts it.

    The library raises this itself and gives it no number: only its text tells.
    """
    return _TOO_LARGE in str(exc)


def _kind(failure: Failure) -> _Kind:
    if failure.state == "08001" and _CERTIFICATE in failure.text:
        # OpenSSL's own words, passed on by the driver: state and number are those of any TCP error
        return _Kind(
            CertificateError,
            "Install the certificate's issuer on this machine (SSL_CERT_FILE), or set "
            "trust_server_certificate for a server you reach over a trusted network.",
        )
    default = _Kind(SourceQueryError, "The server refused the statement; its text says why.")
    if failure.number in _BY_NUMBER:
        return _BY_NUMBER[failure.number]
    return _BY_STATE.get(failure.state, default)


def _end(found: re.Match[str] | None, text: str) -> int:
    return found.start() if found else len(text)


def _plain(text: str) -> str:
    """Drop the `[state] [vendor][driver][server]` prefixes and the trailing blanks."""
    return _PREFIX.sub("", text).strip()
