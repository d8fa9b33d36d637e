"""LOGIN7: who logs in, and how the session shall be. MS-TDS 2.2.6.4."""

import os
import socket
import struct
from typing import Final

from msgspec import Struct

_TDS_74: Final = 0x74000004
_FIXED: Final = struct.Struct("<IIIIIIBBBBiI")
_FLAGS_1: Final = 0xE0  # a bad database or language is an error, and the change is told
_FLAGS_2: Final = 0x03  # ODBC's session settings; a bad language is an error
_READ_ONLY_INTENT: Final = 0x20
_EXTENSION: Final = 0x10
_TABLE_BYTES: Final = 58
_UTF8_SUPPORT: Final = b"\x0a\x01\x00\x00\x00\x01"
"""Feature UTF8_SUPPORT: text of UTF-8 collations comes as it is."""
_FEDERATED: Final = 0x02
_SECURITY_TOKEN: Final = 0x01 << 1
_FEATURES_END: Final = b"\xff"


class Login(Struct, frozen=True, kw_only=True):
    """A login with a name and password of SQL Server, or with an access token of Entra ID.

    Attributes:
        token: what is sent instead of name and password, '' for these.
        packet_size: bytes of a packet we ask for; the server may answer with fewer.
        read_only: read-only intent, for a readable secondary.
    """

    user: str
    password: str
    database: str
    server: str
    application: str
    packet_size: int
    token: str = ""
    read_only: bool = False

    def __repr__(self) -> str:
        """Show neither password nor token."""
        return f"Login(user={self.user!r}, database={self.database!r})"

    def encode(self, *, token_required: bool = False) -> bytes:
        """Return the payload of the message; `token_required` as the server's PRELOGIN said."""
        data = bytearray()
        table = bytearray()
        start = _FIXED.size + _TABLE_BYTES

        def add(value: bytes, units: int) -> None:
            table.extend(struct.pack("<HH", start + len(data), units))
            data.extend(value)

        def text(value: str) -> None:
            encoded = value.encode("utf-16-le")
            add(encoded, len(encoded) // 2)

        text(socket.gethostname()[:128])
        text(self.user)
        scrambled = _scramble(self.password)
        add(scrambled, len(scrambled) // 2)
        text(self.application[:128])
        text(self.server[:128])
        extension_at = len(data)
        add(bytes(4), 4)
        text("dtaas")
        text("us_english")
        text(self.database)
        table.extend(bytes(6))  # client id
        for _ in range(3):  # integrated login, attached file, new password
            add(b"", 0)
        table.extend(bytes(4))
        struct.pack_into("<I", data, extension_at, start + len(data))
        data.extend(self._features(token_required=token_required))
        fixed = _FIXED.pack(
            start + len(data),
            _TDS_74,
            self.packet_size,
            0,
            os.getpid(),
            0,
            _FLAGS_1,
            _FLAGS_2,
            _READ_ONLY_INTENT if self.read_only else 0,
            _EXTENSION,
            0,
            0,
        )
        return fixed + bytes(table) + bytes(data)

    def _features(self, *, token_required: bool) -> bytes:
        """Return the feature extensions: MS-TDS 2.2.6.4, FEDAUTH with a security token."""
        features = _UTF8_SUPPORT
        if self.token:
            token = self.token.encode("utf-16-le")
            data = struct.pack("<BI", _SECURITY_TOKEN | token_required, len(token)) + token
            features += struct.pack("<BI", _FEDERATED, len(data)) + data
        return features + _FEATURES_END


def _scramble(password: str) -> bytes:
    """Hide a password as the protocol asks: it is no encryption."""
    return bytes(((byte << 4 | byte >> 4) & 0xFF) ^ 0xA5 for byte in password.encode("utf-16-le"))
