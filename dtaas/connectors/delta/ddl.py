"""What is done to a Delta table's columns, as Delta's own SQL says it. Pure.

The commits are made without SQL; the statements are for people who read a plan.
"""

from collections.abc import Mapping
from typing import Final

import pyarrow as pa
from deltalake import Schema
from msgspec import Struct

from dtaas.connectors.delta.forms import widens
from dtaas.model.errors import SchemaChangedError
from dtaas.model.plan import TargetDdl

_SQL_NAMES: Final = {"long": "BIGINT", "integer": "INT", "short": "SMALLINT", "byte": "TINYINT"}


class Evolution(Struct, frozen=True):
    """How a table's columns change: wider types of some, and new ones."""

    wider: Mapping[str, pa.DataType]
    new: tuple[pa.Field, ...]


def evolution(present: pa.Schema, wanted: pa.Schema, uri: str) -> Evolution:
    """Return what lets a table take rows; a column they lack stays.

    Raises:
        SchemaChangedError: a column is of another kind than the rows' values.
    """
    wider: dict[str, pa.DataType] = {}
    for field in wanted:
        if field.name not in present.names:
            continue
        old = present.field(field.name).type
        if widens(old, field.type):
            wider[field.name] = field.type
        elif old != field.type and not widens(field.type, old):
            raise SchemaChangedError(
                f"Column {field.name!r} of {uri} is {old}, but the source's values"
                f" are {field.type} now.",
                hint="Start the task with force to load the table anew.",
            )
    return Evolution(wider, tuple(f for f in wanted if f.name not in present.names))


def described(schema: pa.Schema) -> tuple[tuple[str, str], ...]:
    """Return columns with the names of Delta's types."""
    return tuple((field.name, _sql(field)) for field in schema)


def target_ddl(uri: str, wanted: pa.Schema, present: pa.Schema | None) -> TargetDdl:
    """Return the statements for a table whose rows have the stored schema `wanted`."""
    table = f"delta.{_quoted(uri)}"
    columns = ", ".join(f"{_quoted(name)} {kind}" for name, kind in described(wanted))
    found = TargetDdl(
        columns=described(wanted),
        create=(f"CREATE TABLE {table} ({columns}) USING DELTA",),
        replace=(f"CREATE OR REPLACE TABLE {table} ({columns}) USING DELTA",),
    )
    if present is None:
        return found
    try:
        change = evolution(present, wanted, uri)
    except SchemaChangedError as error:
        return TargetDdl(
            columns=found.columns,
            create=found.create,
            replace=found.replace,
            conflict=f"{error.detail} {error.hint}",
        )
    evolve = [
        f"ALTER TABLE {table} ALTER COLUMN {_quoted(name)} TYPE {_sql(pa.field(name, kind))}"
        for name, kind in change.wider.items()
    ]
    if change.new:
        added = ", ".join(f"{_quoted(f.name)} {_sql(f)}" for f in change.new)
        evolve.append(f"ALTER TABLE {table} ADD COLUMNS ({added})")
    return TargetDdl(
        columns=found.columns, create=found.create, replace=found.replace, evolve=tuple(evolve)
    )


def _sql(field: pa.Field) -> str:
    (stored,) = Schema.from_arrow(pa.schema([field])).fields
    kind = str(getattr(stored.type, "type", stored.type))
    return _SQL_NAMES.get(kind, kind.upper())


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
