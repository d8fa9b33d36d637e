"""The decoder as Python uses it: bytes in, Arrow batches out. Calls release the GIL."""

import ctypes
import os
import socket
from collections.abc import Sequence
from enum import IntEnum
from types import TracebackType
from typing import Final, Self

import pyarrow as pa

from dtaas.tds.code_pages import double_byte, upper_half
from dtaas.tds.errors import BadValueError, ProtocolError
from dtaas.tds.library import CArrowArray, CColumn, load, why_missing
from dtaas.tds.plan import As, ColumnPlan, Length

_NEED_BYTES: Final = 0
_OTHER_TOKEN: Final = -1
_BAD_STREAM: Final = -2
_REASONS: Final = {-3: "lone_surrogate", -4: "too_large", -6: "bad_utf8", -7: "bad_text"}
_OUT_OF_MEMORY: Final = -5
_SOCKET_CLOSED: Final = -8
_TIMED_OUT: Final = -9
_SOCKET_FAILED: Final = -10
RECEIVE_BYTES: Final = 256 * 1024
"""Room for each receive: what fits the processor's cache is decoded there."""
_LOOK_BYTES: Final = 64 * 1024
"""Tokens between rows are short: errors and counts."""


class Missing(IntEnum):
    """Why there is no batch."""

    BYTES = 0
    """More must be received."""
    ROW = 1
    """What comes next is another token."""


class Decoder:
    """Decodes the rows of one result. Not thread-safe; one thread at a time."""

    def __init__(
        self, plans: Sequence[ColumnPlan], schema: pa.Schema, *, most_value_bytes: int
    ) -> None:
        """Prepare for a result.

        Args:
            most_value_bytes: a longer value is refused; UTF-16 units for text that comes so.

        Raises:
            RuntimeError: this installation has no compiled decoder.
        """
        library = load()
        if library is None:
            raise RuntimeError(why_missing())
        self._library = library
        self._schema = schema
        self._plans = plans
        self._tables = [_table(plan) for plan in plans]
        columns = (CColumn * len(plans))()
        for column, plan, table in zip(columns, plans, self._tables, strict=True):
            column.length, column.how, column.width = plan.length, plan.how, plan.width
            column.scale, column.unit, column.wire = plan.scale, plan.unit, plan.wire
            if table is not None:
                column.table = ctypes.cast(table, ctypes.POINTER(ctypes.c_uint16))
        self._handle: int | None = library.tds_open(columns, len(plans), most_value_bytes)
        if self._handle is None:
            raise MemoryError

    def __enter__(self) -> Self:
        """Return the decoder."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free it."""
        self.close()

    def close(self) -> None:
        """Free everything but the batches handed out. Idempotent."""
        handle, self._handle = self._handle, None
        if handle is not None:
            self._library.tds_close(handle)

    def seed(self, payload: bytes) -> None:
        """Take payload of whole packets that was read together with the metadata."""
        if self._library.tds_seed(self._handle, payload, len(payload)):
            raise MemoryError

    def room(self, wanted: int) -> memoryview:
        """Return where to receive to, at least `wanted` bytes."""
        size = ctypes.c_size_t()
        address = self._library.tds_room(self._handle, wanted, ctypes.byref(size))
        if not address:
            raise MemoryError
        return memoryview((ctypes.c_char * size.value).from_address(address)).cast("B")

    def received(self, size: int) -> None:
        """Note that `size` bytes were received to `room`."""
        if self._library.tds_fed(self._handle, size):
            raise ProtocolError("a packet is shorter than its header")

    def next(self, *, most_rows: int, most_bytes: int) -> pa.RecordBatch | Missing:
        """Return the next full batch, or why there is none.

        Raises:
            BadValueError: a value cannot be decoded.
            ProtocolError: the bytes are no rows of this result.
        """
        out = CArrowArray()
        answer = self._library.tds_next(self._handle, most_rows, most_bytes, ctypes.byref(out))
        return self._found(answer, out)

    def receive(
        self, sock: socket.socket, *, most_rows: int, most_bytes: int
    ) -> pa.RecordBatch | Missing:
        """Receive from `sock` until there is a full batch; return it, or `Missing.ROW`.

        One call a batch, for other threads wait for the interpreter at each. The socket's timeout
        limits each wait for the server.

        Raises:
            BadValueError, ProtocolError: see `next`.
            OSError: the connection is broken, or the server sent nothing for too long.
            EOFError: the server closed the connection.
        """
        limit_s = sock.gettimeout()
        limit_ms = -1 if limit_s is None else int(limit_s * 1000)
        out = CArrowArray()
        answer = self._library.tds_receive(
            self._handle,
            sock.fileno(),
            limit_ms,
            RECEIVE_BYTES,
            most_rows,
            most_bytes,
            ctypes.byref(out),
        )
        if answer == _SOCKET_CLOSED:
            raise EOFError
        if answer == _TIMED_OUT:
            raise TimeoutError
        if answer == _SOCKET_FAILED:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return self._found(answer, out)

    def rest(self) -> pa.RecordBatch | None:
        """Return the rows of a batch that is not full, None when there are none."""
        out = CArrowArray()
        answer = self._library.tds_flush(self._handle, ctypes.byref(out))
        if answer < 0:
            raise self._error(answer)
        return self._import(out) if answer else None

    def pending(self) -> bytes:
        """Return what comes next, as far as it was received."""
        size = ctypes.c_size_t()
        address = self._library.tds_pending(self._handle, ctypes.byref(size))
        if not address:
            return b""
        return ctypes.string_at(address, min(size.value, _LOOK_BYTES))

    def skip(self, size: int) -> None:
        """Go on behind `size` bytes of what is pending."""
        self._library.tds_skip(self._handle, size)

    def _found(self, answer: int, out: CArrowArray) -> pa.RecordBatch | Missing:
        if answer > 0:
            return self._import(out)
        if answer == _NEED_BYTES:
            return Missing.BYTES
        if answer == _OTHER_TOKEN:
            return Missing.ROW
        raise self._error(answer)

    def _import(self, out: CArrowArray) -> pa.RecordBatch:
        return pa.RecordBatch._import_from_c(  # noqa: SLF001 - pyarrow's only door for C arrays
            ctypes.addressof(out), self._schema
        )

    def _error(self, answer: int) -> Exception:
        column = self._library.tds_bad_column(self._handle)
        if answer in _REASONS:
            return BadValueError(column, _REASONS[answer], self._value_at_hand(column))
        if answer == _OUT_OF_MEMORY:
            return MemoryError()
        return ProtocolError(f"column {column} of a row has a length or value that cannot be")

    def _value_at_hand(self, column: int) -> bytes:
        """Return the bad value, of a long one only the part at hand."""
        data = self.pending()
        if self._plans[column].length is Length.SHORT:
            return data[2 : 2 + int.from_bytes(data[:2], "little")]
        return data


def _table(plan: ColumnPlan) -> "ctypes.Array[ctypes.c_uint16] | None":
    if not plan.codec:
        return None
    units = double_byte(plan.codec) if plan.how is As.DOUBLE_BYTE else upper_half(plan.codec)
    return (ctypes.c_uint16 * len(units))(*units)
