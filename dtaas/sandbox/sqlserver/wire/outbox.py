"""Packets on their way to the client, bounded in bytes."""

from collections.abc import Iterable
from typing import Final

from anyio import Event

from dtaas.sandbox.sqlserver.wire.channel import Channel

_HIGH_WATER_BYTES: Final = 262_144


class Outbox:
    """Decouples who makes packets from who sends them.

    Packets are taken at once and never lost, so a request may be cancelled at any wait without
    leaving a torn packet behind; then the producer waits for room.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._packets: list[bytes] = []
        self._waiting_bytes = 0
        self._closed = False
        self._filled = Event()
        self._drained = Event()

    def put(self, packets: Iterable[bytes]) -> None:
        """Take packets to send."""
        for packet in packets:
            self._packets.append(packet)
            self._waiting_bytes += len(packet)
        self._filled.set()

    async def room(self) -> None:
        """Wait until the client has read enough of what was put."""
        while self._waiting_bytes > _HIGH_WATER_BYTES:
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
        while True:
            if self._packets:
                packets, self._packets = self._packets, []
                await self._channel.send(packets)
                self._waiting_bytes -= sum(map(len, packets))
                self._drained.set()
            elif self._closed:
                return
            else:
                self._filled = Event()
                await self._filled.wait()
