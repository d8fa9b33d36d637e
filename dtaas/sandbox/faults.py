"""A TCP proxy that misbehaves on demand: for rehearsals and tests of a bad network."""

import math
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
from anyio.abc import SocketAttribute, SocketStream

CHUNK_BYTES: Final = 65_536
_BURST_S: Final = 0.1
_LINGER_NOTHING: Final = struct.pack("ii", 1, 0)  # close(2) then sends RST: socket(7), SO_LINGER
_BUSY: Final = b"<Error><Code>SlowDown</Code><Message>Busy</Message></Error>"
_SLOW_DOWN: Final = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_BUSY), _BUSY)
)
_REFUSED_LIMIT_S: Final = 1.0
_CONTINUE: Final = b"HTTP/1.1 100"  # an interim reply, not the answer to a request


class FaultProxy:
    """Passes bytes between clients and one server, with faults that may change at any time.

    Attributes:
        latency_s: delay of every piece, each way.
        bytes_per_second: of all connections together towards the server; None is no limit.
        refuse: reset every new connection.
        black_hole: swallow nothing, answer nothing: bytes wait until it is switched off.
        connections: made so far.
    """

    def __init__(self, host: str, port: int) -> None:
        self.latency_s = 0.0
        self.bytes_per_second: float | None = None
        self.refuse = False
        self.connections = 0
        self.host = "127.0.0.1"
        self.port = 0
        self._server = (host, port)
        self._passing = anyio.Event()
        self._passing.set()
        self._reset_after: int | None = None
        self._dropped_replies: list[bytes] = []
        self._refused_requests: list[bytes] = []
        self._open: set[_Connection] = set()
        self._allowance_bytes = 0.0
        self._allowance_at_s = -math.inf

    @property
    def black_hole(self) -> bool:
        """Whether bytes wait."""
        return not self._passing.is_set()

    @black_hole.setter
    def black_hole(self, wanted: bool) -> None:
        if wanted and self._passing.is_set():
            self._passing = anyio.Event()
        elif not wanted:
            self._passing.set()

    def reset_after(self, count_bytes: int) -> None:
        """Reset the connection that passes the n-th byte from now towards the server. Once."""
        self._reset_after = count_bytes

    def drop_reply(self, request_start: bytes) -> None:
        """Reset instead of passing the next reply to a request that begins so. Once.

        The server has acted by then: this is a lost reply, not a lost request.
        """
        self._dropped_replies.append(request_start)

    def refuse_request(self, request_start: bytes) -> None:
        """Answer the next request that begins so with 503 Slow Down, as a busy S3 does. Once.

        The server hears nothing of it.
        """
        self._refused_requests.append(request_start)

    @property
    def pending_faults(self) -> int:
        """Faults asked for that did not happen yet."""
        waiting = len(self._dropped_replies) + len(self._refused_requests)
        return waiting + (self._reset_after is not None)

    def calm(self) -> None:
        """Take back every fault that did not happen yet, and pass bytes as they come."""
        self._dropped_replies.clear()
        self._refused_requests.clear()
        self._reset_after = None
        self.latency_s, self.bytes_per_second = 0.0, None
        self.refuse = self.black_hole = False

    def kill_all(self) -> None:
        """Reset every connection there is."""
        for connection in self._open:
            connection.reset()

    async def serve(self, client: SocketStream) -> None:
        """Pass one client's bytes until either side ends."""
        self.connections += 1
        if self.refuse:
            await _reset(client)
            return
        async with client:
            try:
                server = await anyio.connect_tcp(*self._server)
            except OSError:
                await _reset(client)  # as the server's own host would
                return
            connection = _Connection(self, client, server)
            self._open.add(connection)
            try:
                await connection.run()
            finally:
                self._open.discard(connection)

    async def passing(self) -> None:
        """Wait as latency and black hole demand."""
        if self.latency_s:
            await anyio.sleep(self.latency_s)
        await self._passing.wait()

    async def throttle(self, count_bytes: int) -> None:
        """Wait until `count_bytes` fit the bandwidth."""
        while (rate := self.bytes_per_second) is not None:
            now_s = anyio.current_time()
            grown = self._allowance_bytes + (now_s - self._allowance_at_s) * rate
            self._allowance_bytes = min(rate * _BURST_S, grown)
            self._allowance_at_s = now_s
            if self._allowance_bytes >= 0:
                self._allowance_bytes -= count_bytes
                return
            await anyio.sleep(min(_BURST_S, -self._allowance_bytes / rate))

    def resets_at(self, count_bytes: int) -> bool:
        """Count bytes towards the server; return whether the reset is due."""
        if self._reset_after is None:
            return False
        self._reset_after -= count_bytes
        if self._reset_after > 0:
            return False
        self._reset_after = None
        return True

    def drops_reply_to(self, request: bytes) -> bool:
        """Return whether the reply to `request` shall be lost, and forget that wish."""
        return _struck(self._dropped_replies, request)

    def refuses(self, request: bytes) -> bool:
        """Return whether `request` shall be refused, and forget that wish."""
        return _struck(self._refused_requests, request)


