"""What readers see of a target with changes: the load, and on it the last change of each key.

The load streams through; only the changes are held. Arrow joins do the work, and Python touches
only the keys of rows whose last change left a long value alone: their older versions are looked up.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dtaas.model.changes import COMMAND_ID, LSN, OP, SEQVAL, UNCHANGED, ChangeOp, change_schema
from dtaas.model.errors import ValidationFailedError
from dtaas.model.key_text import key_texts
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
        self._partial = partial.select(self._key)
        self._older: list[pa.Table] = []

    def over(self, batch: pa.RecordBatch) -> pa.Table:
        """Return the rows of a batch of the load that no change replaced or removed."""
        if not len(self._last):
            return pa.Table.from_batches([batch])
        rows = pa.Table.from_batches([batch])
        places = pa.array(range(len(rows)), pa.int64())
        keys = rows.select(self._key).append_column(_PLACE, places)
        joined = keys.join(self._changed, self._key, join_type="left outer")
        if len(self._partial):
            kept = keys.join(self._partial, self._key, join_type="inner").column(_PLACE)
            self._older.append(rows.take(kept))
        return rows.take(joined.filter(pc.is_null(joined.column(_JOINED))).column(_PLACE))

    def rest(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows that changes put. Comes after the whole load went through `over`."""
        columns = [column.name for column in self._schema.columns]
        put = self._last.filter(pc.not_equal(self._last.column(OP), ChangeOp.DELETE.value))
        whole = put.filter(pc.is_null(put.column(UNCHANGED))).select(columns)
        arrow_schema = self._schema.arrow_schema()
        yield from whole.cast(arrow_schema).to_batches()
        if len(self._partial):
            yield from self._completed().cast(arrow_schema).to_batches()

    def _completed(self) -> pa.Table:
        """Replay the changes of the keys whose last change left a value alone.

        For every value the row it comes from is found first, among those of the load and those of
        the changes; then all of a column are taken at once.
        """
        names = [column.name for column in self._schema.columns]
        places = pa.array(range(len(self._changes)), pa.int64())
        numbered = self._changes.select(self._key).append_column(_PLACE, places)
        mine = numbered.join(self._partial, self._key, join_type="inner").column(_PLACE)
        changes = self._changes.take(mine.take(pc.sort_indices(mine)))
        every = change_schema(self._schema)
        columns = pa.schema([every.field(name) for name in names])
        older = [rows.select(names).cast(columns) for rows in self._older]
        rows = pa.concat_tables([*older, changes.select(names).cast(columns)])
        found: dict[tuple[str | None, ...], list[int | None]] = {}
        first = len(rows) - len(changes)
        operations = zip(
            changes.column(OP).to_pylist(), changes.column(UNCHANGED).to_pylist(), strict=True
        )
        for place, key in enumerate(_keys(rows, self._key)):
            op, unchanged = (None, None) if place < first else next(operations)
            kept = frozenset(json.loads(unchanged or "[]"))
            before = [None] * len(names) if op == ChangeOp.DELETE else found.get(key)
            before = before or [None] * len(names)
            found[key] = [before[i] if name in kept else place for i, name in enumerate(names)]
        origins = zip(*found.values(), strict=True)
        return pa.table(
            [
                rows.column(name).take(pa.array(taken, pa.int64()))
                for name, taken in zip(names, origins, strict=True)
            ],
            schema=columns,
        )


def _keys(rows: pa.Table, key: Sequence[str]) -> Iterator[tuple[str | None, ...]]:
    return zip(*(key_texts(rows.column(name)) for name in key), strict=True)
