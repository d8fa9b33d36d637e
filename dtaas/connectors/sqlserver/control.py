"""Catalog and control queries: a few sessions through aioodbc, each with a thread of its own."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar, cast

import anyio
import structlog
from anyio import CancelScope, CapacityLimiter

from dtaas.connectors.sqlserver.connection import SESSION_SETTINGS
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.errors import to_dtaas_error
from dtaas.connectors.sqlserver.odbc import aioodbc, pyodbc
from dtaas.connectors.sqlserver.sockets import Link
from dtaas.model.errors import ConnectionLostError, TimedOutError

_SESSIONS = 4
_CLOSE_LIMIT_S = 5.0
_GRACE_S = 5.0
"""How much longer than the driver's own time-out we wait for it to say so."""

Row = Sequence[Any]
T = TypeVar("T")
log = structlog.get_logger()


class SessionThread(ThreadPoolExecutor):
    """The one thread of a session, in which its connection is made, used and given up.

    Whoever lets go of an open connection or result waits for the network. A login or a statement
    that was cancelled ends with one that nobody has: on the event loop its end would stop
    everything, so the thread holds on to what it made last.
    """

    def __init__(self) -> None:
        super().__init__(1, thread_name_prefix="sqlserver-control")
        self._connection: pyodbc.Connection | None = None
        self._cursor: pyodbc.Cursor | None = None
        self._ended = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run `fn` in the thread."""
        return super().submit(self._keeping, fn, *args, **kwargs)

    def end(self) -> None:
        """Close what is open when the thread gets to it, and end it. Idempotent; does not wait."""
        if not self._ended:
            self._ended = True
            super().submit(self._close)
            self.shutdown(wait=False)

    def _keeping(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        result = fn(*args, **kwargs)
        if getattr(fn, "func", fn) is pyodbc.connect:
            self._connection = cast("pyodbc.Connection", result)
        elif isinstance(result, pyodbc.Cursor):
            self._cursor = result
        return result

    def _close(self) -> None:
        self._cursor = None
        connection, self._connection = self._connection, None
        if connection is not None and not connection.closed:
            try:
                connection.close()
            except pyodbc.Error as exc:  # the link is gone, and the session with it
                log.debug("session_close_failed", error=str(exc))


class ControlSession:
    """One connection. Any trouble ends it: a session is never used after an error."""

    def __init__(
        self,
        connection: aioodbc.Connection,
        link: Link,
        executor: SessionThread,
        *,
        limit_s: float,
    ) -> None:
        """Own an open connection; `open_session` makes one."""
        self._connection = connection
        self._link = link
        self._executor = executor
        self._limit_s = limit_s

    async def fetch(self, sql: str, *parameters: object) -> list[Row]:
        """Run a batch and return the rows of its first result, none when it has no result."""
        with anyio.fail_after(self._limit_s):
            cursor = await self._connection.execute(sql, *parameters)
            while cursor.description is None:
                if not await cursor.nextset():
                    return []
            rows: list[Row] = await cursor.fetchall()
            await cursor.close()
            return rows

    async def aclose(self) -> None:
        """Break off whatever runs, and close. Takes at most a few seconds; idempotent."""
        self._link.abort()
        with CancelScope(shield=True), anyio.move_on_after(_CLOSE_LIMIT_S):
            try:
                await self._connection.close()
            except pyodbc.Error as exc:  # the link is gone, and the session with it
                log.debug("session_close_failed", error=str(exc))
        self._executor.end()


async def open_session(endpoint: Endpoint) -> ControlSession:
    """Connect, log in and set up a session.

    Raises:
        pyodbc.Error: the server or the driver refused.
        TimeoutError: neither said anything in time.
    """
    config = endpoint.config
    executor = SessionThread()

    async def limit_statements(connection: pyodbc.Connection) -> None:
        connection.timeout = config.query_timeout_s

    async with endpoint.opening() as watch:
        try:
            with anyio.fail_after(config.login_timeout_s + _GRACE_S):
                connection = await aioodbc.connect(
                    dsn=endpoint.string,
                    autocommit=True,
                    timeout=config.login_timeout_s,
                    attrs_before=endpoint.attributes,
                    executor=executor,
                    after_created=limit_statements,
                )
        except BaseException:
            watch.link().abort()  # a login still under way in the thread ends now
            executor.end()
            raise
        link = watch.link()
    limit_s = config.query_timeout_s + _GRACE_S
    session = ControlSession(connection, link, executor, limit_s=limit_s)
    try:
        await session.fetch(SESSION_SETTINGS)
    except BaseException:
        await session.aclose()
        raise
    return session


class ControlPool:
    """Runs queries on at most four sessions, opened when needed and kept while they work."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._idle: list[ControlSession] = []
        self._turns = CapacityLimiter(_SESSIONS)

    async def fetch(self, what: str, sql: str, *parameters: object) -> list[Row]:
        """Run a batch that only reads, and return the rows of its first result.

        A kept session may have died while it was idle, so a lost one is replaced once.

        Args:
            what: start of the error's sentence, such as `Describing dbo.orders`.

        Raises:
            DtaasError: by the server's or driver's error number.
        """
        async with self._turns:
            if self._idle:
                try:
                    return await self._run(self._idle.pop(), what, sql, parameters)
                except ConnectionLostError:
                    await self._discard_idle()
            return await self._run(None, what, sql, parameters)

    async def aclose(self) -> None:
        """Close every session. Idempotent."""
        await self._discard_idle()

    async def _run(
        self, session: ControlSession | None, what: str, sql: str, parameters: Sequence[object]
    ) -> list[Row]:
        try:
            session = session or await open_session(self._endpoint)
            rows = await _fetch_or_close(session, sql, parameters)
        except pyodbc.Error as exc:
            raise to_dtaas_error(exc, where=what) from exc
        except TimeoutError as exc:
            raise TimedOutError(
                f"{what} failed: the server did not answer in time.",
                hint="Raise query_timeout_s of the connector, or look for blocking sessions.",
            ) from exc
        self._idle.append(session)
        return rows

    async def _discard_idle(self) -> None:
        while self._idle:
            await self._idle.pop().aclose()


async def _fetch_or_close(
    session: ControlSession, sql: str, parameters: Sequence[object]
) -> list[Row]:
    try:
        return await session.fetch(sql, *parameters)
    except BaseException:
        await session.aclose()
        raise
