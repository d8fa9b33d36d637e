"""Tokens of a reply other than rows. MS-TDS 2.2.7.

Each parser works on bytes that may end anywhere: it returns None when more are needed.
"""

import struct
from typing import Final

from msgspec import Struct

from dtaas.tds.errors import ProtocolError, ServerError

COLMETADATA: Final = 0x81
ERROR: Final = 0xAA
ROW: Final = 0xD1
NBCROW: Final = 0xD2
_INFO: Final = 0xAB
_LOGINACK: Final = 0xAD
_ENVCHANGE: Final = 0xE3
_FEATUREEXTACK: Final = 0xAE
_RETURNSTATUS: Final = 0x79
_DONE: Final = frozenset({0xFD, 0xFE, 0xFF})
_WITH_SHORT_LENGTH: Final = frozenset({ERROR, _INFO, _LOGINACK, _ENVCHANGE, 0xA9, 0xA4, 0xA5})
_WITH_LONG_LENGTH: Final = frozenset({0xE4, 0xEE})  # SESSIONSTATE, FEDAUTHINFO
_MORE: Final = 0x01
_ATTENTION: Final = 0x20
_SERVER_ERROR: Final = 0x100
_DONE_BYTES: Final = 13
_PACKET_SIZE_CHANGE: Final = 4
_ROUTING_CHANGE: Final = 20
FEDERATED: Final = 0x02
"""Feature id of the login by access token."""


class Done(Struct, frozen=True):
    """The end of a statement's answer.

    Attributes:
        more: another answer of the same request follows.
        attention: it acknowledges that the request was broken off.
        failed: the server gave up the request.
    """

    more: bool
    attention: bool
    failed: bool


class Route(Struct, frozen=True):
    """Where the server sends the client instead."""

    host: str
    port: int


class Token(Struct, frozen=True):
    """One token that was complete.

    Attributes:
        size: its bytes, with the first.
        done, error, packet_size, route: what it said, None for what it does not say.
        login_ack: whether it accepts the login.
        features: the extensions of ours it acknowledges.
    """

    size: int
    done: Done | None = None
    error: ServerError | None = None
    packet_size: int | None = None
    route: Route | None = None
    login_ack: bool = False
    features: frozenset[int] = frozenset()


def parse(data: bytes) -> Token | None:
    """Return the token `data` begins with, None when it is not complete.

    Raises:
        ProtocolError: no such token is expected here.
    """
    if not data:
        return None
    kind = data[0]
    if kind in _DONE:
        return _parse_done(data)
    if kind == _RETURNSTATUS:
        return Token(size=5) if len(data) >= 5 else None  # noqa: PLR2004 - token and an int
    if kind == _FEATUREEXTACK:
        return _parse_features(data)
    if kind in _WITH_LONG_LENGTH:
        return _sized(data, "<I")
    if kind not in _WITH_SHORT_LENGTH:
        raise ProtocolError(f"unexpected token 0x{kind:02x}")
    token = _sized(data, "<H")
    if token is None:
        return None
    body = data[3 : token.size]
    if kind == ERROR:
        return Token(size=token.size, error=_parse_error(body))
    if kind == _ENVCHANGE:
        return _parse_change(body, token.size)
    return Token(size=token.size, login_ack=kind == _LOGINACK)


def _sized(data: bytes, length: str) -> Token | None:
    head = 1 + struct.calcsize(length)
    if len(data) < head:
        return None
    size = head + int(struct.unpack_from(length, data, 1)[0])
    return Token(size=size) if len(data) >= size else None


def _parse_done(data: bytes) -> Token | None:
    if len(data) < _DONE_BYTES:
        return None
    (status,) = struct.unpack_from("<H", data, 1)
    done = Done(
        more=bool(status & _MORE),
        attention=bool(status & _ATTENTION),
        failed=bool(status & _SERVER_ERROR),
    )
    return Token(size=_DONE_BYTES, done=done)


def _parse_features(data: bytes) -> Token | None:
    at = 1
    found = set()
    while at < len(data) and data[at] != 0xFF:  # noqa: PLR2004 - the terminator
        if at + 5 > len(data):
            return None
        found.add(data[at])
        at += 5 + int(struct.unpack_from("<I", data, at + 1)[0])
    return Token(size=at + 1, features=frozenset(found)) if at < len(data) else None


def _parse_error(body: bytes) -> ServerError:
    try:
        number, state, severity, length = struct.unpack_from("<IBBH", body)
        at = 8
        text = body[at : at + 2 * length].decode("utf-16-le", "replace")
        at += 2 * length
        for _ in range(2):  # server and procedure
            at += 1 + 2 * body[at]
        (line,) = struct.unpack_from("<I", body, at)
    except (struct.error, IndexError) as exc:
        raise ProtocolError("an error token is cut short") from exc
    return ServerError(number, state, severity, text, line)


def _parse_change(body: bytes, size: int) -> Token:
    try:
        if body[0] == _PACKET_SIZE_CHANGE:
            text = body[2 : 2 + 2 * body[1]].decode("utf-16-le")
            return Token(size=size, packet_size=int(text))
        if body[0] == _ROUTING_CHANGE:
            _, _protocol, port, length = struct.unpack_from("<HBHH", body, 1)
            host = body[8 : 8 + 2 * length].decode("utf-16-le")
            return Token(size=size, route=Route(host, port))
    except (struct.error, IndexError, ValueError) as exc:
        raise ProtocolError("an environment change is cut short") from exc
    return Token(size=size)
