"""A bulk session on ODBC: arrow-odbc in a thread of its own, every call of which can be broken."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from dtaas.connectors.sqlserver.breakable import BreakableCalls
from dtaas.connectors.sqlserver.connection import SESSION_SETTINGS
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.errors import to_dtaas_error
from dtaas.connectors.sqlserver.sockets import Link, SocketWatch
from dtaas.model.errors import DriverMissingError, DtaasError

if TYPE_CHECKING:
    import arrow_odbc

T = TypeVar("T")
GRACE_S = 5.0
"""Over the limits the driver and the server keep themselves."""


class BulkSession:
    """One connection that reads one result at a time. To abort it, its socket is shut down."""

    def __init__(self, endpoint: Endpoint, *, what: str) -> None:
        """Prepare a session; `what` begins its errors, such as `Reading dbo.orders`."""
        self._endpoint = endpoint
        self._what = what
        self._calls = BreakableCalls(what, abort=self._abort, to_error=self._to_error)
        self._watch: SocketWatch | None = None
        self._link = Link([])
        self._connection: arrow_odbc.Connection | None = None

    async def open(self, settings: str) -> None:
        """Connect, log in and run `settings` besides those of every session.

        Raises:
            DriverMissingError: the login is by access token, which arrow-odbc cannot hand on.
            DtaasError: by the server's or driver's error number.
        """
        if self._endpoint.config.access_token:
            raise DriverMissingError(
                f"{self._what} failed: only the native reader can log in by access token, and it "
                "cannot read this here.",
                hint="Use a login with username and password for such tables.",
                field="$.connection_config.access_token",
            )
        limit_s = self._endpoint.config.login_timeout_s + GRACE_S
        async with self._endpoint.opening() as watch:
            self._watch = watch
            try:
                await self._calls.call(self._connect, limit_s=limit_s)
            finally:
                self._link, self._watch = watch.link(), None
        await self.run(self._configure, SESSION_SETTINGS + settings)

    async def run(self, fn: Callable[..., T], *args: object) -> T:
        """Run a driver call in the session's thread.

        Raises:
            TimedOutError: it took longer than `query_timeout_s`.
            DtaasError: by the server's or driver's error number.
        """
        return await self._calls.call(fn, *args, limit_s=self.query_timeout_s + GRACE_S)

    @property
    def query_timeout_s(self) -> int:
        """Limit the driver puts on the start of a result."""
        return self._endpoint.config.query_timeout_s

    @property
    def connection(self) -> "arrow_odbc.Connection":
        """The open connection, to be used inside `run` only."""
        if self._connection is None:
            raise RuntimeError("The bulk session is not open.")
        return self._connection

    async def aclose(self, *, free: Callable[[], None] | None = None) -> None:
        """Break off the result, free what `free` holds, and close. Idempotent.

        Args:
            free: drops readers of this connection, in the thread.
        """
        await self._calls.end(lambda: self._free(free))

    def _abort(self) -> None:
        link = self._link if self._watch is None else self._watch.link()
        link.abort()

    def _to_error(self, failure: Exception) -> DtaasError:
        from dtaas.connectors.sqlserver.odbc_bulk import arrow_odbc  # noqa: PLC0415 - is here now

        if isinstance(failure, arrow_odbc.Error):
            return to_dtaas_error(failure, where=self._what)
        raise failure

    def _connect(self) -> None:
        from dtaas.connectors.sqlserver.odbc_bulk import arrow_odbc  # noqa: PLC0415 - see there

        self._connection = arrow_odbc.connect(
            self._endpoint.string, login_timeout_sec=self._endpoint.config.login_timeout_s
        )

    def _configure(self, settings: str) -> None:
        self.connection.execute(settings)

    def _free(self, free: Callable[[], None] | None) -> None:
        if free is not None:
            free()
        self._connection = None
