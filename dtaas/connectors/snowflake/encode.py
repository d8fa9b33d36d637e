"""Rows to the Parquet files Snowflake loads: zstd, logical types, the target's column names."""

import io
from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dtaas.connectors.fold import kept_columns
from dtaas.connectors.history import VALID_FROM, VALID_TO
from dtaas.connectors.snowflake.history import AT, FROM, TO
from dtaas.connectors.snowflake.layout import TargetColumn
from dtaas.connectors.snowflake.statements import OP, keep_flag
from dtaas.connectors.snowflake.types import staged_column
from dtaas.model import changes as change

FILE_BYTES: Final = 64 * 1024 * 1024
"""Arrow bytes of one file: its Parquet stays far below what the connector spools in memory."""
NO_COLUMNS: Final[Mapping[str, bool]] = {}


def encoded_rows(
    rows: pa.Table, columns: Sequence[TargetColumn], own: Mapping[str, bool] = NO_COLUMNS
) -> bytes:
    """Return rows as one Parquet file.

    Args:
        own: columns of ours by name, and the value of all rows.
    """
    arrays = [staged_column(rows.column(c.source), c.column.type) for c in columns]
    arrays += [pa.repeat(pa.scalar(value), rows.num_rows) for value in own.values()]
    return _parquet(pa.table(arrays, names=[*(c.bare for c in columns), *own]))


def encoded_changes(rows: pa.Table, columns: Sequence[TargetColumn]) -> bytes:
    """Return folded change rows as one Parquet file.

    Beside the columns it has the operation and, for every column of which some row keeps the
    target's value, a flag that says which. Rows of `versions` have their times and position too.
    """
    arrays = [staged_column(rows.column(c.source), c.column.type) for c in columns]
    names = [c.bare for c in columns]
    arrays.append(rows.column(change.OP))
    names.append(OP.strip('"'))
    if VALID_FROM in rows.column_names:
        arrays += [rows.column(name) for name in (VALID_FROM, VALID_TO, change.LSN)]
        names += [name.strip('"') for name in (FROM, TO, AT)]
    kept = kept_columns(rows)
    for number, column in enumerate(columns):
        if column.source in kept:
            arrays.append(pa.chunked_array([pa.array(kept[column.source])]))
            names.append(keep_flag(number).strip('"'))
    return _parquet(pa.table(arrays, names=names))


def bounds_of(rows: pa.Table, column: TargetColumn) -> tuple[str, str] | None:
    """Return literals of the lowest and highest value, None for types without a plain one."""
    values = rows.column(column.source)
    if not (pa.types.is_integer(values.type) or pa.types.is_date(values.type)):
        return None
    found = pc.min_max(values)
    low, high = (found[name].cast(pa.string()).as_py() for name in ("min", "max"))
    if pa.types.is_date(values.type):
        return f"'{low}'::DATE", f"'{high}'::DATE"
    return str(low), str(high)


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        version="2.6",
        compression="zstd",
        compression_level=1,
        use_dictionary=False,
        write_statistics=False,
    )
    return sink.getvalue()
