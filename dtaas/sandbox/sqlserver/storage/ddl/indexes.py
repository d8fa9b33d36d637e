"""Indexes, and the keys that stand on them.

A key is a unique index of the storage, never one of its constraints: text columns are indexed by
their sort keys, NULLs count as equal, and ascending order has NULLs first, as in SQL Server.
"""

from typing import Final

import asyncpg

from dtaas.sandbox.sqlserver.catalog import ColumnDef
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.catalog import name_key
from dtaas.sandbox.sqlserver.storage.collations import sort_key
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.columns import (
    Table,
    frame_of,
    known_columns,
    stored_definition,
    table_of,
)
from dtaas.sandbox.sqlserver.storage.ddl.context import Context, Place, cannot_drop, dotted
from dtaas.sandbox.sqlserver.storage.ddl.key_values import duplicate_value
from dtaas.sandbox.sqlserver.storage.one_value import one_value
from dtaas.sandbox.sqlserver.tsql.compile import translate
from dtaas.sandbox.sqlserver.tsql.tree import Parts

_UNINDEXABLE: Final = frozenset({"text", "ntext", "image", "xml", "geometry", "geography"})
_CLUSTERED: Final = 1
_NONCLUSTERED: Final = 2


async def create_index(context: Context, spec: ddl.Index) -> None:
    """Carry out CREATE INDEX.

    Raises:
        SqlError: 1088 no such table, 1913 the name is taken, 1902 a second clustered index,
            1911 no such column, 1505 duplicates, 1919 a type no key may have.
    """
    record = await context.find(spec.table, "U")
    if record is None:
        raise SqlError(
            1088,
            f'Cannot find the object "{dotted(spec.table)}" because it does not exist or you do '
            "not have permissions.",
            state=12,
        )
    await add_index(context, table_of(record, spec.table[-1]), spec)


async def add_index(
    context: Context, table: Table, spec: ddl.Index, *, constraint_id: int | None = None
) -> int:
    """Make an index and return its index_id."""
    columns = await known_columns(context, table)
    index_id = await _index_id(context, table, spec)
    await context.connection.execute(
        "INSERT INTO meta.indexes (object_id, index_id, name, type, is_unique, filter,"
        " constraint_id, data_space_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        table.object_id,
        index_id,
        spec.name,
        _CLUSTERED if spec.clustered else _NONCLUSTERED,
        int(spec.unique),
        stored_definition(spec.filter) if spec.filter else None,
        constraint_id,
        await _data_space(context, table.database_id, spec.space),
    )
    keys = [(find_column(columns, key.name), key.descending) for key in spec.columns]
    included = [find_column(columns, name) for name in spec.included]
    rows = [(column, ordinal, desc) for ordinal, (column, desc) in enumerate(keys, 1)]
    rows += [(column, 0, False) for column in included]
    await context.connection.executemany(
        "INSERT INTO meta.index_columns VALUES ($1, $2, $3, $4, $5, $6)",
        [
            (table.object_id, index_id, n, _column_id(column), ordinal, int(desc))
            for n, (column, ordinal, desc) in enumerate(rows, 1)
        ],
    )
    where = ""
    if spec.filter:
        frame = frame_of(table, columns)
        where = f" WHERE {translate(spec.filter, None, frame, context.catalog)}"
    if spec.clustered and spec.space:
        await partition_table(context, table, spec.space)
    await _create(context, table, spec, index_id, f"{_key_list(keys, table)}{where}")
    return index_id


async def drop_index(context: Context, spec: ddl.DropIndex) -> None:
    """Carry out DROP INDEX.

    Raises:
        SqlError: 3701 no such index, 3723 it backs a constraint.
    """
    shown = f"{dotted(spec.table)}.{spec.name}"
    table = await context.find(spec.table, "U")
    index = None
    if table is not None:
        index = await context.connection.fetchrow(
            "SELECT i.*, k.type AS constraint_type FROM meta.indexes i"
            " LEFT JOIN meta.objects k ON k.object_id = i.constraint_id"
            " WHERE i.object_id = $1 AND store.name_key(i.name) = $2",
            table["object_id"],
            name_key(spec.name),
        )
    if table is None or index is None:
        if spec.if_exists:
            return
        raise cannot_drop("index", shown)
    if index["constraint_type"]:
        kind = "PRIMARY KEY" if index["constraint_type"] == "PK" else "UNIQUE KEY"
        raise SqlError(
            3723,
            f"An explicit DROP INDEX is not allowed on index '{shown}'. It is being used for "
            f"{kind} constraint enforcement.",
            state=4,
        )
    await remove_index(context, table_of(table, spec.table[-1]), index["index_id"])


async def remove_index(context: Context, table: Table, index_id: int) -> None:
    """Drop an index and its meta rows."""
    await context.connection.execute(
        f"DROP INDEX IF EXISTS d{table.database_id}.i_{table.object_id}_{index_id}"
    )
    await context.connection.execute(
        "DELETE FROM meta.indexes WHERE object_id = $1 AND index_id = $2",
        table.object_id,
        index_id,
    )