class _Connection:
    """One client's connection and its counterpart to the server."""

    def __init__(self, proxy: FaultProxy, client: SocketStream, server: SocketStream) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._scope = anyio.CancelScope()
        self._was_reset = False
        self._request = b""

    async def run(self) -> None:
        try:
            with self._scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._requests)
                    group.start_soon(self._replies)
        finally:
            end = _reset if self._was_reset else anyio.aclose_forcefully
            with anyio.CancelScope(shield=True):
                await end(self._client)
                await end(self._server)

    def reset(self) -> None:
        self._was_reset = True
        self._scope.cancel()

    async def _refuse(self) -> None:
        """Answer for the server, and take what the client still sends: else it hears a reset."""
        if await _passed_on(_SLOW_DOWN, self._client):
            await _half_closed(self._client)
            with anyio.move_on_after(_REFUSED_LIMIT_S):
                while await _received(self._client):
                    continue
        self._scope.cancel()

    async def _requests(self) -> None:
        while data := await _received(self._client):
            await self._proxy.passing()
            await self._proxy.throttle(len(data))
            if _starts_request(data):
                self._request = data
                if self._proxy.refuses(data):
                    await self._refuse()
                    return
            if self._proxy.resets_at(len(data)):
                self.reset()
                return
            if not await _passed_on(data, self._server):
                return
        await _half_closed(self._server)

    async def _replies(self) -> None:
        while data := await _received(self._server):
            await self._proxy.passing()
            if not data.startswith(_CONTINUE) and self._proxy.drops_reply_to(self._request):
                self.reset()
                return
            if not await _passed_on(data, self._client):
                return
        self._scope.cancel()


@asynccontextmanager
async def fault_proxy(host: str, port: int, *, listen_port: int = 0) -> AsyncIterator[FaultProxy]:
    """Run a proxy in front of `host:port` for the life of the context, on loopback.

    Args:
        listen_port: 0 takes a free one; see `FaultProxy.port`.
    """
    proxy = FaultProxy(host, port)
    async with (
        await anyio.create_tcp_listener(local_host=proxy.host, local_port=listen_port) as listener,
        anyio.create_task_group() as group,
    ):
        proxy.port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - not Django
        group.start_soon(listener.serve, proxy.serve)
        try:
            yield proxy
        finally:
            group.cancel_scope.cancel()


def _struck(starts: list[bytes], request: bytes) -> bool:
    """Return whether `request` begins with one of `starts`, and take that one away."""
    for start in starts:
        if request.startswith(start):
            starts.remove(start)
            return True
    return False


def _starts_request(data: bytes) -> bool:
    method, _, rest = data[:8].partition(b" ")
    return bool(rest) and method in (b"GET", b"PUT", b"POST", b"HEAD", b"DELETE")


async def _received(stream: SocketStream) -> bytes:
    """Return the next bytes, none when the other side ended or broke."""
    try:
        return await stream.receive(CHUNK_BYTES)
    except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        return b""


async def _passed_on(data: bytes, stream: SocketStream) -> bool:
    try:
        await stream.send(data)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return False
    return True


async def _half_closed(stream: SocketStream) -> None:
    try:
        await stream.send_eof()
    except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        await stream.aclose()  # the other side is gone already


async def _reset(stream: SocketStream) -> None:
    raw = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - not Django
    if raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOTHING)
    await anyio.aclose_forcefully(stream)
