"""Capture instances: the change table, what it captures, the log that feeds it."""

import re
from collections.abc import Sequence
from typing import Final

import asyncpg

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.access import role_name
from dtaas.sandbox.sqlserver.storage.capture.triggers import (
    CapturedColumn,
    Instance,
    create_function,
    create_log,
    drop_log,
)
from dtaas.sandbox.sqlserver.storage.catalog import name_key, type_of_record
from dtaas.sandbox.sqlserver.storage.column_types import type_text
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.context import Context, storage_table
from dtaas.sandbox.sqlserver.storage.ddl.parser import parse_ddl
from dtaas.sandbox.sqlserver.storage.ddl.roles import create_role, has_role
from dtaas.sandbox.sqlserver.storage.ddl.tables import create_table
from dtaas.sandbox.sqlserver.storage.one_value import one_row, one_value
from dtaas.sandbox.sqlserver.tsql.capture_orders import EnableTable
from dtaas.sandbox.sqlserver.types import MAX

_MOST_INSTANCES: Final = 2
_READERS: Final = "SELECT principal_id FROM meta.capture_grants WHERE database_id = $1"
_LONGEST_NAME: Final = 100
_LONG_TYPES: Final = frozenset({"text", "ntext", "image", "xml"})
_NAME: Final = re.compile(r'\s*(?:\[((?:[^\]]|\]\])*)\]|"((?:[^"]|"")*)"|([^,\[\]"]+?))\s*(?:,|$)')


async def enable_table(context: Context, order: EnableTable) -> None:
    """Make a capture instance of a table.

    Raises:
        SqlError: 22931 no such table, 22974 a table of schema cdc, 22926 and 22927 a bad instance
            name, 22962 a third instance, 22939 net changes without a key, 22930 and 22943 a bad
            list of columns, 22928 and 22929 a bad index.
    """
    source = await _source(context, order)
    # What committed before the start has to be in the instance, as with SQL Server's own lock.
    await context.connection.execute(
        f"LOCK TABLE {storage_table(source['database_id'], source['object_id'])}"
        " IN SHARE ROW EXCLUSIVE MODE"
    )
    instance = order.instance or f"{source['schema']}_{source['name']}"
    await _check_instance(context, source, instance)
    columns = await _captured(context, source, order)
    index, keys = await _row_identifier(context, source, order, columns)
    if order.role and not await has_role(context, order.role):
        await create_role(context, order.role)
    if order.net_changes and not keys:
        raise SqlError(
            22939,
            "The parameter @supports_net_changes is set to 1, but the source table does not have a "
            "primary key defined and no alternate unique index has been specified.",
        )
    object_id = await _create_change_table(context, instance, columns)
    await context.connection.execute(
        "INSERT INTO meta.capture_instances (object_id, database_id, source_object_id,"
        " capture_instance, start_lsn, supports_net_changes, role_name, index_name,"
        " filegroup_name, partition_switch)"
        " VALUES ($1, $2, $3, $4, store.lsn(store.next_lsn($2)), $5, $6, $7, $8, $9)",
        object_id,
        source["database_id"],
        source["object_id"],
        instance,
        int(bool(keys) if order.net_changes is None else order.net_changes),
        order.role,
        index,
        order.filegroup,
        int(order.partition_switch),
    )
    await _store_columns(context, object_id, columns, keys)
    await context.connection.execute(
        "UPDATE meta.objects SET is_tracked_by_cdc = 1 WHERE object_id = $1", source["object_id"]
    )
    await create_log(context.connection, await load_instance(context.connection, object_id))


