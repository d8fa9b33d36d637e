"""From rows of a change table to change rows of the model. Arrow and numpy; nothing per row."""

import json
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dtaas.connectors.sqlserver.types import SqlColumn, is_unbounded
from dtaas.model.changes import ChangeOp, change_schema
from dtaas.model.schema import Column, TableSchema
from dtaas.model.types import Binary, Integer, Timestamp

START_LSN: Final = "__$start_lsn"
METADATA: Final = (
    Column(name=START_LSN, type=Binary(10), nullable=False),
    Column(name="__$command_id", type=Integer(32), nullable=True),
    Column(name="__$seqval", type=Binary(10), nullable=False),
    Column(name="__$operation", type=Integer(32), nullable=False),
    Column(name="__$update_mask", type=Binary(128), nullable=True),
    Column(name="tran_end_time", type=Timestamp(3), nullable=True),
)
"""What is selected in front of the captured columns."""
DELETE: Final = 1
INSERT: Final = 2
BEFORE: Final = 3
AFTER: Final = 4
_OPS: Final = pa.array(
    [None, ChangeOp.DELETE, ChangeOp.INSERT, ChangeOp.DELETE, ChangeOp.UPDATE], pa.string()
)
_HEX: Final = np.frombuffer("".join(f"{i:02x}" for i in range(256)).encode(), np.uint16)
_LSN_BYTES: Final = 10
_MINUTE_US: Final = 60_000_000


class ChangeRows:
    """Converts the batches of one capture instance.

    A before image (operation 3) becomes a delete: it is only asked for where rows are applied by
    another key than the capture's, so that a moved row leaves its old place.
    """

    def __init__(
        self, schema: TableSchema, columns: Sequence[SqlColumn], ordinals: Sequence[int]
    ) -> None:
        """Prepare.

        Args:
            columns: of the source table, as `schema` names them.
            ordinals: of each in the capture instance, from 1.
        """
        self._final = change_schema(schema)
        self._long = [
            (index, column.name, ordinal)
            for index, (column, ordinal) in enumerate(zip(columns, ordinals, strict=True))
            if is_unbounded(column)
        ]
        self.raw = TableSchema(
            table=schema.table,
            columns=(
                *METADATA,
                *(
                    Column(name=c.name, type=c.type, nullable=True, native_type=c.native_type)
                    for c in schema.columns
                ),
            ),
        )

    def convert(self, batch: pa.RecordBatch, *, zone_s: float) -> pa.RecordBatch:
        """Return the change rows of one batch of `raw`.

        Args:
            zone_s: seconds from the server's local time to UTC.
        """
        start, command, seqval, operation, mask, ended = batch.columns[: len(METADATA)]
        columns = batch.columns[len(METADATA) :]
        minutes = round(zone_s / 60)
        shifted = pc.add(
            ended.cast(pa.timestamp("us")), pa.scalar(minutes * _MINUTE_US, pa.duration("us"))
        )
        values = [
            _OPS.take(operation),
            hex_digits(start),
            pc.fill_null(command, 0),
            hex_digits(seqval),
            pc.cast(shifted, pa.timestamp("us", tz="UTC")),
            self._unchanged(operation, mask, columns),
        ]
        return pa.RecordBatch.from_arrays([*values, *columns], schema=self._final)

    def _unchanged(
        self, operation: pa.Array, mask: pa.Array, columns: Sequence[pa.Array]
    ) -> pa.Array:
        """Return the names of long columns whose value was not logged, as JSON, or NULL."""
        rows = len(operation)
        codes = np.zeros(rows, np.int64)
        updates = operation.to_numpy() == AFTER
        if not updates.any():
            return pa.nulls(rows, pa.string())
        for place, (index, _, ordinal) in enumerate(self._long):
            missing = updates & ~_is_valid(columns[index])
            if missing.any():
                codes |= (missing & ~bit_set(mask, ordinal)).astype(np.int64) << place
        kinds, which = np.unique(codes, return_inverse=True)
        texts = [self._names(int(code)) for code in kinds]
        return pa.array(texts, pa.string()).take(pa.array(which))

    def _names(self, code: int) -> str | None:
        names = [name for place, (_, name, _) in enumerate(self._long) if code >> place & 1]
        return json.dumps(names, ensure_ascii=False) if names else None


def bit_set(mask: pa.Array, ordinal: int) -> NDArray[np.bool_]:
    """Return for each mask whether the column's bit is set; the lowest lie in the last byte."""
    data = mask.cast(pa.large_binary())
    ends = np.frombuffer(data.buffers()[1], np.int64)[data.offset : data.offset + len(data) + 1]
    place = ends[1:] - 1 - (ordinal - 1) // 8
    inside = place >= ends[:-1]
    raw = np.frombuffer(data.buffers()[2], np.uint8) if data.buffers()[2] else np.zeros(1, np.uint8)
    found = raw[np.where(inside, place, 0)] >> ((ordinal - 1) % 8) & 1
    return np.logical_and(inside, found.astype(np.bool_))


def hex_digits(array: pa.Array) -> pa.Array:
    """Return 10-byte values as 20 lower-case hex digits; none of them is NULL."""
    rows = len(array)
    begin = array.offset
    offsets = np.frombuffer(array.buffers()[1], np.int32)[begin : begin + rows + 1]
    raw = np.frombuffer(array.buffers()[2], np.uint8)[offsets[0] : offsets[-1]] if rows else _EMPTY
    text = _HEX[raw].view(np.uint8)
    ends = np.arange(0, (rows + 1) * 2 * _LSN_BYTES, 2 * _LSN_BYTES, dtype=np.int32)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(ends), pa.py_buffer(text))


_EMPTY: Final = np.zeros(0, np.uint8)


def _is_valid(array: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(array.is_valid())
