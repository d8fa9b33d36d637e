"""A window of changes on its way to be merged: collected, and folded to one row a key."""

from collections.abc import Awaitable, Callable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.fold import folded
from dtaas.model.changes import OP, ChangeOp, ChangeReceipt, ChangeWindow

_FOLD_BYTES: Final = 64 * 1024 * 1024
"""Change rows held before they are folded: memory follows the keys of a window, not its rows."""
Apply = Callable[[pa.Table | None, ChangeWindow], Awaitable[bool]]
"""Merges folded changes, None when there are none; returns whether that was done before."""


class FoldingWriter:
    """Collects a window; `finish` merges it."""

    def __init__(
        self, window: ChangeWindow, key: tuple[str, ...], blocking: Blocking, apply: Apply
    ) -> None:
        self._window = window
        self._key = key
        self._blocking = blocking
        self._apply = apply
        self._folded: pa.Table | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0
        self._counts = {op.value: 0 for op in ChangeOp}
        self._bytes = 0

    async def write(self, batch: pa.RecordBatch) -> None:
        """Take one batch."""
        for entry in pc.value_counts(batch.column(OP)).to_pylist():
            self._counts[entry["values"]] += entry["counts"]
        self._waiting.append(batch)
        self._waiting_bytes += batch.nbytes
        self._bytes += batch.nbytes
        if self._waiting_bytes >= _FOLD_BYTES:
            await self._fold()

    async def finish(self) -> ChangeReceipt:
        """Merge what was collected, with the window's position."""
        await self._fold()
        already = await self._apply(self._folded, self._window)
        return ChangeReceipt(
            position=self._window.to,
            rows=sum(self._counts.values()),
            inserts=self._counts[ChangeOp.INSERT.value],
            updates=self._counts[ChangeOp.UPDATE.value],
            deletes=self._counts[ChangeOp.DELETE.value],
            bytes=self._bytes,
            already_applied=already,
        )

    async def _fold(self) -> None:
        if not self._waiting:
            return
        pieces = [] if self._folded is None else [self._folded]
        rows = pa.concat_tables([*pieces, pa.Table.from_batches(self._waiting)])
        self._waiting, self._waiting_bytes = [], 0
        self._folded = await self._blocking(folded, rows, self._key)
