"""From rows of CHANGETABLE and the live table to change rows of the model."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from dtaas.connectors.sqlserver.quoting import identifier, table_name
from dtaas.connectors.sqlserver.types import SqlColumn, value_expression
from dtaas.model.changes import CHANGE_FIELDS, ChangeOp, ChangeWindow, change_schema
from dtaas.model.schema import Column, TableSchema
from dtaas.model.types import Integer, String

METADATA: Final = (
    Column(name="SYS_CHANGE_VERSION", type=Integer(64), nullable=False),
    Column(name="SYS_CHANGE_OPERATION", type=String(1), nullable=False),
    Column(name="present", type=Integer(32), nullable=False),
)
"""What is selected in front of the table's columns."""
_DIGITS: Final = 20


class TrackedRows:
    """Converts the batches of one window. Used once: it counts the rows."""

    def __init__(self, schema: TableSchema) -> None:
        self._final = change_schema(schema)
        self._rows = 0
        self.raw = TableSchema(
            table=schema.table,
            columns=(*METADATA, *(_nullable(c) for c in schema.columns)),
        )

    def convert(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the change rows of a batch of `raw`.

        A row that is not in the table any more was deleted, whatever was noted of it.
        """
        version, op, present = batch.columns[: len(METADATA)]
        count = batch.num_rows
        places = pa.array(range(self._rows, self._rows + count), pa.int64()).cast(pa.string())
        self._rows += count
        gone = pc.equal(present, 0)
        values = [
            pc.if_else(gone, ChangeOp.DELETE.value, op.cast(pa.string())),
            _hex(version),
            pa.repeat(pa.scalar(0, pa.int32()), count),
            pc.utf8_lpad(places, _DIGITS, "0"),  # decimal digits sort as hexadecimal ones do
            *(pa.nulls(count, field.type) for field in CHANGE_FIELDS[4:]),
        ]
        columns = [*values, *batch.columns[len(METADATA) :]]
        return pa.RecordBatch.from_arrays(columns, schema=self._final)


def window_query(schema: TableSchema, columns: Sequence[SqlColumn], window: ChangeWindow) -> str:
    """Select what changed last inside a window, with the values rows have now.

    A row that changed again since belongs to the window of that change.
    """
    known = {c.name: c for c in columns}
    keys = {name: f"dtaas_k{number}" for number, name in enumerate(schema.key)}
    inner = ", ".join(f"c.{identifier(name)} AS {alias}" for name, alias in keys.items())
    join = " AND ".join(f"{identifier(name)} = {alias}" for name, alias in keys.items())
    items = ["dtaas_v", "dtaas_o"]
    items.append(f"CASE WHEN {identifier(schema.key[0])} IS NULL THEN 0 ELSE 1 END AS dtaas_p")
    for number, column in enumerate(schema.columns):
        found = known[column.name]
        if column.name in keys:
            found = replace(found, name=keys[column.name])
        items.append(f"{value_expression(found)} AS dtaas_{number}")
    return (
        f"DECLARE @after bigint = {int.from_bytes(window.after)},"
        f" @to bigint = {int.from_bytes(window.to)};"
        f" SELECT {', '.join(items)} FROM (SELECT c.SYS_CHANGE_VERSION AS dtaas_v,"
        f" c.SYS_CHANGE_OPERATION AS dtaas_o, {inner}"
        f" FROM CHANGETABLE(CHANGES {table_name(schema.table)}, @after) AS c"
        f" WHERE c.SYS_CHANGE_VERSION <= @to) AS dtaas_c"
        f" LEFT JOIN {table_name(schema.table)} ON {join}"
        f" ORDER BY dtaas_v, {', '.join(keys.values())}"
    )


def _nullable(column: Column) -> Column:
    return Column(name=column.name, type=column.type, nullable=True, native_type=column.native_type)


def _hex(version: pa.Array) -> pa.Array:
    """Return versions as 20 lower-case hex digits. Few differ, so each is written once."""
    kinds, which = np.unique(version.to_numpy(zero_copy_only=False), return_inverse=True)
    texts = pa.array([f"{int(kind):0{_DIGITS}x}" for kind in kinds], pa.string())
    return texts.take(pa.array(which))
