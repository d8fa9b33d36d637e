"""From what arrow-odbc fetches to exactly the batches the model promises.

arrow-odbc ends the whole process when asked for a conversion its driver cannot make, so only
conversions proven by tests are asked for, and only when the result has the type expected.
"""

from collections.abc import Callable, Sequence

import pyarrow as pa
from msgspec import Struct

from dtaas.connectors.sqlserver.structures import (
    GUID_BYTES,
    NUMERIC_BYTES,
    TIMESTAMP_BYTES,
    decimals,
    guid_text,
    timestamp_text,
)
from dtaas.connectors.sqlserver.types import SqlColumn, is_unbounded
from dtaas.model.errors import SchemaChangedError
from dtaas.model.schema import TableSchema
from dtaas.model.types import (
    MICROSECOND_DIGITS,
    Binary,
    ColumnType,
    Float,
    Integer,
    Time,
    Timestamp,
    arrow_type,
)

_REPLACEMENT_UTF8 = "\N{REPLACEMENT CHARACTER}".encode()
_INDICATOR_BYTES = 8


class _Structure(Struct, frozen=True):
    """A fixed number of bytes on the way, and what makes the final column of them."""

    kind: pa.DataType
    convert: Callable[[pa.Array, pa.DataType], pa.Array]


class Transit:
    """How one result is fetched: its types on the way, and the batches made of them."""

    def __init__(self, columns: Sequence[SqlColumn], schema: TableSchema) -> None:
        """Prepare for the columns that `schema` names, in its order."""
        self._schema = schema
        self._final = schema.arrow_schema()
        self._structures = [_structure(c) for c in columns]

    def require_fetchable(self, found: pa.Schema) -> pa.Schema:
        """Return the schema to fetch in, once the result's own types are those it can come from.

        Every column is nullable: a NULL in one that should have none is then noticed, not
        undefined.

        Raises:
            SchemaChangedError: the result is not that of the table as it was described.
        """
        for index, column in enumerate(self._schema.columns):
            if index >= len(found) or not _converts(found.field(index).type, column.type):
                raise type_changed(self._schema, index)
        return pa.schema(
            [
                pa.field(field.name, field.type if structure is None else structure.kind)
                for field, structure in zip(self._final, self._structures, strict=True)
            ]
        )

    def to_batch(self, fetched: pa.RecordBatch) -> pa.RecordBatch:
        """Return fetched rows with exactly `TableSchema.arrow_schema()`.

        Raises:
            SchemaChangedError: a column that was NOT NULL holds NULL.
        """
        refuse_nulls(fetched, self._schema)
        columns = zip(self._final, self._structures, fetched.columns, strict=True)
        arrays = [
            array if structure is None else structure.convert(array, field.type)
            for field, structure, array in columns
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._final)


def type_changed(schema: TableSchema, index: int) -> SchemaChangedError:
    """Return the error for a column of a result that is not of the type described."""
    column = schema.columns[index]
    return SchemaChangedError(
        f"Column {column.name} of {schema.table} is not {column.native_type} any more.",
        hint="Start the task with force to load the table anew.",
    )


def refuse_nulls(batch: pa.RecordBatch, schema: TableSchema) -> None:
    """Refuse NULL where there should be none.

    Raises:
        SchemaChangedError: a column that was NOT NULL holds NULL.
    """
    for column, array in zip(schema.columns, batch.columns, strict=True):
        if array.null_count and not column.nullable:
            raise SchemaChangedError(
                f"Column {column.name} of {schema.table} was NOT NULL and now holds NULL.",
                hint="Start the task with force to load the table anew.",
            )


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


def _structure(column: SqlColumn) -> _Structure | None:
    """Return how a column is fetched as a structure, None when the driver's own way is best."""
    match column.base_type:
        case "uniqueidentifier":
            return _Structure(pa.binary(GUID_BYTES), lambda array, _: guid_text(array))
        case "datetime2" if column.scale > MICROSECOND_DIGITS:
            return _Structure(pa.binary(TIMESTAMP_BYTES), lambda array, _: timestamp_text(array))
        case "decimal" | "numeric":
            return _Structure(pa.binary(NUMERIC_BYTES), decimals)
        case _:
            return None


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
