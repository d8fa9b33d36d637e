"""LOGIN7: who wants in (MS-TDS 2.2.6.4)."""

import struct

from msgspec import Struct

from dtaas.sandbox.sqlserver.wire.protocol import ProtocolError

_FIXED_BYTES = 36
_EXTENSION_FLAG = 0x10
_FEATURE_END = 0xFF
FEATURE_UTF8 = 0x0A


class Login(Struct, frozen=True, kw_only=True):
    """A client's LOGIN7.

    Attributes:
        packet_bytes: what it asked for, 0 when the server may choose.
        features: ids of the feature extensions it offers.
    """

    tds_version: int
    packet_bytes: int
    host: str
    user: str
    password: str
    application: str
    database: str
    features: frozenset[int]

    def __repr__(self) -> str:
        return f"Login(user={self.user!r}, database={self.database!r})"


def parse_login(payload: bytes) -> Login:
    """Read a LOGIN7.

    Raises:
        ProtocolError: a field lies outside of the message.
    """
    if len(payload) < _FIXED_BYTES + 36:
        raise ProtocolError("the LOGIN7 is cut off")
    _length, version, packet_bytes = struct.unpack_from("<III", payload)

    def field(index: int) -> tuple[int, int]:
        offset, length = struct.unpack_from("<HH", payload, _FIXED_BYTES + 4 * index)
        return offset, length

    def raw(index: int) -> bytes:
        offset, units = field(index)
        if offset + 2 * units > len(payload):
            raise ProtocolError("a field of the LOGIN7 lies outside of the message")
        return payload[offset : offset + 2 * units]

    def text(index: int) -> str:
        return raw(index).decode("utf-16-le", "surrogatepass")

    return Login(
        tds_version=version,
        packet_bytes=packet_bytes,
        host=text(0),
        user=text(1),
        password=_reveal(raw(2)).decode("utf-16-le", "surrogatepass"),
        application=text(3),
        database=text(8),
        features=_features(payload, field(5)) if payload[27] & _EXTENSION_FLAG else frozenset(),
    )


def _reveal(hidden: bytes) -> bytes:
    """Undo the nibble swap and XOR 0xA5 that hide a password from a glance."""
    return bytes(((b ^ 0xA5) >> 4) | (((b ^ 0xA5) & 0x0F) << 4) for b in hidden)


def _features(payload: bytes, field: tuple[int, int]) -> frozenset[int]:
    """Read the feature extensions: the field holds the offset of their block."""
    try:
        (at,) = struct.unpack_from("<I", payload, field[0])
        found = set()
        while payload[at] != _FEATURE_END:
            found.add(payload[at])
            (length,) = struct.unpack_from("<I", payload, at + 1)
            at += 5 + length
    except (struct.error, IndexError) as exc:
        raise ProtocolError("the feature extensions of the LOGIN7 are cut off") from exc
    return frozenset(found)
