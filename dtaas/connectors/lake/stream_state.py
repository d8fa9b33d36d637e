"""What readers see of a target with changes: the load, and on it the last change of each key.

The load streams through; only the changes are held. Arrow joins do the work, and Python touches
only rows whose last change left a long value alone: their older versions are looked up.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from dtaas.model.changes import COMMAND_ID, LSN, OP, SEQVAL, UNCHANGED, ChangeOp
from dtaas.model.errors import ValidationFailedError
from dtaas.model.schema import TableSchema

_PLACE: Final = "__place"
_JOINED: Final = "__joined"


class StreamState:
    """The changes of one table, to be laid over the rows of its load."""

    def __init__(self, schema: TableSchema, changes: pa.Table) -> None:
        """Find the last change of every key.

        Args:
            changes: every change that counts, in any order, with the columns of `schema` behind
                those of `CHANGE_FIELDS`.

        Raises:
            ValidationFailedError: the table has no key, so changes cannot be laid over rows.
        """
        if not schema.key:
            raise ValidationFailedError(
                f"Table {schema.table} has no key: its changes cannot be laid over its load.",
                hint="Declare one with `key` in the task's table_mappings.",
            )
        self._schema = schema
        self._key = list(schema.key)
        order = [(name, "ascending") for name in (LSN, COMMAND_ID, SEQVAL, OP)]
        self._changes = changes.sort_by(order)
        places = pa.array(range(len(self._changes)), pa.int64())
        numbered = self._changes.select(self._key).append_column(_PLACE, places)
        last = numbered.group_by(self._key).aggregate([(_PLACE, "max")])
        self._last = self._changes.take(last.column(f"{_PLACE}_max"))
        self._changed = self._last.select(self._key).append_column(
            _JOINED,
            pa.repeat(pa.scalar(True), len(self._last)),
        )
        partial = self._last.filter(pc.is_valid(self._last.column(UNCHANGED)))
        self._partial = {tuple(row.values()) for row in partial.select(self._key).to_pylist()}
        self._older: dict[tuple[Any, ...], dict[str, Any]] = {}

    def over(self, batch: pa.RecordBatch) -> pa.Table:
        """Return the rows of a batch of the load that no change replaced or removed."""
        if not len(self._last):
            return pa.Table.from_batches([batch])
        rows = pa.Table.from_batches([batch])
        places = pa.array(range(len(rows)), pa.int64())
        keys = rows.select(self._key).append_column(_PLACE, places)
        joined = keys.join(self._changed, self._key, join_type="left outer")
        if self._partial:
            gone = joined.filter(pc.is_valid(joined.column(_JOINED))).column(_PLACE)
            self._remember(rows.take(gone))
        return rows.take(joined.filter(pc.is_null(joined.column(_JOINED))).column(_PLACE))

    def rest(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows that changes put. Comes after the whole load went through `over`."""
        columns = [column.name for column in self._schema.columns]
        put = self._last.filter(pc.not_equal(self._last.column(OP), ChangeOp.DELETE.value))
        whole = put.filter(pc.is_null(put.column(UNCHANGED))).select(columns)
        arrow_schema = self._schema.arrow_schema()
        yield from whole.cast(arrow_schema).to_batches()
        partial = put.filter(pc.is_valid(put.column(UNCHANGED)))
        if len(partial):
            rows = self._completed(partial.select(self._key).to_pylist())
            yield from pa.Table.from_pylist(rows, schema=arrow_schema).to_batches()

    def _remember(self, rows: pa.Table) -> None:
        for row in rows.to_pylist():
            key = tuple(row[name] for name in self._key)
            if key in self._partial:
                self._older[key] = row

    def _completed(self, keys: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Replay the changes of some keys over their rows of the load."""
        wanted = {tuple(key.values()) for key in keys}
        rows = {key: self._older.get(key, {}) for key in wanted}
        names = [column.name for column in self._schema.columns]
        for change in self._changes.to_pylist():
            key = tuple(change[name] for name in self._key)
            if key not in wanted:
                continue
            kept = json.loads(change[UNCHANGED] or "[]")
            before = {} if change[OP] == ChangeOp.DELETE else rows[key]
            rows[key] = {n: before.get(n) if n in kept else change[n] for n in names}
        return list(rows.values())
