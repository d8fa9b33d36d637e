"""Changes applied to a target in memory: by key to its rows, and kept as they came."""

import json
from typing import Any

import pyarrow as pa
from anyio.lowlevel import checkpoint

from dtaas.connectors.memory.datasets import Dataset, MemoryTarget
from dtaas.model.changes import (
    CHANGE_FIELDS,
    OP,
    ORDER,
    UNCHANGED,
    ChangeOp,
    ChangeReceipt,
    ChangeWindow,
    TableStream,
)
from dtaas.model.errors import DestinationConflictError

_METADATA = frozenset(field.name for field in CHANGE_FIELDS)


class MemoryChangeWriter:
    """Collects the batches of one window; `finish` applies them at once."""

    def __init__(self, data: Dataset, stream: TableStream, window: ChangeWindow) -> None:
        self._data = data
        self._stream = stream
        self._window = window
        self._batches: list[pa.RecordBatch] = []

    async def write(self, batch: pa.RecordBatch) -> None:
        """Keep the batch."""
        await checkpoint()
        await self._data.hook("write changes", self._stream.tracked.table)
        self._batches.append(batch)

    async def finish(self) -> ChangeReceipt:
        """Apply the window unless it was applied already."""
        table = self._stream.tracked.table
        await self._data.hook("apply", table)
        target = self._data.target(self._stream.target.path)
        require_ours(target, self._stream)
        already = target.position is not None and target.position >= self._window.to
        counts = dict.fromkeys(ChangeOp, 0)
        for batch in self._batches:
            for op in batch.column(OP).to_pylist():
                counts[ChangeOp(op)] += 1
        if not already:
            _apply(target, self._stream, self._batches)
            target.changes += self._batches
            target.position = self._window.to
        await self._data.hook("applied", table)
        return ChangeReceipt(
            position=self._window.to,
            rows=sum(counts.values()),
            inserts=counts[ChangeOp.INSERT],
            updates=counts[ChangeOp.UPDATE],
            deletes=counts[ChangeOp.DELETE],
            bytes=sum(b.nbytes for b in self._batches),
            already_applied=already,
        )


def require_ours(target: MemoryTarget, stream: TableStream) -> None:
    """Fence off a writer whose stream a newer one took over.

    Raises:
        DestinationConflictError: it did.
    """
    if target.epoch > stream.epoch or target.generation != stream.generation:
        raise DestinationConflictError(
            f"{stream.target} was taken over by a newer life of the task.",
            hint="Let only one daemon run the task.",
        )


def evolve(target: MemoryTarget, stream: TableStream) -> None:
    """Give the rows the columns and types that changes bring; columns that went stay."""
    rows = target.rows
    if rows is None:
        return
    for i, field in enumerate(stream.tracked.schema.arrow_schema()):
        place = rows.schema.get_field_index(field.name)
        if place < 0:
            nothing = pa.nulls(rows.num_rows, field.type)
            rows = rows.add_column(i, field.with_nullable(True), nothing)
        elif rows.schema.field(place).type != field.type:
            rows = rows.set_column(place, field, rows.column(place).cast(field.type))
    target.rows = rows


def _apply(target: MemoryTarget, stream: TableStream, batches: list[pa.RecordBatch]) -> None:
    """Bring the rows up to date, where there is a key to do it by."""
    schema = stream.tracked.schema
    if not schema.key:
        return
    found = [] if target.rows is None else target.rows.to_pylist()
    rows: dict[tuple[Any, ...], dict[str, Any]] = {
        tuple(row[k] for k in schema.key): row for row in found
    }
    changes = [row for batch in batches for row in batch.to_pylist()]
    for change in sorted(changes, key=lambda c: tuple(c[name] for name in ORDER)):
        place = tuple(change[k] for k in schema.key)
        if change[OP] == ChangeOp.DELETE:
            rows.pop(place, None)
            continue
        kept = json.loads(change[UNCHANGED] or "[]")
        old = rows.get(place, {})
        new = {name: value for name, value in change.items() if name not in _METADATA}
        rows[place] = old | new | {name: old.get(name) for name in kept}
    wanted = schema.arrow_schema() if target.rows is None else target.rows.schema
    target.rows = pa.Table.from_pylist(list(rows.values()), schema=wanted)
