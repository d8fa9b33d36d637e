"""CREATE TABLE, DROP TABLE and TRUNCATE."""

import asyncpg
from msgspec.structs import replace

from dtaas.sandbox.sqlserver.catalog import ColumnDef
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.catalog import name_key
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.columns import (
    Table,
    TypedColumn,
    add_column,
    column_def,
    create_sequence,
    finish_column,
    not_deterministic,
    resolve_column,
)
from dtaas.sandbox.sqlserver.storage.ddl.constraints import add_constraint
from dtaas.sandbox.sqlserver.storage.ddl.context import (
    Context,
    cannot_drop,
    dotted,
    shown_name,
    storage_table,
)
from dtaas.sandbox.sqlserver.storage.ddl.indexes import add_index, partition_table
from dtaas.sandbox.sqlserver.storage.ddl.tracking_log import stop_tracking


async def create_table(context: Context, spec: ddl.CreateTable) -> int:
    """Carry out CREATE TABLE and return the object_id.

    Raises:
        SqlError: 2714 the name is taken, 2705 two columns of one name, 2744 two identity columns,
            and what columns, indexes and constraints raise.
    """
    place = await context.place(spec.table)
    object_id = await context.add_object(place, "U")
    table = Table(
        database_id=place.database_id,
        object_id=object_id,
        schema_id=place.schema_id,
        schema=place.schema,
        name=shown_name(place.name),
        storage=storage_table(place.database_id, object_id),
    )
    _check_identities(spec.columns, table)
    columns = await _resolve(context, table, _with_key_nullability(spec))
    known: tuple[ColumnDef, ...] = tuple(column_def(c) for c in columns)
    definitions = [await add_column(context, table, c, known) for c in columns]
    for column in columns:
        if column.spec.identity is not None:
            await create_sequence(context, table, column.spec.identity)
    unlogged = "UNLOGGED " if place.is_temporary else ""
    try:
        await context.connection.execute(
            f"CREATE {unlogged}TABLE {table.storage} ({', '.join(definitions)})"
        )
    except asyncpg.InvalidObjectDefinitionError as error:
        raise not_deterministic(table, spec.columns) from error
    for column in columns:
        await finish_column(context, table, column)
    await _add_constraints(context, table, spec)
    return object_id


async def drop_tables(context: Context, spec: ddl.DropObjects) -> None:
    """Carry out DROP TABLE.

    Raises:
        SqlError: 3701 no such table, 3726 a foreign key points to it.
    """
    for name in spec.names:
        record = await context.find(name, "U")
        if record is None:
            if spec.if_exists:
                continue
            raise cannot_drop("table", dotted(name))
        if await _referenced_by_others(context, record["object_id"]):
            raise SqlError(
                3726,
                f"Could not drop object '{dotted(name)}' because it is referenced by a FOREIGN KEY "
                "constraint.",
            )
        await remove_table(context.connection, record["database_id"], record["object_id"])


async def remove_table(connection: asyncpg.Connection, database_id: int, object_id: int) -> None:
    """Drop a table with its meta rows; those of its keys and columns go with it."""
    await stop_tracking(connection, database_id, object_id)
    await connection.execute(f"DROP TABLE {storage_table(database_id, object_id)} CASCADE")
    await connection.execute(
        "DELETE FROM meta.foreign_keys WHERE referenced_object_id = $1", object_id
    )
    await connection.execute("DELETE FROM meta.objects WHERE object_id = $1", object_id)


async def truncate(context: Context, spec: ddl.Truncate) -> None:
    """Carry out TRUNCATE TABLE, which puts the identity back to its seed.

    Raises:
        SqlError: 4701 no such table, 4712 a foreign key points to it, 4711 CDC captures it.
    """
    record = await context.find(spec.table, "U")
    if record is None:
        raise SqlError(
            4701,
            f'Cannot find the object "{dotted(spec.table)}" because it does not exist or you do '
            "not have permissions.",
        )
    if await _referenced_by_others(context, record["object_id"]):
        raise SqlError(
            4712,
            f"Cannot truncate table '{dotted(spec.table)}' because it is being referenced by a "
            "FOREIGN KEY constraint.",
        )
    if record["is_tracked_by_cdc"]:
        raise SqlError(
            4711,
            f"Cannot truncate table '{dotted(spec.table)}' because it is published for replication "
            "or enabled for Change Data Capture.",
        )
    storage = storage_table(record["database_id"], record["object_id"])
    await context.connection.execute(f"TRUNCATE {storage} RESTART IDENTITY")


async def _referenced_by_others(context: Context, object_id: int) -> bool:
    found = await context.connection.fetchval(
        "SELECT 1 FROM meta.foreign_keys f JOIN meta.objects o USING (object_id)"
        " WHERE f.referenced_object_id = $1 AND o.parent_object_id <> $1",
        object_id,
    )
    return bool(found)


def _check_identities(columns: tuple[ddl.Column, ...], table: Table) -> None:
    if sum(c.identity is not None for c in columns) > 1:
        raise SqlError(
            2744,
            f"Multiple identity columns specified for table '{table.name}'. Only one identity "
            "column per table is allowed.",
            state=2,
        )


def _with_key_nullability(spec: ddl.CreateTable) -> list[ddl.Column]:
    """Return the columns; those of the primary key are NOT NULL unless they say NULL."""
    inline = [k for c in spec.columns for k in c.constraints if isinstance(k, ddl.Key)]
    keys = [k for k in (*spec.constraints, *inline) if isinstance(k, ddl.Key) and k.primary]
    names = {name_key(column.name) for key in keys for column in key.columns}
    return [
        replace(c, nullable=False) if c.nullable is None and name_key(c.name) in names else c
        for c in spec.columns
    ]


async def _resolve(context: Context, table: Table, columns: list[ddl.Column]) -> list[TypedColumn]:
    """Type the ordinary columns first: computed ones may name any of them."""
    typed: dict[int, TypedColumn] = {}
    for column_id, column in enumerate(columns, 1):
        if column.computed is None:
            typed[column_id] = await resolve_column(context, table, column, column_id, ())
    known = tuple(column_def(c) for c in typed.values())
    for column_id, column in enumerate(columns, 1):
        if column.computed is not None:
            typed[column_id] = await resolve_column(context, table, column, column_id, known)
    return [typed[i] for i in sorted(typed)]


async def _add_constraints(context: Context, table: Table, spec: ddl.CreateTable) -> None:
    """Add everything; keys first, for foreign keys of the table to itself."""
    inline = [constraint for column in spec.columns for constraint in column.constraints]
    constraints = [*inline, *spec.constraints]
    clustered_said = any(isinstance(c, ddl.Key) and c.clustered for c in constraints) or any(
        i.clustered for i in spec.indexes
    )
    for constraint in sorted(constraints, key=lambda c: not isinstance(c, ddl.Key)):
        if isinstance(constraint, ddl.Key) and constraint.clustered is None and clustered_said:
            constraint = replace(constraint, clustered=False)  # noqa: PLW2901
        await add_constraint(context, table, constraint)
    for index in spec.indexes:
        await add_index(context, table, index)
    if spec.space:
        await partition_table(context, table, spec.space)
