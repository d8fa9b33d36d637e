"""The simulated SQL Server's listener on loopback."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from itertools import count
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from dtaas.sandbox.sqlserver.results import Engine
from dtaas.sandbox.sqlserver.wire.certificate import Certificate, self_signed
from dtaas.sandbox.sqlserver.wire.channel import Channel, InjectedResetError
from dtaas.sandbox.sqlserver.wire.connection import Connection, Shared
from dtaas.sandbox.sqlserver.wire.directory import TokenDirectory
from dtaas.sandbox.sqlserver.wire.faults import Faults
from dtaas.sandbox.sqlserver.wire.protocol import ProtocolError
from dtaas.sandbox.sqlserver.wire.routing import Routes
from dtaas.sandbox.sqlserver.wire.sockets import TcpSocket
from dtaas.sandbox.sqlserver.wire.tls import server_context, strict_context

_BACKLOG: Final = 128
_FIRST_SPID: Final = 51
_ACCEPT_PAUSE_S: Final = 0.2

_log = structlog.get_logger()


class TdsServer:
    """Listens for TDS clients and gives each a session of an engine.

    Attributes:
        port: where it listens.
        certificate_pem: what clients must trust to verify it; also in `SSL_CERT_FILE` for ODBC.
        faults: what shall go wrong, settable at any time.
        routes: where clients are sent instead, settable at any time.
        directory: issues access tokens, which open a login without its password.
    """

    def __init__(
        self, listener: socket.socket, shared: Shared, certificate: Certificate, group: TaskGroup
    ) -> None:
        self.port: int = listener.getsockname()[1]
        self.certificate_pem = certificate.certificate_pem
        self.faults = shared.faults
        self.routes = shared.routes
        self.directory = shared.directory
        self._listener = listener
        self._shared = shared
        self._group = group
        self._open: set[TcpSocket] = set()
        self._left = anyio.Event()
        self._spids = count(_FIRST_SPID)

    @classmethod
    @asynccontextmanager
    async def listen(
        cls,
        engine: Engine,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        faults: Faults | None = None,
        certificate: Certificate | None = None,
        require_encryption: bool = False,
    ) -> AsyncIterator["TdsServer"]:
        """Listen on a loopback address until the block ends; then every connection is closed.

        Raises:
            ValueError: `host` is no loopback address: the simulated server is not to be reached
                from elsewhere.
            OSError: the port is taken.
        """
        if not ip_address(host).is_loopback:
            raise ValueError(f"{host} is no loopback address")
        certificate = certificate or self_signed()
        shared = Shared(
            engine,
            server_context(certificate),
            strict_context(certificate),
            faults or Faults(),
            require_encryption,
            Routes(),
            TokenDirectory(),
        )
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family, backlog=_BACKLOG) as listener:
            listener.setblocking(False)
            failure: Exception | None = None
            async with anyio.create_task_group() as group:
                server = cls(listener, shared, certificate, group)
                group.start_soon(server._accept, name="tds-accept")
                try:
                    yield server
                except Exception as exc:  # noqa: BLE001 - the block's own, raised again below
                    failure = exc
                group.cancel_scope.cancel()
        if failure is not None:
            # From inside of the task group it would leave wrapped in a group.
            raise failure

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._open)

    async def wait_idle(self) -> None:
        """Wait until no client is connected."""
        while self._open:
            self._left = anyio.Event()
            await self._left.wait()

    def drop_connections(self) -> None:
        """Reset every live connection, as a crash of the server would."""
        for connected in self._open:
            connected.reset()

    async def _accept(self) -> None:
        while True:
            await anyio.wait_readable(self._listener)
            try:
                accepted, _address = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                continue
            except OSError as full:
                # Too many open files: the client waits in the backlog until one is closed.
                _log.warning("tds_accept_failed", error=str(full))
                await anyio.sleep(_ACCEPT_PAUSE_S)
                continue
            self._group.start_soon(self._serve, TcpSocket(accepted), next(self._spids), name="tds")

    async def _serve(self, connected: TcpSocket, spid: int) -> None:
        """Serve one client; whatever goes wrong ends this connection only."""
        self._open.add(connected)
        try:
            if self.faults.refuse_connections:
                connected.reset()
                return
            await Connection(Channel(connected, self.faults), self._shared, spid).serve()
        except* InjectedResetError:
            _log.debug("tds_reset_injected", spid=spid)
        except* (OSError, anyio.ClosedResourceError) as lost:
            _log.debug("tds_connection_lost", spid=spid, causes=_texts(lost))
        except* ProtocolError as broken:
            _log.warning("tds_protocol_error", spid=spid, causes=_texts(broken))
        except* Exception as bug:  # noqa: BLE001 - the one place: a bug ends one connection
            _log.exception("tds_connection_failed", spid=spid, exc_info=bug)
        finally:
            self._open.discard(connected)
            self._left.set()
            connected.close()


def _texts(group: BaseExceptionGroup[BaseException]) -> list[str]:
    """Return the texts of the exceptions a group holds, at any depth."""
    return [
        text
        for cause in group.exceptions
        for text in (_texts(cause) if isinstance(cause, BaseExceptionGroup) else [repr(cause)])
    ]
