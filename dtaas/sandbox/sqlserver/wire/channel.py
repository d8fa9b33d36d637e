"""Messages over one connection: packets, in TLS or in the clear."""

import ssl
from collections import deque
from collections.abc import Iterable
from typing import Final

from dtaas.sandbox.sqlserver.wire.faults import Faults
from dtaas.sandbox.sqlserver.wire.packets import Message, PacketReader
from dtaas.sandbox.sqlserver.wire.protocol import ProtocolError
from dtaas.sandbox.sqlserver.wire.sockets import TcpSocket
from dtaas.sandbox.sqlserver.wire.tls import TlsTunnel

_TLS_HANDSHAKE_RECORD: Final = b"\x16"


class InjectedResetError(Exception):
    """A test asked for the connection to break here."""


class Channel:
    """Reads whole messages and writes packets. One task may read while another writes."""

    def __init__(self, connected: TcpSocket, faults: Faults) -> None:
        self._socket = connected
        self._faults = faults
        self._packets = PacketReader()
        self._ready: deque[Message] = deque()
        self._tunnel: TlsTunnel | None = None

    async def receive(self) -> Message | None:
        """Return the next message, None when the client closed the connection between two.

        Raises:
            ProtocolError: the bytes are no TDS, or the client closed inside of a message.
            OSError: the connection broke.
        """
        while not self._ready:
            data = await self._receive_plain()
            if data is None:
                if self._packets.pending:
                    raise ProtocolError("the client closed the connection inside of a message")
                return None
            self._packets.feed(data)
            self._ready.extend(self._packets.messages())
        return self._ready.popleft()

    async def client_hello(self) -> bytes:
        """Return the first bytes when the client begins with TLS, as TDS 8.0 does, else none.

        Raises:
            ProtocolError, OSError: as `receive`.
        """
        data = await self._socket.receive()
        if data[:1] == _TLS_HANDSHAKE_RECORD:
            return data
        self._packets.feed(data)
        self._ready.extend(self._packets.messages())
        return b""

    async def receive_records(self) -> bytes:
        """Return the next bytes as they come, none at the end; for a bare TLS handshake."""
        return await self._socket.receive()

    async def send_records(self, records: bytes) -> None:
        """Send bytes as they are; for a bare TLS handshake."""
        await self._socket.send(records)

    async def send(self, packets: Iterable[bytes]) -> None:
        """Send packets.

        Raises:
            InjectedResetError: `Faults.reset_after_bytes` struck; the connection is reset.
            OSError: the connection broke.
        """
        tunnel = self._tunnel
        data = b"".join(packets if tunnel is None else map(tunnel.encrypt, packets))
        admitted = self._faults.admit(len(data))
        if admitted is not None:
            await self._socket.send(data[:admitted])
            self._socket.reset()
            raise InjectedResetError
        await self._socket.send(data)

    def start_tls(self, tunnel: TlsTunnel) -> None:
        """Encrypt from now on; bytes that came after the handshake's last packet are records."""
        self._tunnel = tunnel
        self._packets.feed(self._decrypt(tunnel, self._packets.take_pending()))
        self._ready.extend(self._packets.messages())

    def stop_tls(self) -> None:
        """Go on in the clear, after a login that alone was encrypted."""
        self._tunnel = None

    @property
    def encrypted(self) -> bool:
        """Whether packets travel in TLS now."""
        return self._tunnel is not None

    async def _receive_plain(self) -> bytes | None:
        """Return the next bytes of packets (maybe none yet), None at the end."""
        data = await self._socket.receive()
        if not data:
            return None
        return data if self._tunnel is None else self._decrypt(self._tunnel, data)

    @staticmethod
    def _decrypt(tunnel: TlsTunnel, records: bytes) -> bytes:
        try:
            return tunnel.decrypt(records)
        except ssl.SSLError as exc:
            raise ProtocolError("the client sent a broken TLS record") from exc
