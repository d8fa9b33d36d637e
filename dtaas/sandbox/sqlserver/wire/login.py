"""LOGIN7: who wants in (MS-TDS 2.2.6.4)."""

import struct

from msgspec import Struct

from dtaas.sandbox.sqlserver.wire.protocol import ProtocolError

_FIXED_BYTES = 36
_EXTENSION_FLAG = 0x10
_FEATURE_END = 0xFF
_READ_ONLY_INTENT = 0x20
_SECURITY_TOKEN = 0x01
FEATURE_FED_AUTH = 0x02
FEATURE_UTF8 = 0x0A


class Login(Struct, frozen=True, kw_only=True):
    """A client's LOGIN7.

    Attributes:
        packet_bytes: what it asked for, 0 when the server may choose.
        features: ids of the feature extensions it offers.
        token: access token, empty for a login by name and password.
        read_only: it only means to read.
    """

    tds_version: int
    packet_bytes: int
    host: str
    user: str
    password: str
    application: str
    database: str
    features: frozenset[int]
    token: str = ""
    read_only: bool = False

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

    has_features = payload[27] & _EXTENSION_FLAG
    features = _features(payload, field(5)) if has_features else {}
    return Login(
        tds_version=version,
        packet_bytes=packet_bytes,
        host=text(0),
        user=text(1),
        password=_reveal(raw(2)).decode("utf-16-le", "surrogatepass"),
        application=text(3),
        database=text(8),
        features=frozenset(features),
        token=_token(features.get(FEATURE_FED_AUTH, b"")),
        read_only=bool(payload[26] & _READ_ONLY_INTENT),
    )


def _reveal(hidden: bytes) -> bytes:
    """Undo the nibble swap and XOR 0xA5 that hide a password from a glance."""
    return bytes(((b ^ 0xA5) >> 4) | (((b ^ 0xA5) & 0x0F) << 4) for b in hidden)


def _token(data: bytes) -> str:
    """Read the access token of the feature FEDAUTH, empty when there is none.

    Raises:
        ProtocolError: the client wants to be told where to get a token, or the token is cut off.
    """
    if not data:
        return ""
    if data[0] >> 1 != _SECURITY_TOKEN:
        raise ProtocolError("only logins with a token the client already has are understood")
    size = int.from_bytes(data[1:5], "little")
    token = data[5 : 5 + size]
    if not size or len(token) < size or size % 2:
        raise ProtocolError("the access token of the LOGIN7 is cut off")
    return token.decode("utf-16-le", "surrogatepass")


def _features(payload: bytes, field: tuple[int, int]) -> dict[int, bytes]:
    """Read the feature extensions: the field holds the offset of their block."""
    try:
        (at,) = struct.unpack_from("<I", payload, field[0])
        found = {}
        while payload[at] != _FEATURE_END:
            (length,) = struct.unpack_from("<I", payload, at + 1)
            found[payload[at]] = payload[at + 5 : at + 5 + length]
            at += 5 + length
    except (struct.error, IndexError) as exc:
        raise ProtocolError("the feature extensions of the LOGIN7 are cut off") from exc
    return found