async def drop_instance(connection: asyncpg.Connection, database_id: int, object_id: int) -> None:
    """Drop an instance with its change table, log and history."""
    source = await one_value(
        connection,
        "SELECT source_object_id FROM meta.capture_instances WHERE object_id = $1",
        object_id,
    )
    await drop_log(connection, database_id, object_id)
    await connection.execute(f"DROP TABLE {storage_table(database_id, object_id)} CASCADE")
    await connection.execute("DELETE FROM meta.objects WHERE object_id = $1", object_id)
    await connection.execute(
        "UPDATE meta.objects o SET is_tracked_by_cdc = 0 WHERE o.object_id = $1 AND NOT EXISTS"
        " (SELECT FROM meta.capture_instances i WHERE i.source_object_id = $1)",
        source,
    )


async def instances_of(
    connection: asyncpg.Connection, source_object_id: int
) -> Sequence[asyncpg.Record]:
    """Return the instances of a source table, oldest first."""
    found: Sequence[asyncpg.Record] = await connection.fetch(
        "SELECT * FROM meta.capture_instances WHERE source_object_id = $1 ORDER BY start_lsn",
        source_object_id,
    )
    return found


async def load_instance(connection: asyncpg.Connection, object_id: int) -> Instance:
    """Return an instance as its triggers need it, of the table as it is now."""
    return await instance_of(
        connection,
        await one_row(
            connection, "SELECT * FROM meta.capture_instances WHERE object_id = $1", object_id
        ),
    )


async def instance_of(connection: asyncpg.Connection, record: asyncpg.Record) -> Instance:
    """Return the instance of a row of `meta.capture_instances`."""
    object_id = record["object_id"]
    columns = await connection.fetch(
        "SELECT c.column_ordinal, c.column_id, c.is_computed, c.is_long, t.type_name,"
        " t.type_length, t.type_precision, t.type_scale, t.collation_name,"
        " EXISTS (SELECT FROM meta.columns s WHERE s.object_id = $2"
        "  AND s.column_id = c.column_id) AS there"
        " FROM meta.captured_columns c JOIN meta.columns t"
        "  ON t.object_id = c.object_id AND t.column_id = 5 + c.column_ordinal"
        " WHERE c.object_id = $1 ORDER BY c.column_ordinal",
        object_id,
        record["source_object_id"],
    )
    return Instance(
        database_id=record["database_id"],
        object_id=object_id,
        source_object_id=record["source_object_id"],
        columns=tuple(
            CapturedColumn(
                ordinal=c["column_ordinal"],
                source=f"c{c['column_id']}" if c["there"] else "",
                type=type_of_record(c),
                is_computed=bool(c["is_computed"]),
                is_long=bool(c["is_long"]),
            )
            for c in columns
        ),
        keys=await _unique_columns(connection, record["source_object_id"]),
    )


async def refresh(context: Context, source_object_id: int, command: str) -> None:
    """Follow a change of a tracked table's columns: its triggers, and the history of its DDL."""
    for record in await instances_of(context.connection, source_object_id):
        instance = await load_instance(context.connection, record["object_id"])
        await create_function(context.connection, instance)
        await context.connection.execute(
            "INSERT INTO meta.capture_ddl VALUES"
            " ($1, $2, 0, $3, store.lsn(store.next_lsn($4)), store.now())",
            record["object_id"],
            source_object_id,
            command,
            record["database_id"],
        )


async def _source(context: Context, order: EnableTable) -> asyncpg.Record:
    source = await context.find((order.schema, order.name), "U")
    if source is None:
        raise SqlError(
            22931,
            f"Source table '{order.schema}.{order.name}' does not exist in the current database. "
            "Ensure that the correct database context is set. Specify a valid schema and table "
            "name for the database.",
        )
    if name_key(order.schema) == "cdc":
        raise SqlError(
            22974,
            "Tables contained in the cdc schema cannot be enabled for Change Data Capture.",
        )
    return source


