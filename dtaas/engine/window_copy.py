"""One window of one table on its way from the source to the destination."""

import math
from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import structlog
from anyio import CancelScope, current_time, fail_after

from dtaas.engine.budget import Lease
from dtaas.engine.ddl import missed_rows
from dtaas.engine.paced import read, told
from dtaas.engine.progress import TableMeter
from dtaas.engine.repair import Key, repairs
from dtaas.engine.stream_context import StreamContext
from dtaas.engine.turns import Turn
from dtaas.model.change_ports import ChangeWriter
from dtaas.model.changes import ChangeReceipt, ChangeWindow, TableStream
from dtaas.model.errors import FatalError, NoProgressError

log = structlog.get_logger()

_MIB: Final = 1024 * 1024
_UNIT: Final = 0
"""Windows of a table come one after the other."""


class WindowCopy:
    """Copies one window, once. It fails when nothing moves for `options.no_progress_s`."""

    def __init__(
        self, context: StreamContext, stream: TableStream, meter: TableMeter, turn: Turn
    ) -> None:
        self._context = context
        self._stream = stream
        self._meter = meter
        self._turn = turn
        self._limit_s = context.spec.options.no_progress_s
        self._watch = CancelScope()
        self.rows_read_again = 0
        """Rows whose values an older capture instance did not have."""

    async def run(self, window: ChangeWindow, keys: Sequence[Key]) -> ChangeReceipt | None:
        """Copy the window, ahead of it the rows of `keys` as the source has them.

        Returns:
            What is durable now, or None when the drain came first: it is redone, exactly.

        Raises:
            NoProgressError: no batch went through for `options.no_progress_s`.
        """
        context, pace, complete = self._context, self._meter.pace, False
        pace.begin(_UNIT)
        try:
            with fail_after(self._limit_s) as self._watch, context.budget.lease() as lease:
                async with context.destination.apply(self._stream, window) as writer:
                    with context.drain.extraction():
                        await self._mend(window, keys, writer)
                        await self._copy(window, writer, lease)
                        complete = True
                    self._moved()
                    with pace.writing():
                        return await writer.finish() if complete else None
        except TimeoutError as exc:
            raise NoProgressError(
                f"A window of {self._stream.tracked.table} moved nothing for {self._limit_s} s.",
                hint="Look for a stalled source or destination.",
            ) from exc
        finally:
            pace.end(_UNIT)

    async def _mend(self, window: ChangeWindow, keys: Sequence[Key], writer: ChangeWriter) -> None:
        """Write the rows to be repaired. What cannot be repaired must not end the stream."""
        if not keys:
            return
        table = str(self._stream.tracked.table)
        try:
            found = repairs(self._context.rows, self._stream.tracked.schema, keys, window)
            batches = [batch async for batch in found]
        except (FatalError, pa.ArrowException, ValueError):
            log.exception("repair_given_up", table=table, rows=len(keys))
            return
        for batch in batches:
            await writer.write(batch)
        log.info("rows_repaired", table=table, rows=len(keys))

    async def _copy(self, window: ChangeWindow, writer: ChangeWriter, lease: Lease) -> None:
        context, pace = self._context, self._meter.pace
        async with context.source.changes(
            self._stream.tracked,
            window,
            batch_rows=context.spec.batch_rows,
            batch_bytes=context.spec.batch_size_mb * _MIB,
        ) as opened:
            reader = told(opened, pace)
            while (batch := await read(reader, pace)) is not None:
                self._meter.read_by(reader.read_by)
                await self._write(batch, writer, lease)
        found = missed_rows(context.source, context.rows, self._stream, window, self._moved)
        async for batch in found:
            self.rows_read_again += batch.num_rows
            await self._write(batch, writer, lease)

    async def _write(self, batch: pa.RecordBatch, writer: ChangeWriter, lease: Lease) -> None:
        await self._room(lease, batch.nbytes)
        with self._meter.pace.writing():
            await writer.write(batch)
        lease.give(batch.nbytes)
        self._moved()
        self._meter.changed(batch.num_rows, batch.nbytes)

    async def _room(self, lease: Lease, size: int) -> None:
        """Take bytes. While other tables hold them this one does not stand still by itself."""
        self._watch.deadline = math.inf
        async with self._turn.waiting():
            await lease.take(size)
        self._moved()

    def _moved(self) -> None:
        """Note that something went through."""
        self._watch.deadline = current_time() + self._limit_s
        self._turn.moved()
