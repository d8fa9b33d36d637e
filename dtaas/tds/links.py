"""Bytes over a socket, in the clear or through TLS. Blocking: used in a worker thread."""

import socket
import ssl
from collections.abc import Collection
from typing import Final, Protocol

from dtaas.tds.errors import EncryptionError, LinkError
from dtaas.tds.host_names import is_for
from dtaas.tds.packets import HEADER_BYTES, PacketType, parse_header, split

_RECEIVE_BYTES: Final = 256 * 1024
_HANDSHAKE_PACKET: Final = 4096


class Stream(Protocol):
    """A connection as the protocol uses it."""

    @property
    def direct(self) -> socket.socket | None:
        """The socket from which the bytes can be taken as they are, None when there is none."""
        ...

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        ...

    def receive_into(self, room: memoryview) -> int:
        """Receive some bytes, at least one.

        Raises:
            LinkError: the connection is closed or broken.
        """
        ...


class ClearStream:
    """The socket itself."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    @property
    def direct(self) -> socket.socket | None:
        """The socket."""
        return self._socket

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        try:
            self._socket.sendall(data)
        except OSError as exc:
            raise LinkError(str(exc) or "timed out") from exc

    def receive_into(self, room: memoryview) -> int:
        """Receive some bytes, at least one."""
        try:
            received = self._socket.recv_into(room)
        except OSError as exc:
            raise LinkError(str(exc) or "timed out") from exc
        if not received:
            raise LinkError("the server closed the connection")
        return received


class TlsStream:
    """TLS over a socket. With `within_packets` the handshake travels inside PRELOGIN packets."""

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        host: str,
        *,
        names: Collection[str],
        within_packets: bool,
    ) -> None:
        """Shake hands.

        Args:
            host: the server that is wanted, of those that share an address.
            names: what the certificate may be for; empty when it is not looked at.

        Raises:
            EncryptionError: the certificate is not trusted or names another host.
            LinkError: the connection is closed or broken.
        """
        self._clear = ClearStream(sock)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._scratch = memoryview(bytearray(_RECEIVE_BYTES))
        self._shake_hands(within_packets=within_packets)
        if names and not is_for(self._tls.getpeercert() or {}, names):
            raise EncryptionError(
                "certificate verify failed: it is not for " + " or ".join(sorted(set(names)))
            )

    @property
    def direct(self) -> socket.socket | None:
        """None: what the socket gives is encrypted."""
        return None

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self._tls.write(data)
        self._clear.send(self._outgoing.read())

    def receive_into(self, room: memoryview) -> int:
        """Receive some bytes, at least one."""
        while True:
            taken = self._take(room)
            if taken:
                return taken
            received = self._clear.receive_into(self._scratch)
            self._incoming.write(self._scratch[:received])

    def _take(self, room: memoryview) -> int:
        """Decrypt what is there, as far as it fits: a record holds 16 KiB at most."""
        taken = 0
        try:
            while taken < len(room):
                part = self._tls.read(len(room) - taken, room[taken:])
                if not part:
                    break
                taken += int(part)
        except ssl.SSLWantReadError:
            return taken
        except ssl.SSLError as exc:
            raise LinkError(f"TLS failed: {exc}") from exc
        return taken

    def _shake_hands(self, *, within_packets: bool) -> None:
        while True:
            try:
                self._tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            except ssl.SSLError as exc:
                raise EncryptionError(str(exc)) from exc
            if data := self._outgoing.read():
                if within_packets:
                    data = b"".join(split(PacketType.PRELOGIN, data, _HANDSHAKE_PACKET))
                self._clear.send(data)
            if done:
                return
            if within_packets:
                header = read_exactly(self._clear, HEADER_BYTES)
                self._incoming.write(read_exactly(self._clear, parse_header(header)[2]))
            else:
                received = self._clear.receive_into(self._scratch)
                self._incoming.write(self._scratch[:received])


def read_exactly(stream: Stream, size: int) -> bytes:
    """Return exactly `size` bytes.

    Raises:
        LinkError: the connection ended before.
    """
    data = bytearray(size)
    room = memoryview(data)
    taken = 0
    while taken < size:
        taken += stream.receive_into(room[taken:])
    return bytes(data)


def read_message(stream: Stream) -> bytes:
    """Return the payload of a whole message."""
    payload = b""
    while True:
        _, ends, size = parse_header(read_exactly(stream, HEADER_BYTES))
        payload += read_exactly(stream, size)
        if ends:
            return payload