async def _check_instance(context: Context, source: asyncpg.Record, instance: str) -> None:
    if len(instance) > _LONGEST_NAME:
        raise SqlError(
            22927,
            f"The capture instance name '{instance}' exceeds the length limit of {_LONGEST_NAME} "
            "characters. Specify a name that satisfies the length constraint.",
        )
    present = await instances_of(context.connection, source["object_id"])
    if len(present) >= _MOST_INSTANCES:
        names = "' and '".join(p["capture_instance"] for p in present)
        raise SqlError(
            22962,
            f"Two capture instances already exist for source table '{source['schema']}."
            f"{source['name']}'. A table can have at most two capture instances. If the current "
            "tracking options are not appropriate, disable change tracking for the obsolete "
            f"instance by using sys.sp_cdc_disable_table: '{names}'.",
        )
    taken = await context.connection.fetchval(
        "SELECT 1 FROM meta.capture_instances WHERE database_id = $1"
        " AND store.name_key(capture_instance) = $2",
        source["database_id"],
        name_key(instance),
    )
    if taken:
        raise SqlError(
            22926,
            f"Could not create a capture instance because the capture instance name '{instance}' "
            "already exists in the current database. Specify an explicit unique name for the "
            "parameter @capture_instance.",
        )


async def _captured(
    context: Context, source: asyncpg.Record, order: EnableTable
) -> list[asyncpg.Record]:
    every: list[asyncpg.Record] = await context.connection.fetch(
        "SELECT * FROM meta.columns WHERE object_id = $1 ORDER BY column_id", source["object_id"]
    )
    for column in every:
        if column["name"].startswith("__$"):
            raise SqlError(
                22975,
                f"Source table '{order.schema}.{order.name}' contains one of the following "
                "reserved column names: __$start_lsn, __$end_lsn, __$seqval, __$operation, and "
                "__$update_mask. To enable Change Data Capture for this table, specify a captured "
                "column list and ensure that these columns are excluded from the list.",
            )
    if order.columns is None:
        return every
    wanted = [name_key(name) for name in split_names(order.columns)]
    known = {name_key(c["name"]): c for c in every}
    for name in wanted:
        if name not in known:
            raise SqlError(
                22930,
                f"Could not enable Change Data Capture for table '{order.schema}.{order.name}'. "
                f"The column '{name}' in @captured_column_list is not a column of the table.",
            )
    return [c for c in every if name_key(c["name"]) in wanted]


def split_names(text: str) -> list[str]:
    """Return the names of a comma list, in brackets, double quotes or neither.

    Raises:
        SqlError: 22965 a name is not closed.
    """
    names, at = [], 0
    while at < len(text):
        found = _NAME.match(text, at)
        if found is None:
            raise SqlError(
                22965,
                "Unable to parse the @captured_column_list parameter: unclosed quotation mark or "
                "bracket.",
            )
        bracketed, quoted, plain = found.groups()
        names.append(
            bracketed.replace("]]", "]")
            if bracketed is not None
            else quoted.replace('""', '"')
            if quoted is not None
            else plain
        )
        at = found.end()
    return names


async def _row_identifier(
    context: Context,
    source: asyncpg.Record,
    order: EnableTable,
    columns: Sequence[asyncpg.Record],
) -> tuple[str | None, list[tuple[str, int]]]:
    """Return the index that identifies rows, and its columns' names and ids in key order."""
    indexes = await context.connection.fetch(
        "SELECT i.index_id, i.name, i.is_unique, k.type FROM meta.indexes i"
        " LEFT JOIN meta.objects k ON k.object_id = i.constraint_id WHERE i.object_id = $1",
        source["object_id"],
    )
    if order.index is not None:
        chosen = next((i for i in indexes if name_key(i["name"]) == name_key(order.index)), None)
        if chosen is None:
            raise SqlError(
                22928,
                f"Index name '{order.index}' is not an index for table '{order.schema}."
                f"{order.name}'. Specify a valid index name for the table.",
            )
        if not chosen["is_unique"]:
            raise SqlError(
                22929,
                f"Index '{order.index}' must be either a primary key or a unique index for table "
                f"'{order.schema}.{order.name}'. Specify an index that meets at least one of these "
                "requirements.",
            )
    else:
        chosen = next((i for i in indexes if i["type"] == "PK"), None)
    if chosen is None:
        return None, []
    keys = await context.connection.fetch(
        "SELECT c.name, c.column_id FROM meta.index_columns x JOIN meta.columns c"
        " USING (object_id, column_id) WHERE x.object_id = $1 AND x.index_id = $2"
        " AND x.key_ordinal > 0 ORDER BY x.key_ordinal",
        source["object_id"],
        chosen["index_id"],
    )
    captured = {c["column_id"] for c in columns}
    for key in keys:
        if key["column_id"] not in captured:
            raise SqlError(
                22943,
                f"The column '{key['name']}' of the unique index '{chosen['name']}' must be "
                "included in the captured column list.",
            )
    return chosen["name"], [(k["name"], k["column_id"]) for k in keys]


