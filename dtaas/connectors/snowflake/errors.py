"""From Snowflake's error numbers to the one error vocabulary."""

from typing import Final

from msgspec import Struct

from dtaas.model.errors import (
    AuthenticationError,
    DatabaseNotFoundError,
    DestinationRefusedError,
    DestinationUnavailableError,
    DtaasError,
    HostNotFoundError,
    PermissionDeniedError,
    TableNotFoundError,
    TimedOutError,
)


class TableLockedError(DestinationUnavailableError):
    """Another transaction held a table for longer than we wait."""


class _Kind(Struct, frozen=True):
    error: type[DtaasError]
    hint: str = ""


_LOGIN: Final = _Kind(AuthenticationError, "Check user, authentication and its secret.")
_LINK: Final = _Kind(DestinationUnavailableError, "Check account, host and the network.")
_SESSION: Final = _Kind(DestinationUnavailableError, "The session ended; a new one is opened.")
_KINDS: Final[dict[int, _Kind]] = {
    390100: _LOGIN,
    390101: _LOGIN,
    390102: _LOGIN,
    390144: _Kind(AuthenticationError, "The public key of the user is another one: ALTER USER."),
    390303: _Kind(AuthenticationError, "The OAuth token is wrong or has expired."),
    394400: _Kind(AuthenticationError, "The programmatic access token is wrong or has expired."),
    390104: _SESSION,
    390110: _SESSION,
    390111: _SESSION,
    390112: _SESSION,
    390114: _SESSION,
    390195: _SESSION,
    390189: _Kind(PermissionDeniedError, "Grant the role to the user."),
    3001: _Kind(PermissionDeniedError, "Grant the role what the statement needs."),
    2003: _Kind(TableNotFoundError, "Check database, schema and the role's rights on them."),
    2043: _Kind(TableNotFoundError, "Check database, schema and the role's rights on them."),
    2001: _Kind(DatabaseNotFoundError, "Create the database, or grant the role its use."),
    604: _Kind(TimedOutError, "The statement was cancelled or ran too long."),
    630: _Kind(TimedOutError, "Raise statement_timeout_s, or use a larger warehouse."),
    625: _Kind(TableLockedError, "Another transaction holds the table; it is retried."),
    606: _Kind(DestinationRefusedError, "Name a warehouse that runs or resumes by itself."),
    14: _LINK,
    250001: _LINK,
    250003: _LINK,
    250007: _LINK,
    251001: _Kind(HostNotFoundError, "Check the account's name."),
    251005: _LOGIN,
}


def to_dtaas_error(exc: BaseException, what: str) -> DtaasError:
    """Return what the connector said as one of our errors.

    Args:
        what: start of the sentence, such as `Merging into DB.S.T`.
    """
    number = getattr(exc, "errno", None)
    message = str(getattr(exc, "raw_msg", None) or getattr(exc, "msg", None) or exc).strip()
    kind = _KINDS.get(number if isinstance(number, int) else -1)
    if kind is None:
        transient = type(exc).__name__ in {"OperationalError", "InterfaceError"}
        kind = _LINK if transient or isinstance(exc, OSError) else _Kind(DestinationRefusedError)
    return kind.error(f"{what} failed: {message[:1500]}", hint=kind.hint)
