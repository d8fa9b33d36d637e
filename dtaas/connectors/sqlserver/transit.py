"""From what arrow-odbc fetches to exactly the batches the model promises.

arrow-odbc ends the whole process when asked for a conversion its driver cannot make, so only
conversions proven by tests are asked for, and only when the result has the type expected.
"""

import pyarrow as pa

from dtaas.connectors.sqlserver.struct_text import STRUCT_BYTES, guid_text, timestamp_text
from dtaas.connectors.sqlserver.types import SqlColumn, is_unbounded
from dtaas.model.errors import SchemaChangedError
from dtaas.model.schema import TableSchema
from dtaas.model.types import (
    Binary,
    ColumnType,
    Float,
    Integer,
    Time,
    Timestamp,
    Uuid,
    arrow_type,
)

_REPLACEMENT_UTF8 = "\N{REPLACEMENT CHARACTER}".encode()
_INDICATOR_BYTES = 8
_STRUCTURE = pa.binary(STRUCT_BYTES)


def transit_schema(schema: TableSchema) -> pa.Schema:
    """Return the schema to fetch in: the final one, but ids and long moments as structures.

    Every column is nullable: a NULL in one that should have none is then noticed, not undefined.
    """
    fields = zip(schema.arrow_schema(), schema.columns, strict=True)
    return pa.schema(
        [
            pa.field(field.name, _STRUCTURE if _as_structure(column.type) else field.type)
            for field, column in fields
        ]
    )


def require_fetchable(found: pa.Schema, schema: TableSchema) -> pa.Schema:
    """Return the schema to fetch in, once the result's own types are those it can come from.

    Raises:
        SchemaChangedError: the result is not that of the table as it was described.
    """
    wanted = transit_schema(schema)
    for index, column in enumerate(schema.columns):
        if index >= len(found) or not _converts(found.field(index).type, column.type):
            raise SchemaChangedError(
                f"Column {column.name} of {schema.table} is not {column.native_type} any more.",
                hint="Start the task with force to load the table anew.",
            )
    return wanted


def to_batch(fetched: pa.RecordBatch, schema: TableSchema) -> pa.RecordBatch:
    """Return fetched rows with exactly `schema.arrow_schema()`.

    Raises:
        SchemaChangedError: a column that was NOT NULL holds NULL.
    """
    arrays = []
    for column, array in zip(schema.columns, fetched.columns, strict=True):
        if array.null_count and not column.nullable:
            raise SchemaChangedError(
                f"Column {column.name} of {schema.table} was NOT NULL and now holds NULL.",
                hint="Start the task with force to load the table anew.",
            )
        arrays.append(_final(array, column.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema.arrow_schema())


def holds_replacement(array: pa.Array) -> bool:
    """Return whether a string array holds U+FFFD, which a lone surrogate arrives as."""
    data = array.buffers()[2]
    return data is not None and data.to_pybytes().find(_REPLACEMENT_UTF8) >= 0


def declared_length(column: SqlColumn) -> int:
    """Return the longest value in transit, in UTF-16 units or bytes; 0 for unbounded columns."""
    if is_unbounded(column):
        return 0
    match column.base_type:
        case "char" | "varchar" | "nchar" | "nvarchar" | "binary" | "varbinary":
            return column.characters
        case "hierarchyid":
            return 4000
        case _:  # numbers, times and ids that the driver hands over as text
            return 48


def transit_row_bytes(column: SqlColumn, *, longest: int) -> int:
    """Return the bytes one value of the column takes in a transit buffer.

    Args:
        longest: longest value of an unbounded column, in UTF-16 units or bytes.
    """
    length = longest if is_unbounded(column) else declared_length(column)
    units = 1 if column.base_type in ("binary", "varbinary", "image", "timestamp") else 2
    return units * length + _INDICATOR_BYTES


def _as_structure(column: ColumnType) -> bool:
    """Return whether a column is fetched as 16 bytes and made text here."""
    return isinstance(column, Uuid) or column == Timestamp(7)


def _final(array: pa.Array, column: ColumnType) -> pa.Array:
    match column:
        case Uuid():
            return guid_text(array)
        case Timestamp(digits=7):
            return timestamp_text(array)
        case _:
            return array


def _converts(found: pa.DataType, column: ColumnType) -> bool:
    """Return whether arrow-odbc fetches exactly a column that it reports as `found`."""
    match column:
        case Integer():
            return bool(pa.types.is_integer(found))
        case Float():
            return bool(pa.types.is_floating(found))
        case Time():
            return bool(pa.types.is_time(found))
        case Timestamp():
            return bool(pa.types.is_timestamp(found))
        case Binary():
            return bool(pa.types.is_binary(found) or pa.types.is_fixed_size_binary(found))
        case _:
            return bool(found == arrow_type(column))
