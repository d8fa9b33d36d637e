"""Errors of SQLite and PostgreSQL in our words, told apart by code, never by text."""

import errno
import shutil
import socket
import sqlite3
from pathlib import Path
from typing import Final

import asyncpg
from msgspec import Struct
from sqlalchemy.exc import DBAPIError

from dtaas.model.errors import (
    AuthenticationError,
    DatabaseNotFoundError,
    DtaasError,
    HostNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    StoreCorruptError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)

DRIVER_ERRORS: Final = (
    sqlite3.Error,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
)

LEAST_FREE_BYTES: Final = 1 << 20
"""With less room than this on the disk, an I/O error of SQLite is called what it is: full."""


class StorePlace(Struct, frozen=True, kw_only=True):
    """Which database this is, for messages.

    Attributes:
        label: path of the SQLite file, or the URL without its password.
        file: the SQLite file, None for PostgreSQL.
        backup_dir: where backups of the SQLite file lie.
    """

    label: str
    file: Path | None = None
    backup_dir: Path | None = None

    def __str__(self) -> str:
        """Return the label."""
        return self.label


class StoreBusyError(StoreUnavailableError):
    """The transaction was refused before it changed anything; it may be tried again at once."""


def translated(exc: BaseException, place: StorePlace) -> DtaasError | None:
    """Return `exc` as an error of ours, None when it is a mistake in our own statements."""
    cause = _driver_error(exc)
    if isinstance(cause, DRIVER_ERRORS) and isinstance(cause.__cause__, OverflowError):
        return out_of_range()
    match cause:
        case sqlite3.Error():
            return _sqlite(cause, place)
        case asyncpg.PostgresError() if cause.sqlstate:
            return _postgres(cause.sqlstate, place)
        case asyncpg.InterfaceError() | OSError() | TimeoutError():
            return _link(cause, place)
        case _:
            return None


def _driver_error(exc: BaseException) -> BaseException | None:
    """Return what the driver raised, under the wrappers SQLAlchemy put around it."""
    seen: BaseException | None = exc.orig if isinstance(exc, DBAPIError) else exc
    while seen is not None:
        if isinstance(seen, DRIVER_ERRORS):
            return seen
        seen = seen.__cause__
    return None


def _sqlite(exc: sqlite3.Error, place: StorePlace) -> DtaasError | None:
    # https://www.sqlite.org/rescode.html: the low byte is the primary code.
    code = getattr(exc, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
        return _orphan()
    match code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return _full(place)
        case sqlite3.SQLITE_IOERR:
            if _disk_is_full(place):
                return _full(place)
            return StoreUnavailableError(
                f"Reading or writing the metadata database {place} failed: {exc}.",
                hint="Check the disk and the system log.",
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreBusyError(
                f"The metadata database {place} is locked by another program.",
                hint="Close the program that holds it open for writing.",
            )
        case sqlite3.SQLITE_INTERRUPT:
            return too_slow(place)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return corrupt(place)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return StoreReadOnlyError(
                f"The metadata database {place} cannot be written: {exc}.",
                hint="Let the user of the daemon own the data folder and the files in it, and see"
                " in the system log whether the disk was made read-only; work goes on by itself.",
            )
        case _:
            return None


def corrupt(place: StorePlace) -> StoreCorruptError:
    """Return the error for an unreadable database, which names the backups there are."""
    backups = sorted(place.backup_dir.glob("*.db")) if place.backup_dir else []
    hint = (
        f"Stop the daemon and put a backup in its place: {', '.join(map(str, backups[::-1]))}."
        if backups
        else "Stop the daemon and restore the database from a backup; there is none beside it."
    )
    return StoreCorruptError(f"{place} is damaged or not a metadata database.", hint=hint)


def out_of_range() -> NotFoundError:
    """Return the error for a number that is none of ours: ids and counts have 64 bits."""
    return NotFoundError("There is nothing with a number beyond 64 bits.")


def too_slow(place: StorePlace) -> StoreUnavailableError:
    """Return the error for a transaction that was ended because it took too long."""
    return StoreUnavailableError(
        f"The metadata database {place} did not answer in time.",
        hint="Check the load of its disk or server.",
    )


def _orphan() -> NotFoundError:
    return NotFoundError("The task, execution or load this belongs to does not exist any more.")


def _full(place: StorePlace) -> StoreFullError:
    return StoreFullError(
        f"No space left for the metadata database {place}; nothing stored before is lost.",
        hint="Free space on its disk; the daemon goes on from where it was.",
    )


def _disk_is_full(place: StorePlace) -> bool:
    if place.file is None:
        return False
    return shutil.disk_usage(place.file.parent).free < LEAST_FREE_BYTES


def _postgres(state: str, place: StorePlace) -> DtaasError | None:
    # Classes and codes of PostgreSQL's documentation, appendix A.
    match state:
        case "23503":
            return _orphan()
        case "53100":
            return _full(place)
        case "40001" | "40P01" | "55P03" | "25P03":
            return StoreBusyError(f"The metadata database {place} refused a transaction ({state}).")
        case "28P01" | "28000":
            return AuthenticationError(
                f"The metadata database {place} refused the user or password.",
                hint="Correct user and password in the URL of the store.",
            )
        case "3D000":
            return DatabaseNotFoundError(
                f"The database of {place} does not exist.",
                hint="Make it with CREATE DATABASE, or correct the URL of the store.",
            )
        case "25006":
            return StoreReadOnlyError(
                f"The metadata database {place} takes no writes: it is a standby, or was made"
                " read-only.",
                hint="Let the URL of the store lead to the primary; work goes on by itself.",
            )
        case "42501":
            return PermissionDeniedError(
                f"The user of {place} may not create or change the tables of DTaaS.",
                hint="Make it the owner of the database, or GRANT it CREATE on the schema.",
            )
        case "XX001" | "XX002":
            return corrupt(place)
        case _ if state[:2] in {"08", "53", "57"}:
            return StoreUnavailableError(f"The metadata database {place} is unavailable ({state}).")
        case _:
            return None


def _link(exc: BaseException, place: StorePlace) -> DtaasError:
    if isinstance(exc, socket.gaierror):
        return HostNotFoundError(
            f"The host of the metadata database {place} is unknown.",
            hint="Correct the host in the URL of the store.",
        )
    if isinstance(exc, OSError) and exc.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _full(place)
    if isinstance(exc, PermissionError):
        return PermissionDeniedError(
            f"The metadata database {place} cannot be opened: {exc.strerror}.",
            hint="Let the user of the daemon own the data folder and the files in it.",
        )
    return StoreUnavailableError(
        f"The metadata database {place} cannot be reached.",
        hint="Check that the server runs and that its host and port are right.",
    )


def unexpected(exc: Exception, place: StorePlace) -> DtaasError:
    """Return the error for a statement that failed for a reason we did not foresee: a bug."""
    return DtaasError(
        f"A statement on the metadata database {place} failed: {type(exc).__name__}.",
        hint="This is a mistake in DTaaS; please report it with the log.",
    )
