"""A TCP connection whose end can be a true reset, which a stream of the event loop cannot give."""

import socket
import struct
from typing import Final

import anyio
from anyio.lowlevel import checkpoint

_RECEIVE_BYTES: Final = 65_536
_LINGER_NONE: Final = struct.pack("ii", 1, 0)


class TcpSocket:
    """An accepted connection. `OSError` leaves its methods as it comes from the system."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connected

    async def receive(self) -> bytes:
        """Return the next bytes, none when the client closed its side."""
        while True:
            await checkpoint()
            try:
                return self._socket.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                await anyio.wait_readable(self._socket)

    async def send(self, data: bytes) -> None:
        """Send all of `data`, waiting while the client does not read."""
        view = memoryview(data)
        while view:
            await checkpoint()
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                await anyio.wait_writable(self._socket)

    def reset(self) -> None:
        """Close at once, so that the client sees a reset. Idempotent."""
        if self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
            self.close()

    def close(self) -> None:
        """Close; what was sent still arrives. Idempotent."""
        if self._socket.fileno() >= 0:
            anyio.notify_closing(self._socket)
            self._socket.close()
