"""Requests of a logged-in client: batches, procedure calls, transactions (MS-TDS 2.2.6)."""

from enum import IntEnum
from typing import Final

from msgspec import Struct

from dtaas.sandbox.sqlserver.results import Parameter
from dtaas.sandbox.sqlserver.wire.parameters import read_parameter
from dtaas.sandbox.sqlserver.wire.protocol import ProtocolError
from dtaas.sandbox.sqlserver.wire.reader import Reader

_BY_ID: Final = 0xFFFF
_SEPARATORS: Final = frozenset({0x80, 0xFE, 0xFF})
"""BatchFlag of TDS 7.1, NoExecFlag and BatchFlag of 7.2; no parameter begins with them."""

_PROCEDURES: Final = {
    1: "sp_cursor",
    2: "sp_cursoropen",
    3: "sp_cursorprepare",
    4: "sp_cursorexecute",
    5: "sp_cursorprepexec",
    6: "sp_cursorunprepare",
    7: "sp_cursorfetch",
    8: "sp_cursoroption",
    9: "sp_cursorclose",
    10: "sp_executesql",
    11: "sp_prepare",
    12: "sp_execute",
    13: "sp_prepexec",
    14: "sp_prepexecrpc",
    15: "sp_unprepare",
}


class RpcCall(Struct, frozen=True):
    """A call of a procedure. `flags`: 1 recompile, 2 no metadata, 4 reuse metadata."""

    procedure: str
    flags: int
    parameters: tuple[Parameter, ...]


class TransactionKind(IntEnum):
    """Requests to the transaction manager (MS-TDS 2.2.6.9)."""

    BEGIN = 5
    COMMIT = 7
    ROLLBACK = 8
    SAVE = 9


class TransactionRequest(Struct, frozen=True, kw_only=True):
    """A request to the transaction manager.

    Attributes:
        name: of the savepoint, or of the transaction, which has no meaning here.
        isolation: 0 none given, 1 to 5.
        begin_next: begin another transaction after COMMIT or ROLLBACK (fBeginXact).
    """

    kind: int
    name: str = ""
    isolation: int = 0
    begin_next: bool = False


def parse_batch(payload: bytes) -> str:
    """Return the text of a SQLBatch.

    Raises:
        ProtocolError: the headers are broken or the text is no UTF-16.
    """
    reader = _after_headers(payload)
    if reader.remaining % 2:
        raise ProtocolError("the text of the batch is no UTF-16")
    return reader.text(reader.remaining // 2)


def parse_rpc(payload: bytes) -> tuple[RpcCall, ...]:
    """Return the calls of an RPC message, in order.

    Raises:
        ProtocolError: the message is broken or a parameter's type is not supported.
    """
    reader = _after_headers(payload)
    calls = []
    while reader.remaining:
        calls.append(_call(reader))
        if reader.remaining:
            reader.u8()
    return tuple(calls)


def parse_transaction(payload: bytes) -> TransactionRequest:
    """Return the request to the transaction manager.

    Raises:
        ProtocolError: the message is broken.
    """
    reader = _after_headers(payload)
    kind = reader.u16()
    match kind:
        case TransactionKind.BEGIN:
            return TransactionRequest(kind=kind, isolation=reader.u8(), name=reader.b_varchar())
        case TransactionKind.COMMIT | TransactionKind.ROLLBACK:
            name = reader.b_varchar()
            if not reader.u8() & 1:
                return TransactionRequest(kind=kind, name=name)
            isolation = reader.u8() if reader.remaining else 0
            return TransactionRequest(kind=kind, name=name, isolation=isolation, begin_next=True)
        case TransactionKind.SAVE:
            return TransactionRequest(kind=kind, name=reader.b_varchar())
        case _:
            return TransactionRequest(kind=kind)


def _after_headers(payload: bytes) -> Reader:
    """Pass over ALL_HEADERS (MS-TDS 2.2.5.3).

    Their transaction descriptor tells nothing new: without MARS a session has one transaction.
    """
    reader = Reader(payload)
    total = reader.u32()
    if total < 4:  # noqa: PLR2004 - the length counts itself
        raise ProtocolError(f"headers of {total} bytes do not exist")
    reader.take(total - 4)
    return reader


def _call(reader: Reader) -> RpcCall:
    units = reader.u16()
    if units == _BY_ID:
        number = reader.u16()
        if number not in _PROCEDURES:
            raise ProtocolError(f"there is no procedure number {number}")
        name = _PROCEDURES[number]
    else:
        name = reader.text(units)
    flags = reader.u16()
    parameters = []
    while reader.remaining and reader.peek() not in _SEPARATORS:
        parameters.append(read_parameter(reader))
    return RpcCall(name, flags, tuple(parameters))
