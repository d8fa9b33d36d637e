"""Tables and columns as every connector sees them."""

import msgspec
import pyarrow as pa
from msgspec import Struct

from dtaas.model.types import ColumnType, arrow_type


class TableRef(Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """Schema and name of a table, exactly as the source spells them, never quoted or joined."""

    schema: str
    name: str

    def __str__(self) -> str:
        """Return `schema.name` for people; not a quoted identifier and not parseable."""
        return f"{self.schema}.{self.name}"


class Column(Struct, frozen=True, kw_only=True):
    """One column.

    Attributes:
        native_type: the source's own declaration, such as `decimal(18,4)`; for people.
    """

    name: str
    type: ColumnType
    nullable: bool
    native_type: str = ""


class TableSchema(Struct, frozen=True, kw_only=True):
    """What a table looks like: columns in order and the key, if it has one.

    Attributes:
        key: names of the columns of the primary key or, without one, of a unique index over
            NOT NULL columns, in key order; empty when rows cannot be told apart.
    """

    table: TableRef
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    def arrow_schema(self) -> pa.Schema:
        """Return the schema of every batch of this table."""
        return pa.schema([pa.field(c.name, arrow_type(c.type), c.nullable) for c in self.columns])

    def column(self, name: str) -> Column:
        """Return the column called `name`.

        Raises:
            KeyError: there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


class TableInfo(Struct, frozen=True, kw_only=True):
    """A table as discovery lists it.

    Attributes:
        row_count: estimate from the source's own statistics, None when not readable.
        data_bytes: size on disk including LOBs, None when not readable.
        cdc_enabled: whether change data capture already tracks it.
        unsupported: what cannot be moved and why, one sentence each; empty means all of it can.
        warnings: what can be moved but with a caveat, one sentence each.
    """

    table: TableRef
    row_count: int | None
    data_bytes: int | None
    key: tuple[str, ...]
    column_count: int
    cdc_enabled: bool = False
    partitions: int = 1
    unsupported: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def encode_schema(schema: TableSchema) -> bytes:
    """Return the schema as JSON, equal bytes for equal schemas."""
    return msgspec.json.encode(schema)


def decode_schema(data: bytes) -> TableSchema:
    """Return the schema `encode_schema` wrote."""
    return msgspec.json.decode(data, type=TableSchema)
