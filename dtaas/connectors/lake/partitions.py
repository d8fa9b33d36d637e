"""Hive-style partitions: which folder a row goes to, and what stays in the file.

As Hive and Spark write it: a column that is itself a partition level stands in the folder's name
only; a date part makes a folder `<column>_<part>` and its column stays in the file. NULL is
`__HIVE_DEFAULT_PARTITION__`, characters special to Hive are percent-encoded (Apache Hive,
FileUtils.escapePathName). An empty text goes to NULL's folder, as Hive does it; the manifest
tells the two apart.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, assert_never
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dtaas.connectors.lake.text_forms import to_text
from dtaas.model.errors import ValidationFailedError, ValueTooLargeError
from dtaas.model.load import PartitionField
from dtaas.model.schema import Column, TableSchema
from dtaas.model.types import (
    Binary,
    Boolean,
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
)

PartitionValues = tuple[tuple[str, str], ...]
"""Folder name and encoded value per level; the value is '' for an empty text."""

NULL_FOLDER: Final = "__HIVE_DEFAULT_PARTITION__"
MAX_FOLDER_BYTES: Final = 255
_SPECIAL: Final = re.compile(r"[\x00-\x1f\"#%'*/:=?\\\x7f{}\[\]^]")
_PART_SLICES: Final = {"year": (0, 4), "month": (5, 7), "day": (8, 10), "hour": (11, 13)}


def encode_value(value: str | None) -> str:
    """Return a value's text as the manifest and, except for '', the folder spell it."""
    if value is None:
        return NULL_FOLDER
    if value == NULL_FOLDER:
        return f"%5F{value[1:]}"
    return _SPECIAL.sub(lambda found: f"%{ord(found[0]):02X}", value)


def decode_value(text: str) -> str | None:
    """Return what `encode_value` was given."""
    return None if text == NULL_FOLDER else unquote(text)


def folder(values: PartitionValues) -> str:
    """Return the folder of a partition, ending in `/`; '' without partitions.

    Raises:
        ValueTooLargeError: a value is too long for the name of a folder.
    """
    names = [f"{encode_value(name)}={value or NULL_FOLDER}" for name, value in values]
    for name in names:
        if len(name.encode()) > MAX_FOLDER_BYTES:
            raise ValueTooLargeError(
                f"A partition folder would be called {name[:60]!r}… and have"
                f" {len(name.encode())} bytes; {MAX_FOLDER_BYTES} is the most.",
                hint="Partition by a column of shorter values.",
            )
    return "".join(f"{name}/" for name in names)


class Partitioner:
    """Splits batches of one table by its partition fields."""

    def __init__(self, schema: TableSchema, fields: tuple[PartitionField, ...]) -> None:
        """Check the fields against the table.

        Raises:
            ValidationFailedError: a field names no column, or one that cannot be partitioned by.
        """
        self._levels = [(_level_name(schema, f), f) for f in fields]
        for position, field in enumerate(fields):
            _check(schema, field, fields[:position])
        dropped = {f.column for f in fields if f.part == "value"}
        self.stored_schema = pa.schema([f for f in schema.arrow_schema() if f.name not in dropped])
        if not len(self.stored_schema):
            raise ValidationFailedError(
                f"Every column of {schema.table} is a partition: nothing would be left to store.",
                hint="Leave at least one column out of partition_by.",
                field="$.table_mappings",
            )

    @property
    def divides(self) -> bool:
        """Return whether there are partitions: to split a batch is work then."""
        return bool(self._levels)

    def split(self, batch: pa.RecordBatch) -> Iterator[tuple[PartitionValues, pa.RecordBatch]]:
        """Yield each partition of the batch once, with its rows in the stored schema."""
        stored = batch.select(self.stored_schema.names)
        if not self._levels:
            yield (), stored
            return
        texts = [self._texts(batch, field) for _, field in self._levels]
        codes = _codes(texts)
        order = np.argsort(codes, kind="stable")
        bounds = [0, *(np.flatnonzero(np.diff(codes[order])) + 1).tolist(), batch.num_rows]
        for start, end in pairwise(bounds):
            row = int(order[start])
            values = tuple(
                (name, encode_value(text[row].as_py()))
                for (name, _), text in zip(self._levels, texts, strict=True)
            )
            # A copy, not a slice: a few waiting rows must not keep a whole batch in memory.
            yield values, stored.take(pa.array(order[start:end]))

    @staticmethod
    def _texts(batch: pa.RecordBatch, field: PartitionField) -> pa.Array:
        texts = to_text(batch.column(field.column))
        if field.part == "value":
            return texts
        start, stop = _PART_SLICES[field.part]
        return pc.utf8_slice_codeunits(texts, start, stop)


def _codes(texts: list[pa.Array]) -> np.ndarray:
    """Return one number a row, equal for rows of the same partition."""
    codes = np.zeros(len(texts[0]), dtype=np.int64)
    for text in texts:
        encoded = text.dictionary_encode(null_encoding="encode")
        level = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        combined = codes * (len(encoded.dictionary) + 1) + level
        codes = np.unique(combined, return_inverse=True)[1].astype(np.int64)  # small again
    return codes


def _level_name(schema: TableSchema, field: PartitionField) -> str:
    if field.part == "value":
        return field.column
    name = f"{field.column}_{field.part}"
    columns = {column.name.casefold() for column in schema.columns}
    while name.casefold() in columns:  # a reader would take the folder for the column
        name += "_"
    return name


def _check(schema: TableSchema, field: PartitionField, before: tuple[PartitionField, ...]) -> None:
    try:
        column = schema.column(field.column)
    except KeyError:
        raise _refused(schema, field, "the table has no such column") from None
    if field in before:
        raise _refused(schema, field, "it is named twice")
    if field.part == "value":
        if not _may_be_value(column):
            raise _refused(schema, field, f"values of type {column.native_type or column.type}")
    elif field.part not in _PART_SLICES:
        raise _refused(schema, field, f"there is no part {field.part!r}")
    elif not _has_part(column, field.part):
        raise _refused(schema, field, f"it has no {field.part}")


def _may_be_value(column: Column) -> bool:
    match column.type:
        case Boolean() | Integer() | Decimal() | Date() | Time() | Timestamp() | TimestampTz():
            return True
        case Uuid() | String():
            return True
        case Float() | Binary() | Xml() | Json() | Variant():
            return False
        case _:
            assert_never(column.type)


def _has_part(column: Column, part: str) -> bool:
    match column.type:
        case Date():
            return part != "hour"
        case Timestamp() | TimestampTz():
            return True
        case _:
            return False


def _refused(schema: TableSchema, field: PartitionField, why: str) -> ValidationFailedError:
    return ValidationFailedError(
        f"{schema.table} cannot be partitioned by {field.column!r}: {why}.",
        hint="Use a column of whole numbers, text, dates or times, or a part of a date.",
        field="$.table_mappings",
    )
