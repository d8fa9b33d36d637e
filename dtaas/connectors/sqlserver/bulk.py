"""A bulk session: arrow-odbc in a thread of its own, every call of which can be broken off."""

from collections.abc import Callable
from traceback import clear_frames
from typing import TypeVar

import anyio
from anyio import CancelScope, create_task_group
from anyio.lowlevel import checkpoint

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.sqlserver.connection import SESSION_SETTINGS
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.errors import to_dtaas_error
from dtaas.connectors.sqlserver.odbc import arrow_odbc
from dtaas.connectors.sqlserver.sockets import Link
from dtaas.model.errors import TimedOutError

T = TypeVar("T")
_CLOSE_LIMIT_S = 10.0
_GRACE_S = 5.0


class BulkSession:
    """One connection that reads one result at a time.

    A call that is cancelled, or takes longer than its limit, loses the connection: the socket is
    shut down, the driver's call fails at once and the thread is free again.
    """

    def __init__(self, endpoint: Endpoint, *, what: str) -> None:
        """Prepare a session; `what` begins its errors, such as `Reading dbo.orders`."""
        self._endpoint = endpoint
        self._what = what
        self._thread = Blocking(1)
        self._link = Link([])
        self._connection: arrow_odbc.Connection | None = None

    async def open(self, settings: str) -> None:
        """Connect, log in and run `settings` besides those of every session.

        Raises:
            DtaasError: by the server's or driver's error number.
        """
        config = self._endpoint.config
        limit_s = config.login_timeout_s + _GRACE_S
        async with self._endpoint.opening() as watch:
            try:
                await self._call(self._connect, watch.link, limit_s=limit_s)
            finally:
                self._link = watch.link()
        await self.run(self._configure, SESSION_SETTINGS + settings)

    async def run(self, fn: Callable[..., T], *args: object) -> T:
        """Run a driver call in the session's thread.

        Raises:
            TimedOutError: it took longer than `query_timeout_s`.
            DtaasError: by the server's or driver's error number.
        """
        limit_s = self.query_timeout_s + _GRACE_S
        return await self._call(fn, lambda: self._link, *args, limit_s=limit_s)

    @property
    def query_timeout_s(self) -> int:
        """Limit the driver puts on the start of a result."""
        return self._endpoint.config.query_timeout_s

    @property
    def connection(self) -> arrow_odbc.Connection:
        """The open connection, to be used inside `run` only."""
        if self._connection is None:
            raise RuntimeError("The bulk session is not open.")
        return self._connection

    async def aclose(self, *, free: Callable[[], None] | None = None) -> None:
        """Break off the result, free what `free` holds, and close. Idempotent.

        Args:
            free: drops readers of this connection; driver handles are freed in the thread,
                because freeing may wait for the network.
        """
        self._link.abort()
        with CancelScope(shield=True), anyio.move_on_after(_CLOSE_LIMIT_S):
            await self._thread(self._free, free)

    async def _call(
        self, fn: Callable[..., T], link: Callable[[], Link], *args: object, limit_s: float
    ) -> T:
        results: list[T] = []
        failure: Exception | None = None
        done = anyio.Event()
        with anyio.move_on_after(limit_s) as limit:
            async with create_task_group() as group:
                group.start_soon(_abort_unless, done, link)
                try:
                    results.append(await self._thread(fn, *args))
                except Exception as exc:  # noqa: BLE001 - raised below, after a cancellation
                    failure = exc
                done.set()
        try:
            for result in results:
                return result
            await checkpoint()  # cancelled: the failure is only the echo of our own abort
            if limit.cancel_called or failure is None:
                raise TimedOutError(
                    f"{self._what} failed: nothing came from the server for {limit_s:.0f} s.",
                    hint="Look for blocking sessions and the network; query_timeout_s limits it.",
                ) from failure
            if isinstance(failure, arrow_odbc.Error):
                raise to_dtaas_error(failure, where=self._what) from failure
            raise failure
        finally:
            if failure is not None:
                # Its frames hold the driver's handles, in a cycle that would keep the connection
                # until garbage is next collected.
                clear_frames(failure.__traceback__)

    def _connect(self) -> None:
        self._connection = arrow_odbc.connect(
            self._endpoint.string, login_timeout_sec=self._endpoint.config.login_timeout_s
        )

    def _configure(self, settings: str) -> None:
        self.connection.execute(settings)

    def _free(self, free: Callable[[], None] | None) -> None:
        if free is not None:
            free()
        self._connection = None


async def _abort_unless(done: anyio.Event, link: Callable[[], Link]) -> None:
    """Wait for `done`; when cancelled first, break the connection."""
    try:
        await done.wait()
    finally:
        if not done.is_set():
            link().abort()
