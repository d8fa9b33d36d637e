"""Change rows and positions for tests of destinations that apply changes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from dtaas.model.changes import change_schema
from dtaas.model.schema import TableSchema

Change = tuple[str, int, Sequence[Any], str | None]
"""Operation, number of the transaction, values, `_unchanged`."""


def place(number: int) -> bytes:
    """A position whose two halves both matter."""
    return (number << 40 | number).to_bytes(10, "big")


def batch_of(schema: TableSchema, changes: Sequence[Change]) -> pa.RecordBatch:
    arrow = change_schema(schema)
    rows = [
        [op, place(lsn).hex(), n, f"{n:020x}", datetime(2026, 1, 1, tzinfo=UTC), kept, *values]
        for n, (op, lsn, values, kept) in enumerate(changes)
    ]
    arrays = [pa.array([row[i] for row in rows], f.type) for i, f in enumerate(arrow)]
    return pa.RecordBatch.from_arrays(arrays, schema=arrow)
