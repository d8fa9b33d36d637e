"""PRELOGIN: what both sides agree on before the login. MS-TDS 2.2.6.5."""

import struct
from enum import IntEnum
from typing import Final

from dtaas.tds.errors import ProtocolError

_VERSION: Final = 0x00
_ENCRYPTION: Final = 0x01
_INSTANCE: Final = 0x02
_THREAD: Final = 0x03
_MARS: Final = 0x04
_END: Final = 0xFF
_ENTRY: Final = struct.Struct(">BHH")


class EncryptionOption(IntEnum):
    """What a side says about encryption."""

    OFF = 0
    ON = 1
    NOT_SUPPORTED = 2
    REQUIRED = 3


def request(encryption: EncryptionOption) -> bytes:
    """Return the payload of our PRELOGIN."""
    options = (
        (_VERSION, bytes((18, 0, 0, 0, 0, 0))),
        (_ENCRYPTION, bytes((encryption,))),
        (_INSTANCE, b"\0"),
        (_THREAD, bytes(4)),
        (_MARS, b"\0"),
    )
    offset = _ENTRY.size * len(options) + 1
    table = b""
    for token, value in options:
        table += _ENTRY.pack(token, offset, len(value))
        offset += len(value)
    return table + bytes((_END,)) + b"".join(value for _, value in options)


def parse_encryption(reply: bytes) -> EncryptionOption:
    """Return what the server says about encryption.

    Raises:
        ProtocolError: the reply is none.
    """
    at = 0
    while at < len(reply) and reply[at] != _END:
        if at + _ENTRY.size > len(reply):
            break
        token, offset, length = _ENTRY.unpack_from(reply, at)
        if token == _ENCRYPTION and length == 1 and offset < len(reply):
            try:
                return EncryptionOption(reply[offset])
            except ValueError as exc:
                raise ProtocolError(f"unknown encryption option {reply[offset]}") from exc
        at += _ENTRY.size
    raise ProtocolError("the server's PRELOGIN reply has no encryption option")
