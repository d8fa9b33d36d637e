"""Column types as Delta Lake stores them: what it has no type for, and back.

Delta has no time of day: it is stored as text `HH:MM:SS.fffffff`, which sorts in time order. Its
timestamps have microseconds. Every column is nullable there, because a source may drop one later.
"""

from typing import Final, assert_never

import pyarrow as pa
from msgspec.structs import replace

from dtaas.connectors.lake.text_forms import from_text, to_text
from dtaas.model.errors import SchemaChangedError
from dtaas.model.load import TargetTable
from dtaas.model.schema import Column, TableSchema
from dtaas.model.types import (
    MICROSECOND_DIGITS,
    Binary,
    Boolean,
    ColumnType,
    Date,
    Decimal,
    Float,
    Integer,
    Json,
    String,
    Time,
    Timestamp,
    TimestampTz,
    Uuid,
    Variant,
    Xml,
    arrow_type,
)

_TIME_CHARS: Final = 16


def stored_schema(schema: TableSchema) -> TableSchema:
    """Return the table as Delta stores it: its `arrow_schema` is that of the files."""
    columns = tuple(
        replace(c, name=stored_name(c.name), type=_stored(c.type), nullable=True)
        for c in schema.columns
    )
    return replace(schema, columns=columns, key=tuple(stored_name(name) for name in schema.key))


def stored_name(name: str) -> str:
    """Return a column's name as stored: the library would cut it at a NUL character."""
    return name.replace("\0", "!00")


def to_stored(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return a column in its stored form, of type `kind`."""
    if pa.types.is_time(column.type):
        return to_text(column)
    return column.cast(kind)


def from_stored(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return a stored column in its canonical form, of type `kind`.

    Raises:
        pyarrow.ArrowInvalid: it does not hold such values.
    """
    if pa.types.is_time(kind):
        return from_text(column.cast(pa.string()), kind)
    return column.cast(kind)


def stored_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch in its stored form, whose schema is `schema`."""
    columns = [to_stored(c, f.type) for c, f in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def canonical_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a stored batch in its canonical form, whose schema is `schema`."""
    columns = [from_stored(c, f.type) for c, f in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=nullable(schema))


def nullable(schema: pa.Schema) -> pa.Schema:
    """Return the schema with every column nullable."""
    return pa.schema([f.with_nullable(True) for f in schema])


def widens(old: pa.DataType, new: pa.DataType) -> bool:
    """Return whether every value of a stored type `old` is one of `new` as well."""
    if pa.types.is_integer(old) and pa.types.is_integer(new):
        return bool(old.bit_width < new.bit_width)
    if pa.types.is_floating(old) and pa.types.is_floating(new):
        return bool(old.bit_width < new.bit_width)
    if pa.types.is_decimal(old) and pa.types.is_decimal(new):
        whole = new.precision - new.scale >= old.precision - old.scale
        return bool(whole and new.scale >= old.scale)
    if pa.types.is_integer(old) and pa.types.is_decimal(new):
        digits = {16: 5, 32: 10, 64: 19}[old.bit_width]
        return bool(new.precision - new.scale >= digits)
    return False


def evolution(target: TargetTable, before: Column | None, after: Column) -> tuple[str, ...]:
    """Return what is done to a table of changes for one column.

    Raises:
        SchemaChangedError: the column is of another kind than the source's values.
    """
    new = arrow_type(_stored(after.type))
    if before is None:
        return (f"ADD COLUMN {after.name} {new} TO {target}",)
    old = arrow_type(_stored(before.type))
    if widens(old, new):
        return (f"REWRITE {target} WITH {after.name} AS {new}",)
    if old != new and not widens(new, old):
        raise SchemaChangedError(
            f"Column {after.name!r} of {target} is {old}, but the source's values are {new} now.",
            hint="Start the task with force to load the table anew.",
        )
    return ()


def _stored(kind: ColumnType) -> ColumnType:
    match kind:
        case Time():
            return String(_TIME_CHARS)
        case Timestamp(digits=digits) if digits <= MICROSECOND_DIGITS:
            return Timestamp(MICROSECOND_DIGITS)
        case Timestamp():
            return kind
        case Boolean() | Integer() | Decimal() | Float() | Date() | TimestampTz() | String():
            return kind
        case Binary() | Uuid() | Xml() | Json() | Variant():
            return kind
        case _:
            assert_never(kind)
