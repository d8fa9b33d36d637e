"""PRELOGIN: the first exchange, which settles encryption (MS-TDS 2.2.6.5)."""

import struct
from enum import IntEnum

from msgspec import Struct

from dtaas.sandbox.sqlserver.wire.protocol import ProtocolError

SERVER_VERSION = (16, 0, 4135, 0)
"""Major, minor, build and sub-build: SQL Server 2022."""

_TERMINATOR = 0xFF


class Option(IntEnum):
    """Options we understand; others are passed over."""

    VERSION = 0
    ENCRYPTION = 1
    INSTANCE = 2
    THREAD_ID = 3
    MARS = 4
    FED_AUTH_REQUIRED = 6


class Encryption(IntEnum):
    """Values of the ENCRYPTION option."""

    OFF = 0
    ON = 1
    NOT_SUPPORTED = 2
    REQUIRED = 3


class Prelogin(Struct, frozen=True):
    """What the client asked for."""

    encryption: Encryption
    options: frozenset[int]
    fed_auth_required: bool = False


def parse_prelogin(payload: bytes) -> Prelogin:
    """Read the client's PRELOGIN.

    Raises:
        ProtocolError: the option table is broken.
    """
    options: dict[int, bytes] = {}
    at = 0
    while at < len(payload) and payload[at] != _TERMINATOR:
        if at + 5 > len(payload):
            raise ProtocolError("the PRELOGIN option table is cut off")
        token, offset, length = struct.unpack_from(">BHH", payload, at)
        if offset + length > len(payload):
            raise ProtocolError("a PRELOGIN option lies outside of the message")
        options[token] = payload[offset : offset + length]
        at += 5
    # The high bit asks for a client certificate, which no SQL Server login uses.
    wish = (options.get(Option.ENCRYPTION) or bytes([Encryption.NOT_SUPPORTED]))[0] & 0x7F
    required = options.get(Option.FED_AUTH_REQUIRED) == b"\1"
    try:
        return Prelogin(Encryption(wish), frozenset(options), required)
    except ValueError as exc:
        raise ProtocolError(f"{wish} is no encryption mode") from exc


def agree(wish: Encryption, *, required: bool) -> Encryption:
    """Return what the server answers to the client's wish (MS-TDS 2.2.6.5, table of ENCRYPTION).

    `OFF` means TLS for the login only, `ON` and `REQUIRED` TLS for all, `NOT_SUPPORTED` none.
    """
    if wish in {Encryption.ON, Encryption.REQUIRED}:
        return Encryption.ON
    if required:
        return Encryption.REQUIRED
    return wish


def prelogin_reply(prelogin: Prelogin, encryption: Encryption) -> bytes:
    """Build the payload of the answer: the options the client named, MARS always off.

    A client that wants a login by token is told that this is well: both kinds are taken here.
    """
    major, minor, build, sub_build = SERVER_VERSION
    answers = {
        Option.VERSION: struct.pack(">BBHH", major, minor, build, sub_build),
        Option.ENCRYPTION: bytes([encryption]),
        Option.INSTANCE: b"\0",
        Option.THREAD_ID: b"",
        Option.MARS: b"\0",
        Option.FED_AUTH_REQUIRED: bytes([prelogin.fed_auth_required]),
    }
    always = {Option.VERSION, Option.ENCRYPTION}
    chosen = {k: v for k, v in answers.items() if k in prelogin.options or k in always}
    offset = 5 * len(chosen) + 1
    table = bytearray()
    for token, value in chosen.items():
        table += struct.pack(">BHH", token, offset, len(value))
        offset += len(value)
    return bytes(table) + bytes([_TERMINATOR]) + b"".join(chosen.values())
