"""Messages to packets and back (MS-TDS 2.2.3)."""

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from msgspec import Struct

from dtaas.sandbox.sqlserver.wire.protocol import (
    MAX_PACKET_BYTES,
    PacketStatus,
    PacketType,
    ProtocolError,
)

HEADER_BYTES: Final = 8
MAX_MESSAGE_BYTES: Final = 1 << 30
"""A request longer than this is refused; the longest value a parameter can hold is 2 GB."""

_HEADER: Final = struct.Struct(">BBHHBB")


class Message(Struct, frozen=True):
    """A whole message of the client.

    Attributes:
        status: of the first packet, which carries the RESETCONNECTION bits.
        ignore: the client gave the message up half way; it is to be forgotten.
    """

    type: PacketType
    status: PacketStatus
    payload: bytes
    ignore: bool = False


class PacketReader:
    """Puts packets that arrive in arbitrary pieces together to messages, each byte copied twice."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._payload = bytearray()
        self._first: tuple[PacketType, PacketStatus] | None = None

    def feed(self, data: bytes) -> None:
        """Add bytes as they came from the client."""
        self._buffer += data

    @property
    def pending(self) -> bytes:
        """Bytes fed and not part of a message yet; TLS records when the handshake ended."""
        return bytes(self._buffer)

    def take_pending(self) -> bytes:
        """Remove and return the bytes that no packet used."""
        pending = bytes(self._buffer)
        self._buffer.clear()
        return pending

    def messages(self, limit: int | None = None) -> Iterator[Message]:
        """Yield the messages that are whole, at most `limit`.

        Raises:
            ProtocolError: a header is wrong, or a message is too long.
        """
        at = 0
        found = 0
        buffer = self._buffer
        try:
            while len(buffer) - at >= HEADER_BYTES and found != limit:
                kind, status, length, _spid, _id, _window = _HEADER.unpack_from(buffer, at)
                first = self._begin(kind, status, length)
                if len(buffer) - at < length:
                    return
                self._first = first
                self._payload += memoryview(buffer)[at + HEADER_BYTES : at + length]
                at += length
                if len(self._payload) > MAX_MESSAGE_BYTES:
                    raise ProtocolError(f"a message is longer than {MAX_MESSAGE_BYTES} bytes")
                if status & PacketStatus.END_OF_MESSAGE:
                    found += 1
                    yield self._end(ignore=bool(status & PacketStatus.IGNORE))
        finally:
            del buffer[:at]

    def _begin(self, kind: int, status: int, length: int) -> tuple[PacketType, PacketStatus]:
        if not HEADER_BYTES <= length <= MAX_PACKET_BYTES:
            raise ProtocolError(f"a packet says it is {length} bytes long")
        if self._first is None:
            try:
                return PacketType(kind), PacketStatus(status)
            except ValueError as exc:
                raise ProtocolError(f"{kind:#04x} is no packet type") from exc
        if self._first[0] != kind:
            raise ProtocolError(f"a packet of type {kind:#04x} inside of a {self._first[0].name}")
        return self._first

    def _end(self, *, ignore: bool) -> Message:
        assert self._first is not None  # noqa: S101 - set by the packet just read
        kind, status = self._first
        message = Message(kind, status, bytes(self._payload), ignore)
        self._first = None
        self._payload = bytearray()
        return message


class PacketWriter:
    """Cuts a reply into packets of the negotiated size as its tokens are written."""

    def __init__(self, spid: int, packet_bytes: int, kind: PacketType = PacketType.REPLY) -> None:
        self._spid = spid
        self._kind = kind
        self._id = 1
        self._pending = bytearray()
        self.packet_bytes = packet_bytes

    def write(self, tokens: bytes) -> list[bytes]:
        """Add tokens; return the packets that are now full. A message's last one is kept back."""
        self._pending += tokens
        size = self.packet_bytes - HEADER_BYTES
        count = (len(self._pending) - 1) // size
        if count <= 0:
            return []
        whole = bytes(memoryview(self._pending)[: count * size])
        del self._pending[: count * size]
        return [
            self._packet(whole[at : at + size], PacketStatus.NORMAL)
            for at in range(0, len(whole), size)
        ]

    def ready(self, tokens: bytes) -> list[bytes]:
        """Return packets of tokens that are sent again and again, behind what was pending.

        They are cut once, so that sending them costs no more than copying them. Packets are shorter
        where two such pieces meet, which every client takes.
        """
        pending = [self._packet(bytes(self._pending), PacketStatus.NORMAL)] if self._pending else []
        self._pending.clear()
        return [*pending, _cut(tokens, self.packet_bytes, self._kind)]

    def end(self) -> bytes:
        """Return the last packet of the message; the next `write` begins another."""
        packet = self._packet(bytes(self._pending), PacketStatus.END_OF_MESSAGE)
        self._pending.clear()
        self._id = 1
        return packet

    def _packet(self, payload: bytes, status: PacketStatus) -> bytes:
        length = HEADER_BYTES + len(payload)
        header = _HEADER.pack(self._kind, status, length, self._spid, self._id, 0)
        self._id = (self._id + 1) & 0xFF
        return header + payload


@lru_cache(maxsize=256)
def _cut(tokens: bytes, packet_bytes: int, kind: PacketType) -> bytes:
    """Return tokens in packets, none of which ends the message."""
    size = packet_bytes - HEADER_BYTES
    packets = bytearray()
    for at in range(0, len(tokens), size):
        part = tokens[at : at + size]
        packets += _HEADER.pack(kind, PacketStatus.NORMAL, HEADER_BYTES + len(part), 0, 0, 0) + part
    return bytes(packets)
