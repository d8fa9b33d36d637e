"""What a session remembers between its batches: SET options and the results of statements."""

from typing import Final

from msgspec import Struct
from msgspec.structs import asdict, replace

from dtaas.sandbox.sqlserver.tsql.storage_port import Isolation

UNLIMITED_TEXT_BYTES: Final = 2_147_483_647


class Options(Struct, frozen=True, kw_only=True):
    """SET options. A procedure or dynamic batch that changes them changes its own copy.

    Attributes:
        text_size_bytes: TEXTSIZE.
        date_first: first day of the week, 7 is Sunday.
        deadlock_priority: -10 to 10.
    """

    nocount: bool = False
    xact_abort: bool = False
    implicit_transactions: bool = False
    fmtonly: bool = False
    isolation: Isolation = Isolation.READ_COMMITTED
    lock_timeout_ms: int = -1
    identity_insert: str | None = None
    text_size_bytes: int = UNLIMITED_TEXT_BYTES
    date_first: int = 7
    date_format: str = "mdy"
    language: str = "us_english"
    deadlock_priority: int = 0
    context_info: bytes | None = None


class LastStatement(Struct):
    """What @@ROWCOUNT, @@ERROR and the identity functions tell.

    Attributes:
        scope_identity: of the running batch or procedure.
    """

    rows: int = 0
    error: int = 0
    identity: int | None = None
    scope_identity: int | None = None


def changed(options: Options, **changes: object) -> Options:
    """Return options with some of them changed.

    Raises:
        TypeError: an option of that name does not exist.
    """
    unknown = changes.keys() - asdict(options).keys()
    if unknown:
        raise TypeError(f"unknown options {sorted(unknown)}")
    return replace(options, **changes)