async def _unique_columns(connection: asyncpg.Connection, source: int) -> tuple[str, ...]:
    """Return the columns of every unique index, in the storage: to move one is to move the row."""
    found = await connection.fetch(
        "SELECT DISTINCT x.column_id FROM meta.index_columns x JOIN meta.indexes i"
        " USING (object_id, index_id) WHERE x.object_id = $1 AND i.is_unique = 1"
        " AND x.key_ordinal > 0 ORDER BY 1",
        source,
    )
    return tuple(f"c{record['column_id']}" for record in found)


async def _create_change_table(
    context: Context, instance: str, columns: Sequence[asyncpg.Record]
) -> int:
    table = f"cdc.{bracketed(f'{instance}_CT')}"
    declared = ", ".join(f"{bracketed(c['name'])} {_captured_type(c)} NULL" for c in columns)
    statement = parse_ddl(
        f"CREATE TABLE {table} ([__$start_lsn] binary(10) NOT NULL, [__$end_lsn] binary(10) NULL,"
        " [__$seqval] binary(10) NOT NULL, [__$operation] int NOT NULL,"
        f" [__$update_mask] varbinary(128) NULL, {declared}, [__$command_id] int NULL)"
    )
    if not isinstance(statement, ddl.CreateTable):
        raise TypeError(statement)
    object_id = await create_table(context, statement)
    database = context.catalog.database_id
    await context.connection.execute(
        f"CREATE INDEX ON {storage_table(database, object_id)}"
        f" (c1, c{6 + len(columns)}, c3, c4);"
        f"UPDATE meta.objects SET is_ms_shipped = 1 WHERE object_id = {object_id}"
    )
    for reader in await context.connection.fetch(_READERS, database):
        await context.connection.execute(
            f"GRANT SELECT ON {storage_table(database, object_id)}"
            f" TO {role_name(reader['principal_id'])}"
        )
    return object_id


def _captured_type(column: asyncpg.Record) -> str:
    """Return the declaration of a captured column: rowversion becomes binary(8)."""
    type_ = type_of_record(column)
    if type_.name == "timestamp":
        return "binary(8)"
    collation = f" COLLATE {type_.collation}" if type_.collation else ""
    return f"{type_text(type_)}{collation}"


async def _store_columns(
    context: Context,
    object_id: int,
    columns: Sequence[asyncpg.Record],
    keys: Sequence[tuple[str, int]],
) -> None:
    await context.connection.executemany(
        "INSERT INTO meta.captured_columns VALUES ($1, $2, $3, $4, $5, $6, $7)",
        [
            (
                object_id,
                ordinal,
                c["name"],
                c["column_id"],
                c["type_name"],
                int(c["computed"] is not None),
                int(c["type_name"] in _LONG_TYPES or c["type_length"] == MAX),
            )
            for ordinal, c in enumerate(columns, 1)
        ],
    )
    await context.connection.executemany(
        "INSERT INTO meta.capture_index_columns VALUES ($1, $2, $3, $4)",
        [(object_id, ordinal, name, id_) for ordinal, (name, id_) in enumerate(keys, 1)],
    )


def bracketed(name: str) -> str:
    """Return a name in brackets."""
    return f"[{name.replace(']', ']]')}]"
