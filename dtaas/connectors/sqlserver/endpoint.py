"""One server as both libraries connect to it."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import anyio

from dtaas.connectors.sqlserver.connection import connection_attributes, connection_string
from dtaas.connectors.sqlserver.sockets import SocketWatch
from dtaas.model.connectors import SqlServerConfig
from dtaas.model.errors import ConnectionLostError, HostNotFoundError


class Endpoint:
    """Where to connect and how, and whose turn it is.

    Connections to one server are made one after another in this process, so that the socket a
    driver opened can be told from the others.
    """

    def __init__(self, config: SqlServerConfig, *, driver: str, application: str) -> None:
        self.config = config
        self.application = application
        self.string = connection_string(config, driver=driver, application=application)
        self.attributes = connection_attributes(config)

    @asynccontextmanager
    async def opening(self) -> AsyncIterator[SocketWatch]:
        """Hold the turn to connect; the watch then knows the sockets opened in the body."""
        await self.reach()
        async with _turn(self.config.host.lower(), self.config.port):
            yield SocketWatch(
                self.config.port, may_be_routed=self.config.application_intent_read_only
            )

    async def resolve(self) -> list[str]:
        """Return the host's addresses.

        Raises:
            HostNotFoundError: there is no such name.
            ConnectionLostError: the name servers do not answer.
        """
        config = self.config
        try:
            with anyio.fail_after(config.login_timeout_s):
                found = await anyio.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError) as exc:
            detail = f"The host name {config.host} does not resolve: {str(exc) or 'timed out'}."
            hint = "Check the host name and this machine's name servers."
            field = "$.connection_config.host"
            if _may_resolve_later(exc):
                raise ConnectionLostError(detail, hint=hint, field=field) from exc
            raise HostNotFoundError(detail, hint=hint, field=field) from exc
        return sorted({str(address[4][0]) for address in found})

    async def reach(self) -> None:
        """Open and close a TCP connection: says at once, and cancellably, what a login would not.

        Raises:
            HostNotFoundError: the name does not resolve.
            ConnectionLostError: nothing answers there within the login time-out.
        """
        await self.resolve()
        config = self.config
        try:
            with anyio.fail_after(config.login_timeout_s):
                stream = await anyio.connect_tcp(config.host, config.port)
                await stream.aclose()
        except (OSError, TimeoutError) as exc:
            raise ConnectionLostError(
                f"No server answers at {config.host}:{config.port}: {str(exc) or 'timed out'}.",
                hint="Check host, port and firewall, and that TCP is enabled on the server.",
                field="$.connection_config.host",
            ) from exc


def _may_resolve_later(exc: Exception) -> bool:
    """Return whether the name servers failed, rather than said that there is no such name."""
    if isinstance(exc, socket.gaierror):
        return exc.errno == socket.EAI_AGAIN
    return isinstance(exc, TimeoutError)


@cache
def _turn(host: str, port: int) -> anyio.Lock:
    """Return the lock of a server; as many live as there are servers in connectors."""
    del host, port
    return anyio.Lock()
