"""Schemas and alias types."""

from typing import Final

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.catalog import name_key
from dtaas.sandbox.sqlserver.storage.column_types import figures
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.columns import resolve_type
from dtaas.sandbox.sqlserver.storage.ddl.context import (
    Context,
    already_exists,
    dotted,
)

_FIRST_TYPE_ID: Final = 257
_FIRST_SCHEMA_ID: Final = 5
_FIRST_FIXED_ROLE: Final = 16384


async def create_schema(context: Context, spec: ddl.CreateSchema) -> None:
    """Carry out CREATE SCHEMA. Raises: SqlError 2714 it exists."""
    database_id = context.catalog.database_id
    taken = await context.connection.fetchval(
        "SELECT 1 FROM meta.schemas WHERE database_id = $1 AND store.name_key(name) = $2",
        database_id,
        name_key(spec.name),
    )
    if taken:
        raise already_exists(spec.name)
    await context.connection.execute(
        "INSERT INTO meta.schemas (database_id, schema_id, name)"
        " SELECT $1, coalesce(max(schema_id) + 1, $3), $2 FROM meta.schemas"
        " WHERE database_id = $1 AND schema_id BETWEEN $3 AND $4",
        database_id,
        spec.name,
        _FIRST_SCHEMA_ID,
        _FIRST_FIXED_ROLE - 1,
    )


async def drop_schema(context: Context, spec: ddl.DropSchema) -> None:
    """Carry out DROP SCHEMA. Raises: SqlError 15151 there is none, 3729 it is not empty."""
    record = await context.connection.fetchrow(
        "SELECT s.schema_id, (SELECT min(o.name) FROM meta.objects o"
        "  WHERE o.database_id = s.database_id AND o.schema_id = s.schema_id) AS object"
        " FROM meta.schemas s WHERE s.database_id = $1 AND store.name_key(s.name) = $2",
        context.catalog.database_id,
        name_key(spec.name),
    )
    if record is None or not _FIRST_SCHEMA_ID <= record["schema_id"] < _FIRST_FIXED_ROLE:
        if record is None and spec.if_exists:
            return
        raise SqlError(
            15151,
            f"Cannot drop the schema '{spec.name}', because it does not exist or you do not have "
            "permission.",
        )
    if record["object"] is not None:
        raise SqlError(
            3729,
            f"Cannot drop schema '{spec.name}' because it is being referenced by object "
            f"'{record['object']}'.",
        )
    await context.connection.execute(
        "DELETE FROM meta.schemas WHERE database_id = $1 AND schema_id = $2",
        context.catalog.database_id,
        record["schema_id"],
    )


async def create_type(context: Context, spec: ddl.CreateType) -> None:
    """Carry out CREATE TYPE … FROM. Raises: SqlError 219 it exists."""
    place = await context.place(spec.name)
    if context.catalog.user_type(place.schema, place.name) is not None:
        raise SqlError(
            219,
            f"The type '{dotted(spec.name)}' already exists, or you do not have permission to "
            "create it.",
        )
    column = ddl.Column(name=place.name, type=spec.type)
    type_, _, _ = await resolve_type(context, column, 1)
    shown = figures(type_)
    await context.connection.execute(
        "INSERT INTO meta.alias_types SELECT $1, coalesce(max(user_type_id) + 1, $14), $2, $3, $4,"
        " $5, $6, $7, $8, $9, $10, $11, $12 FROM meta.alias_types WHERE database_id = $13",
        place.database_id,
        place.schema_id,
        place.name,
        type_.name,
        type_.length,
        type_.precision,
        type_.scale,
        type_.collation,
        shown.max_length,
        shown.precision,
        shown.scale,
        int(spec.nullable),
        place.database_id,
        _FIRST_TYPE_ID,
    )


async def drop_type(context: Context, spec: ddl.DropType) -> None:
    """Carry out DROP TYPE. Raises: SqlError 218 there is none, 3732 a column has it."""
    place = await context.place(spec.name)
    type_id = await context.connection.fetchval(
        "SELECT user_type_id FROM meta.alias_types WHERE database_id = $1 AND schema_id = $2"
        " AND store.name_key(name) = $3",
        place.database_id,
        place.schema_id,
        name_key(place.name),
    )
    if type_id is None:
        if spec.if_exists:
            return
        raise SqlError(
            218,
            f"Could not find the type '{dotted(spec.name)}'. Either it does not exist or you do "
            "not have the necessary permission.",
        )
    used = await context.connection.fetchval(
        "SELECT o.name FROM meta.columns c JOIN meta.objects o USING (object_id)"
        " WHERE o.database_id = $1 AND c.user_type_id = $2 LIMIT 1",
        place.database_id,
        type_id,
    )
    if used is not None:
        raise SqlError(
            3732,
            f"Cannot drop type '{dotted(spec.name)}' because it is being referenced by object "
            f"'{used}'. There may be other objects that reference this type.",
        )
    await context.connection.execute(
        "DELETE FROM meta.alias_types WHERE database_id = $1 AND user_type_id = $2",
        place.database_id,
        type_id,
    )
