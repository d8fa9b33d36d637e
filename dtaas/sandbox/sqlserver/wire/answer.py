"""The items of a session to the tokens of one request's answer."""

import struct
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, assert_never

import anyio
from anyio.lowlevel import checkpoint

from dtaas.sandbox.sqlserver.results import (
    Columns,
    DatabaseChanged,
    Done,
    ErrorMessage,
    Item,
    Message,
    OutputValue,
    PackedRows,
    ReturnStatus,
    Rows,
    Session,
    SqlError,
)
from dtaas.sandbox.sqlserver.types import MAX
from dtaas.sandbox.sqlserver.wire import tokens
from dtaas.sandbox.sqlserver.wire.faults import Faults
from dtaas.sandbox.sqlserver.wire.item_streams import closing_items
from dtaas.sandbox.sqlserver.wire.protocol import DoneStatus, EnvChange, Token
from dtaas.sandbox.sqlserver.wire.reply import Reply
from dtaas.sandbox.sqlserver.wire.rows import RowPacker

_SLICE_BYTES: Final = 131_072
_SLICE_ROWS: Final = 2_000
_FIRST_SLICE_ROWS: Final = 64
_EXECUTE: Final = 0xE0
_CONTEXT_CHANGED: Final = 5701


class TransactionWatch:
    """Tells the client when the session's transaction began or ended."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._announced = session.transaction

    def changes(self, *, rolled_back: bool) -> bytes:
        """Return the ENVCHANGE tokens for what changed since the last call."""
        now, before = self._session.transaction, self._announced
        self._announced = now
        written = b""
        if now == before:
            return written
        if before:
            kind = EnvChange.ROLLBACK_TRANSACTION if rolled_back else EnvChange.COMMIT_TRANSACTION
            written += tokens.env_bytes(kind, b"", struct.pack("<Q", before))
        if now:
            written += tokens.env_bytes(EnvChange.BEGIN_TRANSACTION, struct.pack("<Q", now))
        return written


class Answer:
    """The answer to one batch or to one call of a procedure."""

    def __init__(
        self,
        reply: Reply,
        transactions: TransactionWatch,
        faults: Faults,
        *,
        procedure: bool,
        null_bitmap: bool,
    ) -> None:
        self._reply = reply
        self._transactions = transactions
        self._faults = faults
        self._done_token = Token.DONE_IN_PROC if procedure else Token.DONE
        self._procedure = procedure
        self._null_bitmap = null_bitmap
        self._packer: RowPacker | None = None
        self._slice_rows = _FIRST_SLICE_ROWS
        self._sent_rows = 0
        self._held: Done | None = None
        self._failed = False
        self._outputs: list[OutputValue] = []
        self._return_status = 0

    async def run(self, items: AsyncIterator[Item], *, last: bool = True) -> None:
        """Write the answer to the end; `last` false when another one follows in the message.

        Cancelled, it leaves the reply open after a whole token.
        """
        async with closing_items(items):
            try:
                async for item in items:
                    await self._write(item)
                    await self._reply.room()
            except SqlError as error:
                self._error(error)
        self._finish(last=last)

    async def _write(self, item: Item) -> None:
        match item:
            case Rows():
                await self._rows(item.rows)
            case PackedRows():
                await self._reply.repeat(item.tokens)
                self._sent_rows += item.rows
            case Columns():
                self._statement_begins()
                self._packer = RowPacker(item.columns, null_bitmap=self._null_bitmap)
                self._sent_rows = 0
                self._reply.write(tokens.col_metadata(item.columns))
            case Done():
                self._settle(more=True)
                self._held = item
            case Message():
                self._settle(more=True)
                self._reply.info(item)
            case ErrorMessage():
                self._error(item.error)
            case DatabaseChanged():
                self._settle(more=True)
                self._database_changed(item)
            case ReturnStatus():
                self._return_status = item.value
            case OutputValue():
                self._outputs.append(item)
            case _:
                assert_never(item)

    async def _rows(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows in slices small enough for the event loop and for the client's pace."""
        assert self._packer is not None  # noqa: S101 - a session begins a result with its columns
        at = 0
        while at < len(rows):
            count = self._slice_limit(len(rows) - at)
            packed = self._packer.pack(rows[at : at + count])
            await self._reply.stream(packed)
            at += count
            self._sent_rows += count
            self._strike()
            self._slice_rows = max(1, min(_SLICE_ROWS, count * _SLICE_BYTES // len(packed)))
            await self._pace(count)

    def _slice_limit(self, available: int) -> int:
        limit = min(self._slice_rows, available)
        fault = self._faults.stream_error
        if fault is not None and fault.rows > self._sent_rows:
            limit = min(limit, fault.rows - self._sent_rows)
        return limit

    def _strike(self) -> None:
        """Fail the result if a test asked for an error after this many rows."""
        fault = self._faults.stream_error
        if fault is not None and self._sent_rows == fault.rows:
            self._faults.stream_error = None
            raise fault.error

    async def _pace(self, rows: int) -> None:
        if self._faults.rows_per_s is None:
            await checkpoint()
        else:
            await anyio.sleep(rows / self._faults.rows_per_s)

    def _error(self, error: SqlError) -> None:
        if self._held is not None:
            self._settle(more=True)
        self._reply.error(error)
        self._failed = True

    def _database_changed(self, change: DatabaseChanged) -> None:
        self._reply.write(tokens.env_text(EnvChange.DATABASE, change.new, change.old))
        text = f"Changed database context to '{change.new}'."
        self._reply.info(Message(number=_CONTEXT_CHANGED, text=text, state=2))

    def _statement_begins(self) -> None:
        """End a statement that failed without a `Done` of its own."""
        self._settle(more=True)
        if self._failed:
            self._done(Done(), more=True)

    def _settle(self, *, more: bool) -> None:
        """Write the DONE held back until it was known whether more comes."""
        if self._held is not None:
            held, self._held = self._held, None
            self._done(held, more=more)

    def _done(self, item: Done, *, more: bool) -> None:
        self._reply.write(self._transactions.changes(rolled_back=self._failed))
        status = DoneStatus.MORE if more else DoneStatus.FINAL
        if self._failed:
            status |= self._error_status()
            self._failed = False
        self._reply.write(
            tokens.done(status, command=item.command, rows=item.rows, token=self._done_token)
        )

    def _error_status(self) -> DoneStatus:
        return DoneStatus.SERVER_ERROR if self._reply.fatal else DoneStatus.ERROR

    def _finish(self, *, last: bool) -> None:
        if self._procedure:
            self._finish_procedure(last=last)
        elif self._held is not None and not self._failed:
            self._settle(more=not last)
        else:
            self._settle(more=True)
            self._done(Done(), more=not last)

    def _finish_procedure(self, *, last: bool) -> None:
        self._settle(more=True)
        self._reply.write(self._transactions.changes(rolled_back=self._failed))
        self._reply.write(tokens.return_status(self._return_status))
        # Large values come after all others (MS-TDS 2.2.7.19).
        for output in sorted(self._outputs, key=lambda o: o.type.length == MAX):
            self._reply.write(tokens.return_value(output))
        status = DoneStatus.FINAL if last else DoneStatus.MORE
        if self._failed:
            status |= self._error_status()
        self._reply.write(tokens.done(status, command=_EXECUTE, token=Token.DONE_PROC))