async def add_key(context: Context, table: Table, key: ddl.Key) -> None:
    """Carry out PRIMARY KEY or UNIQUE.

    Raises:
        SqlError: 1779 a second primary key, 8111 a nullable column, 2714 the name is taken.
    """
    kind = "PK" if key.primary else "UQ"
    if key.primary:
        await _check_primary(context, table, key)
    place = Place(table.database_id, table.schema_id, table.schema, key.name)
    if not key.name:
        made_up = f"{kind}__{table.name[:9]}__{await _next_id(context):016X}"
        place = Place(table.database_id, table.schema_id, table.schema, made_up)
    constraint_id = await context.add_object(
        place, kind, parent=table.object_id, is_system_named=not key.name
    )
    clustered = key.clustered
    if clustered is None:
        clustered = key.primary and not await _has_clustered(context, table)
    index = ddl.Index(
        name=place.name, unique=True, clustered=clustered, columns=key.columns, space=key.space
    )
    await add_index(context, table, index, constraint_id=constraint_id)


def find_column(columns: tuple[ColumnDef, ...], name: str) -> ColumnDef:
    """Return a column by name.

    Raises:
        SqlError: 1911 there is none.
    """
    found = next((c for c in columns if name_key(c.name) == name_key(name)), None)
    if found is None:
        raise SqlError(
            1911,
            f"Column name '{name}' does not exist in the target table or view.",
        )
    return found


async def _check_primary(context: Context, table: Table, key: ddl.Key) -> None:
    if await context.connection.fetchval(
        "SELECT 1 FROM meta.objects WHERE parent_object_id = $1 AND type = 'PK'", table.object_id
    ):
        raise SqlError(
            1779,
            f"Table '{table.name}' already has a primary key defined on it.",
            state=0,
        )
    columns = await known_columns(context, table)
    if any(find_column(columns, k.name).nullable for k in key.columns):
        raise SqlError(
            8111,
            f"Cannot define PRIMARY KEY constraint on nullable column in table '{table.name}'.",
        )


async def _index_id(context: Context, table: Table, spec: ddl.Index) -> int:
    taken = await context.connection.fetch(
        "SELECT index_id, name FROM meta.indexes WHERE object_id = $1", table.object_id
    )
    if any(name_key(row["name"]) == name_key(spec.name) for row in taken):
        raise SqlError(
            1913,
            "The operation failed because an index or statistics with name "
            f"'{spec.name}' already exists on table '{table.schema}.{table.name}'.",
        )
    ids = {row["index_id"] for row in taken}
    if not spec.clustered:
        return next(i for i in range(_NONCLUSTERED, len(ids) + 3) if i not in ids)
    if _CLUSTERED in ids:
        held = next(row["name"] for row in taken if row["index_id"] == _CLUSTERED)
        raise SqlError(
            1902,
            f"Cannot create more than one clustered index on table '{table.schema}.{table.name}'. "
            f"Drop the existing clustered index '{held}' before creating another.",
            state=3,
        )
    return _CLUSTERED


async def _has_clustered(context: Context, table: Table) -> bool:
    found = await context.connection.fetchval(
        "SELECT 1 FROM meta.indexes WHERE object_id = $1 AND index_id = 1", table.object_id
    )
    return bool(found)


async def _next_id(context: Context) -> int:
    number: int = await one_value(context.connection, "SELECT nextval('meta.object_ids')")
    return number


async def _data_space(context: Context, database_id: int, space: Parts) -> int:
    """Return the partition scheme that is named, else the filegroup PRIMARY.

    Raises:
        SqlError: 1921 no such scheme.
    """
    if not space:
        return 1
    found: int | None = await context.connection.fetchval(
        "SELECT data_space_id FROM meta.partition_schemes"
        " WHERE database_id = $1 AND store.name_key(name) = $2",
        database_id,
        name_key(space[0]),
    )
    if found is None:
        raise SqlError(1921, f"Invalid partition scheme '{space[0]}' specified.")
    return found


async def partition_table(context: Context, table: Table, space: Parts) -> None:
    """Note that a table lies on a partition scheme, by one of its columns.

    Raises:
        SqlError: 1921 no such scheme, 1911 no such column.
    """
    column = find_column(await known_columns(context, table), space[1])
    await context.connection.execute(
        "UPDATE meta.objects SET partition_space = $2, partition_column = $3 WHERE object_id = $1",
        table.object_id,
        await _data_space(context, table.database_id, space),
        _column_id(column),
    )


def _key_list(keys: list[tuple[ColumnDef, bool]], table: Table) -> str:
    items = []
    for column, descending in keys:
        if column.type.name in _UNINDEXABLE or column.type.length == -1:
            raise SqlError(
                1919,
                f"Column '{column.name}' in table '{table.name}' is of a type that is invalid for "
                "use as a key column in an index.",
            )
        order = "DESC NULLS LAST" if descending else "ASC NULLS FIRST"
        items.append(f"({sort_key(column.storage_name, column.type)}) {order}")
    return f"({', '.join(items)})"


async def _create(
    context: Context, table: Table, spec: ddl.Index, index_id: int, keys_and_filter: str
) -> None:
    unique = "UNIQUE " if spec.unique else ""
    keys, *where = keys_and_filter.split(" WHERE ", 1)
    nulls = " NULLS NOT DISTINCT" if spec.unique else ""
    condition = f" WHERE {where[0]}" if where else ""
    try:
        await context.connection.execute(
            f"CREATE {unique}INDEX i_{table.object_id}_{index_id}"
            f" ON {table.storage} {keys}{nulls}{condition}"
        )
    except asyncpg.UniqueViolationError as error:
        raise SqlError(
            1505,
            "The CREATE UNIQUE INDEX statement terminated because a duplicate key was found for "
            f"the object name '{table.schema}.{table.name}' and the index name '{spec.name}'. "
            f"The duplicate key value is {duplicate_value(error.detail or '')}.",
        ) from error


def _column_id(column: ColumnDef) -> int:
    return int(column.storage_name[1:])
