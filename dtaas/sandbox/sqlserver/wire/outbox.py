"""Packets on their way to the client, bounded in bytes."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from anyio import Event

from dtaas.sandbox.sqlserver.wire.channel import Channel

_HIGH_WATER_BYTES: Final = 262_144
_SEND_BYTES: Final = 131_072
"""Encrypting this much takes well under a millisecond, so that other tasks get their turn."""


class Outbox:
    """Decouples who makes packets from who sends them.

    Packets are taken at once and never lost, so a request may be cancelled at any wait without
    leaving a torn packet behind; then the producer waits for room.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._packets: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._closed = False
        self._ended = False
        self._filled = Event()
        self._drained = Event()

    def put(self, packets: Iterable[bytes]) -> None:
        """Take packets to send; once `pump` has ended they go nowhere."""
        if self._ended:
            return
        for packet in packets:
            self._packets.append(packet)
            self._waiting_bytes += len(packet)
        self._filled.set()

    async def room(self) -> None:
        """Wait until the client has read enough of what was put, or will never read again."""
        while self._waiting_bytes > _HIGH_WATER_BYTES and not self._ended:
            self._drained = Event()
            await self._drained.wait()

    def close(self) -> None:
        """Let `pump` return once all is sent."""
        self._closed = True
        self._filled.set()

    async def pump(self) -> None:
        """Send what is put until closed.

        Raises:
            InjectedResetError, OSError: as `Channel.send`.
        """
        try:
            while self._packets or not self._closed:
                if self._packets:
                    await self._send_some()
                else:
                    self._filled = Event()
                    await self._filled.wait()
        finally:
            self._ended = True
            self._drained.set()

    async def _send_some(self) -> None:
        some = [self._packets.popleft()]
        size = len(some[0])
        while self._packets and size < _SEND_BYTES:
            packet = self._packets.popleft()
            some.append(packet)
            size += len(packet)
        await self._channel.send(some)
        self._waiting_bytes -= size
        self._drained.set()
