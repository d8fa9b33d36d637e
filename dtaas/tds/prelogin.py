"""PRELOGIN: what both sides agree on before the login. MS-TDS 2.2.6.5."""

import struct
from enum import IntEnum
from typing import Final

from msgspec import Struct

from dtaas.tds.errors import ProtocolError

_VERSION: Final = 0x00
_ENCRYPTION: Final = 0x01
_INSTANCE: Final = 0x02
_THREAD: Final = 0x03
_MARS: Final = 0x04
_TOKEN_REQUIRED: Final = 0x06
_END: Final = 0xFF
_ENTRY: Final = struct.Struct(">BHH")


class EncryptionOption(IntEnum):
    """What a side says about encryption."""

    OFF = 0
    ON = 1
    NOT_SUPPORTED = 2
    REQUIRED = 3


class Answer(Struct, frozen=True):
    """What the server says.

    Attributes:
        token_required: it knows that the login comes with an access token.
    """

    encryption: EncryptionOption
    token_required: bool


def request(encryption: EncryptionOption, *, with_token: bool) -> bytes:
    """Return the payload of our PRELOGIN; `with_token` says that an access token will log in."""
    options: tuple[tuple[int, bytes], ...] = (
        (_VERSION, bytes((18, 0, 0, 0, 0, 0))),
        (_ENCRYPTION, bytes((encryption,))),
        (_INSTANCE, b"\0"),
        (_THREAD, bytes(4)),
        (_MARS, b"\0"),
    )
    if with_token:
        options += ((_TOKEN_REQUIRED, b"\1"),)
    offset = _ENTRY.size * len(options) + 1
    table = b""
    for token, value in options:
        table += _ENTRY.pack(token, offset, len(value))
        offset += len(value)
    return table + bytes((_END,)) + b"".join(value for _, value in options)


def parse(reply: bytes) -> Answer:
    """Return what the server answers.

    Raises:
        ProtocolError: the reply is none.
    """
    found: dict[int, int] = {}
    at = 0
    while at + _ENTRY.size <= len(reply) and reply[at] != _END:
        token, offset, length = _ENTRY.unpack_from(reply, at)
        if length == 1 and offset < len(reply):
            found[token] = reply[offset]
        at += _ENTRY.size
    if _ENCRYPTION not in found:
        raise ProtocolError("the server's PRELOGIN reply has no encryption option")
    try:
        encryption = EncryptionOption(found[_ENCRYPTION])
    except ValueError as exc:
        raise ProtocolError(f"unknown encryption option {found[_ENCRYPTION]}") from exc
    return Answer(encryption, found.get(_TOKEN_REQUIRED) == 1)
