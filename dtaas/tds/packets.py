"""TDS packets and messages: MS-TDS 2.2.3. A message is one or more packets, the last flagged."""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

HEADER_BYTES: Final = 8
_HEADER: Final = struct.Struct(">BBHHBB")
_END_OF_MESSAGE: Final = 0x01


class PacketType(IntEnum):
    """Kinds of messages."""

    SQL_BATCH = 0x01
    REPLY = 0x04
    ATTENTION = 0x06
    LOGIN7 = 0x10
    PRELOGIN = 0x12


def split(kind: PacketType, payload: bytes, packet_size: int) -> Iterator[bytes]:
    """Yield the packets of a message, each at most `packet_size` bytes with its header."""
    room = packet_size - HEADER_BYTES
    count = max(1, -(-len(payload) // room))
    for number in range(count):
        part = payload[number * room : (number + 1) * room]
        status = _END_OF_MESSAGE if number == count - 1 else 0
        yield _HEADER.pack(kind, status, len(part) + HEADER_BYTES, 0, (number + 1) % 256, 0) + part


def parse_header(header: bytes) -> tuple[int, bool, int]:
    """Return kind, whether the packet ends its message, and the bytes of its payload."""
    kind, status, length, _, _, _ = _HEADER.unpack(header)
    return kind, bool(status & _END_OF_MESSAGE), length - HEADER_BYTES
