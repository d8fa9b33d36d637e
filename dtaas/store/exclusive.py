"""One daemon at a time works on a metadata database."""

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol

import anyio
import asyncpg
from sqlalchemy import Connection, text

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import PermissionDeniedError, StoreInUseError
from dtaas.store.address import StoreAddress
from dtaas.store.errors import StoreBusyError, StorePlace, translated

_ADVISORY_LOCK: Final = 0x4454_6161_5302
_HELD: Final = text(
    # A lock number of 64 bits is shown in two halves: PostgreSQL documentation, pg_locks.
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = :pid"
    " AND classid = :high AND objid = :low"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
).bindparams(high=_ADVISORY_LOCK >> 32, low=_ADVISORY_LOCK & 0xFFFF_FFFF)
_CONNECT_LIMIT_S: Final = 10
_HOLDER_ENDS_S: Final = 3
_HINT: Final = "Stop the other daemon, or give this one a data folder or database of its own."


class Exclusive(Protocol):
    """The right to write, held as long as the store is open."""

    async def ensure(self) -> None:
        """Return when the right is ours, taken anew where the server lost it.

        Raises:
            StoreInUseError: another daemon has it.
            StoreUnavailableError: the server cannot be reached.
        """
        ...

    def prove(self, connection: Connection) -> None:
        """Return when the server that this transaction runs on says that the right is ours.

        Raises:
            StoreBusyError: it does not any more; `ensure` will take it anew.
        """
        ...


def exclusive(address: StoreAddress) -> AbstractAsyncContextManager[Exclusive]:
    """Hold the right to write the database; the death of the process gives it free.

    Raises:
        StoreInUseError: another daemon has it.
    """
    if address.place.file is None:
        return _session_lock(address)
    return _file_lock(address.place.file)


class _FileLock:
    """The kernel never takes a file lock away, so there is nothing to do."""

    async def ensure(self) -> None:
        """Do nothing."""

    def prove(self, connection: Connection) -> None:
        """Do nothing."""


@asynccontextmanager
async def _file_lock(file: Path) -> AsyncIterator[Exclusive]:
    descriptor = await Blocking(1)(_lock, file.with_name(file.name + ".lock"), file)
    try:
        yield _FileLock()
    finally:
        os.close(descriptor)


def _lock(path: Path, file: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise PermissionDeniedError(
            f"The metadata database {file} cannot be locked: {exc.strerror}.",
            hint="Let the user of the daemon own the data folder and the files in it.",
        ) from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
        os.close(descriptor)
        process = f"process {holder}" if holder else "another process"
        raise StoreInUseError(
            f"The metadata database {file} is in use by {process}.", hint=_HINT
        ) from exc
    with suppress(OSError):  # a note for people; on a full disk the lock holds without it
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


class _SessionLock:
    """An advisory lock of a PostgreSQL session of its own, which a restart of the server ends."""

    def __init__(self, address: StoreAddress) -> None:
        self._place: Final[StorePlace] = address.place
        self._dsn: Final[str] = address.url.set(drivername="postgresql", query={}).render_as_string(
            hide_password=False
        )
        self._options: Final[dict[str, Any]] = dict(address.url.query)
        self._session: asyncpg.Connection | None = None
        self._lost = False

    async def ensure(self) -> None:
        """Take the lock, unless the session that holds it is alive."""
        if self._session is not None and not self._session.is_closed() and not self._lost:
            return
        await self.aclose()
        self._lost = False
        try:
            self._session = session = await asyncpg.connect(
                self._dsn, timeout=_CONNECT_LIMIT_S, **self._options
            )
            # The server may need a moment to notice that the holder was killed.
            await session.execute(f"SET lock_timeout = '{_HOLDER_ENDS_S}s'")
            await session.execute("SELECT pg_advisory_lock($1)", _ADVISORY_LOCK)
        except asyncpg.LockNotAvailableError as exc:
            await self.aclose()
            raise StoreInUseError(
                f"The metadata database {self._place} is in use by another daemon.", hint=_HINT
            ) from exc
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
            await self.aclose()
            raise translated(exc, self._place) or exc from exc

    def prove(self, connection: Connection) -> None:
        """Look for the lock on the server itself.

        Our end of the session may look alive for minutes after a fail-over or a cut cable.
        """
        session = self._session
        if session is not None and connection.scalar(_HELD, {"pid": session.get_server_pid()}):
            return
        self._lost = True
        raise StoreBusyError(
            f"{self._place} does not hold our lock any more.",
            hint="Its server was restarted, or ended the session.",
        )

    async def aclose(self) -> None:
        """End the session, and with it the lock."""
        session, self._session = self._session, None
        if session is not None:
            # A limit of its own, and the socket is closed whatever happens.
            with anyio.CancelScope(shield=True), anyio.move_on_after(_CONNECT_LIMIT_S):
                await session.close()
            session.terminate()


@asynccontextmanager
async def _session_lock(address: StoreAddress) -> AsyncIterator[Exclusive]:
    lock = _SessionLock(address)
    try:
        await lock.ensure()
        yield lock
    finally:
        await lock.aclose()
