"""A session for catalog and control queries, through aioodbc, with a thread of its own."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar, cast

import anyio
import structlog
from anyio import CancelScope

from dtaas.connectors.sqlserver.connection import SESSION_SETTINGS
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.odbc import aioodbc, pyodbc
from dtaas.connectors.sqlserver.sockets import Link

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

    async def fetch(self, sql: str, parameters: Sequence[object], *, most: int) -> list[list[Row]]:
        """Run a batch and return the rows of its first `most` results, in their order."""
        with anyio.fail_after(self._limit_s):
            cursor = await self._connection.execute(sql, *parameters)
            results: list[list[Row]] = []
            while True:
                if cursor.description is not None:
                    results.append(await cursor.fetchall())
                if len(results) == most or not await cursor.nextset():
                    break
            await cursor.close()
            return results

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
        await session.fetch(SESSION_SETTINGS, (), most=1)
    except BaseException:
        await session.aclose()
        raise
    return session
