"""Tokens of a reply (MS-TDS 2.2.7). Each function returns the bytes of one token."""

import struct
from collections.abc import Mapping, Sequence
from typing import Final

from dtaas.sandbox.sqlserver.results import OutputValue, ResultColumn
from dtaas.sandbox.sqlserver.types import SqlType
from dtaas.sandbox.sqlserver.wire.codecs import cell, codec
from dtaas.sandbox.sqlserver.wire.prelogin import SERVER_VERSION
from dtaas.sandbox.sqlserver.wire.protocol import DoneStatus, EnvChange, Token
from dtaas.sandbox.sqlserver.wire.typeinfo import LEGACY

_NULLABLE: Final = 0x0001
_UPDATABLE: Final = 0x0008
_IDENTITY: Final = 0x0010
_COMPUTED: Final = 0x0020
_USER_TYPE_TIMESTAMP: Final = 80
_OUTPUT_PARAMETER: Final = 0x01
_PROGRAM: Final = "Microsoft SQL Server\0\0"
_MAX_TEXT_UNITS: Final = 16_000
_ROUTED_BY_TCP: Final = 0
_FEATURES_END: Final = b"\xff"
_HIGHEST_INFO_CLASS: Final = 10


def col_metadata(columns: Sequence[ResultColumn]) -> bytes:
    """Describe the columns of a result set."""
    return struct.pack("<BH", Token.COL_METADATA, len(columns)) + b"".join(map(_column, columns))


def _column(column: ResultColumn) -> bytes:
    flags = (_NULLABLE if column.nullable else 0) | (
        _IDENTITY if column.identity else _COMPUTED if column.computed else _UPDATABLE
    )
    info = codec(column.type, nullable=column.nullable).info
    # The legacy types name the table they come from; a session does not tell which that is.
    table = b"\x01" + _us_varchar("") if column.type.name in LEGACY else b""
    head = struct.pack("<IH", _user_type(column.type), flags)
    return head + info + table + _b_varchar(column.name[:128])


def _user_type(sql: SqlType) -> int:
    return _USER_TYPE_TIMESTAMP if sql.name in {"timestamp", "rowversion"} else 0


def done(
    status: DoneStatus, *, command: int = 0, rows: int | None = None, token: Token = Token.DONE
) -> bytes:
    """End a statement or a procedure, as `token` says: DONE, DONE_PROC or DONE_IN_PROC."""
    if rows is not None:
        status |= DoneStatus.COUNT
    return struct.pack("<BHHQ", token, status, command, rows or 0)


def message(
    *,
    number: int,
    text: str,
    severity: int,
    state: int,
    server: str,
    procedure: str = "",
    line: int = 1,
) -> bytes:
    """Tell an error, or something less when the severity is at most 10."""
    token = Token.INFO if severity <= _HIGHEST_INFO_CLASS else Token.ERROR
    body = (
        struct.pack("<iBB", number, state & 0xFF, severity)
        + _us_varchar(text[:_MAX_TEXT_UNITS])
        + _b_varchar(server[:128])
        + _b_varchar(procedure[:128])
        + struct.pack("<I", max(line, 0))
    )
    return _counted(token, body)


def env_text(kind: EnvChange, new: str, old: str = "") -> bytes:
    """Announce a change of a setting that is text."""
    return _counted(Token.ENV_CHANGE, bytes([kind]) + _b_varchar(new) + _b_varchar(old))


def env_bytes(kind: EnvChange, new: bytes, old: bytes = b"") -> bytes:
    """Announce a change of a setting that is bytes: collation, transaction descriptor."""
    body = bytes([kind, len(new)]) + new + bytes([len(old)]) + old
    return _counted(Token.ENV_CHANGE, body)


def login_ack(tds_version: int) -> bytes:
    """Let the client in; the version is big-endian, alone of all numbers in a token."""
    major, minor, build, _sub_build = SERVER_VERSION
    body = struct.pack(">BI", 1, tds_version) + _b_varchar(_PROGRAM)
    return _counted(Token.LOGIN_ACK, body + struct.pack(">BBH", major, minor, build))


def route(host: str, port: int) -> bytes:
    """Send the client to another server."""
    value = struct.pack("<BH", _ROUTED_BY_TCP, port) + _us_varchar(host)
    body = struct.pack("<BH", EnvChange.ROUTING, len(value)) + value + bytes(2)
    return _counted(Token.ENV_CHANGE, body)


def features_ack(answers: Mapping[int, bytes]) -> bytes:
    """Acknowledge feature extensions, each by its id and what it answers."""
    written = (struct.pack("<BI", kind, len(data)) + data for kind, data in answers.items())
    return bytes([Token.FEATURE_EXT_ACK]) + b"".join(written) + _FEATURES_END


def return_status(value: int) -> bytes:
    """Tell the return code of a procedure."""
    return struct.pack("<Bi", Token.RETURN_STATUS, value)


def return_value(output: OutputValue) -> bytes:
    """Tell the value of an output parameter."""
    head = struct.pack("<BH", Token.RETURN_VALUE, output.ordinal) + _b_varchar(output.name)
    flags = struct.pack("<BIH", _OUTPUT_PARAMETER, _user_type(output.type), _NULLABLE)
    return head + flags + codec(output.type, nullable=True).info + cell(output.type, output.value)


def _counted(token: Token, body: bytes) -> bytes:
    return struct.pack("<BH", token, len(body)) + body


def _us_varchar(text: str) -> bytes:
    data = text.encode("utf-16-le", "surrogatepass")
    return struct.pack("<H", len(data) // 2) + data


def _b_varchar(text: str) -> bytes:
    data = text.encode("utf-16-le", "surrogatepass")
    return bytes([len(data) // 2]) + data
