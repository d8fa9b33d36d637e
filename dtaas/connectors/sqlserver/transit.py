"""From what arrow-odbc fetches to exactly the batches the model promises.

arrow-odbc ends the whole process when asked for a conversion its driver cannot make, so only
conversions proven by tests are asked for, and only when the result has the type expected.
"""

import pyarrow as pa
import pyarrow.compute as pc

from dtaas.connectors.sqlserver.types import SqlColumn, is_unbounded
from dtaas.model.errors import SchemaChangedError
from dtaas.model.schema import TableSchema
from dtaas.model.types import Uuid

_REPLACEMENT_UTF8 = "\N{REPLACEMENT CHARACTER}".encode()
_INDICATOR_BYTES = 8


def transit_schema(schema: TableSchema) -> pa.Schema:
    """Return the schema to fetch in: the final one, with every column nullable.

    A NULL in a column that should have none is then noticed, not undefined.
    """
    return pa.schema([field.with_nullable(True) for field in schema.arrow_schema()])


def require_fetchable(found: pa.Schema, schema: TableSchema) -> pa.Schema:
    """Return the schema to fetch in, once the result's own types are those it can come from.

    Raises:
        SchemaChangedError: the result is not that of the table as it was described.
    """
    wanted = transit_schema(schema)
    for index, column in enumerate(schema.columns):
        if index >= len(found) or not _converts(found.field(index).type, wanted.field(index).type):
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
        # The driver spells ids in capitals.
        arrays.append(pc.ascii_lower(array) if isinstance(column.type, Uuid) else array)
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


def _converts(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Return whether arrow-odbc fetches a column it reports as `found` exactly as `wanted`."""
    kinds = (
        (pa.types.is_integer, pa.types.is_integer),
        (pa.types.is_floating, pa.types.is_floating),
        (pa.types.is_time, pa.types.is_time),
        (pa.types.is_timestamp, pa.types.is_timestamp),
        (pa.types.is_string, _is_text_or_moment),
        (pa.types.is_binary, _is_bytes),
    )
    for is_wanted, is_found in kinds:
        if is_wanted(wanted):
            return bool(is_found(found))
    return bool(found == wanted)


def _is_text_or_moment(found: pa.DataType) -> bool:
    return bool(pa.types.is_string(found) or pa.types.is_timestamp(found))


def _is_bytes(found: pa.DataType) -> bool:
    return bool(pa.types.is_binary(found) or pa.types.is_fixed_size_binary(found))
