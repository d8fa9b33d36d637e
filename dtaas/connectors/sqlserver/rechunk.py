"""Cuts the driver's batches to the size the engine asked for. Pure."""

from collections.abc import Iterator

import pyarrow as pa

_ENOUGH_BYTES = 1024 * 1024
"""A batch this large goes on as it is: joining it to others would copy it for little gain."""


class Rechunker:
    """Hands batches on at most `batch_rows` and about `batch_bytes` large.

    Rows keep their order and none is lost or made. Only small batches are joined: those of tables
    with long values, fetched a few rows at a time.
    """

    def __init__(self, *, batch_rows: int, batch_bytes: int) -> None:
        self._rows = batch_rows
        self._bytes = batch_bytes
        self._enough = min(batch_bytes, _ENOUGH_BYTES)
        self._held: list[pa.RecordBatch] = []
        self._held_rows = 0
        self._held_bytes = 0

    def add(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Take a batch and yield what is full."""
        for piece in _pieces(batch, self._rows, self._bytes):
            size = piece.nbytes
            if self._held and (
                self._held_rows + piece.num_rows > self._rows
                or self._held_bytes + size > self._bytes
            ):
                yield self._joined()
            self._held.append(piece)
            self._held_rows += piece.num_rows
            self._held_bytes += size
            if self._held_rows >= self._rows or self._held_bytes >= self._enough:
                yield self._joined()

    def rest(self) -> Iterator[pa.RecordBatch]:
        """Yield what is left after the last batch."""
        if self._held:
            yield self._joined()

    def _joined(self) -> pa.RecordBatch:
        held, self._held = self._held, []
        self._held_rows = self._held_bytes = 0
        return held[0] if len(held) == 1 else pa.concat_batches(held)


def _pieces(batch: pa.RecordBatch, rows: int, size: int) -> Iterator[pa.RecordBatch]:
    """Yield slices of at most `rows` rows and `size` bytes; a single larger row comes whole."""
    if batch.num_rows == 0:
        return
    if batch.num_rows > rows:
        for start in range(0, batch.num_rows, rows):
            yield from _pieces(batch.slice(start, rows), rows, size)
    elif batch.nbytes > size and batch.num_rows > 1:
        half = batch.num_rows // 2
        yield from _pieces(batch.slice(0, half), rows, size)
        yield from _pieces(batch.slice(half), rows, size)
    else:
        yield batch
