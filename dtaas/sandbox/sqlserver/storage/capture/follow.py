"""What DDL on a tracked table does to its capture instances (sqlserver-facts A8)."""

import asyncpg

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.capture.tables import drop_instance, instances_of, refresh
from dtaas.sandbox.sqlserver.storage.catalog import name_key, type_of_record
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.context import Context, storage_table
from dtaas.sandbox.sqlserver.storage.forms import storage_type
from dtaas.sandbox.sqlserver.storage.one_value import one_row, one_value
from dtaas.sandbox.sqlserver.types import SqlType

# What a value does that has no form in the new type; a deadlock or a lost lock stays what it is.
_CANNOT_FOLLOW = (asyncpg.DataError, asyncpg.CannotCoerceError, asyncpg.DatatypeMismatchError)


async def before(context: Context, statement: ddl.Statement) -> None:
    """Refuse what capture forbids, and drop the instances of tables that are about to go.

    Raises:
        SqlError: 4928 a captured column would get another name, 22979 the index by which rows are
            told apart would go.
    """
    match statement:
        case ddl.DropObjects(word="TABLE"):
            await _drop_instances(context, statement)
        case ddl.Rename(kind=kind) if (kind or "").upper() == "COLUMN":
            await _refuse_rename(context, statement)
        case ddl.DropFromTable(constraints=names) if names:
            await _refuse_drop(context, statement)
        case _:
            return


async def _drop_instances(context: Context, statement: ddl.DropObjects) -> None:
    for name in statement.names:
        record = await context.find(name, "U")
        if record is None or not record["is_tracked_by_cdc"]:
            continue
        for instance in await instances_of(context.connection, record["object_id"]):
            await drop_instance(context.connection, instance["database_id"], instance["object_id"])


async def _refuse_rename(context: Context, statement: ddl.Rename) -> None:
    parts: list[str] = await one_value(
        context.connection, "SELECT store.name_parts($1)", statement.name
    )
    record = await context.find(tuple(reversed(parts[1:])), "U") if len(parts) > 1 else None
    if record is None:
        return
    captured = await context.connection.fetchval(
        "SELECT t.name FROM meta.captured_columns c JOIN meta.capture_instances i USING (object_id)"
        " JOIN meta.columns t ON t.object_id = i.source_object_id AND t.column_id = c.column_id"
        " WHERE i.source_object_id = $1 AND store.name_key(t.name) = $2",
        record["object_id"],
        name_key(parts[0]),
    )
    if captured is not None:
        raise SqlError(
            4928, f"Cannot alter column '{captured}' because it is 'REPLICATED'.", state=1
        )


async def _refuse_drop(context: Context, statement: ddl.DropFromTable) -> None:
    record = await context.find(statement.table, "U")
    if record is None:
        return
    names = {name_key(name) for name in statement.constraints}
    for instance in await instances_of(context.connection, record["object_id"]):
        if instance["index_name"] and name_key(instance["index_name"]) in names:
            raise SqlError(
                22979,
                f"The unique index '{instance['index_name']}' on table '{record['name']}' is used "
                "by Change Data Capture. The constraint using this index cannot be dropped or "
                "disabled.",
                state=1,
            )


async def after(context: Context, statement: ddl.Statement, text: str) -> None:
    """Let the instances of a changed table follow, and note the change in their history.

    Raises:
        SqlError: 22976 the type of a captured column cannot follow.
    """
    match statement:
        case ddl.AddToTable(columns=columns) if columns:
            pass
        case ddl.AlterColumn() | ddl.DropFromTable():
            pass
        case _:
            return
    record = await context.find(statement.table, "U")
    if record is None or not record["is_tracked_by_cdc"]:
        return
    if isinstance(statement, ddl.AlterColumn):
        await _retype(context, record["object_id"], statement.column.name)
    await refresh(context, record["object_id"], text)


async def _retype(context: Context, source_object_id: int, name: str) -> None:
    """Give the column its new type in the change tables and logs as well."""
    column = await one_row(
        context.connection,
        "SELECT * FROM meta.columns WHERE object_id = $1 AND store.name_key(name) = $2",
        source_object_id,
        name_key(name),
    )
    type_ = type_of_record(column)
    for record in await context.connection.fetch(
        "SELECT c.*, i.database_id FROM meta.captured_columns c"
        " JOIN meta.capture_instances i USING (object_id)"
        " WHERE i.source_object_id = $1 AND c.column_id = $2",
        source_object_id,
        column["column_id"],
    ):
        await _retype_captured(context, record, type_, column["column_id"], source_object_id)


async def _retype_captured(
    context: Context, captured: asyncpg.Record, type_: SqlType, column_id: int, source: int
) -> None:
    ordinal, object_id = captured["column_ordinal"], captured["object_id"]
    table = storage_table(captured["database_id"], object_id)
    log = f"d{captured['database_id']}.l_{object_id}"
    kind = storage_type(type_)
    try:
        await context.connection.execute(
            f"ALTER TABLE {table} ALTER c{5 + ordinal} TYPE {kind} USING c{5 + ordinal}::{kind};"
            f"ALTER TABLE {log} ALTER v{ordinal} TYPE {kind} USING v{ordinal}::{kind}"
        )
    except _CANNOT_FOLLOW as error:
        raise SqlError(
            22976,
            "Could not alter the change table in response to a schema change of the source table.",
        ) from error
    await context.connection.execute(
        "UPDATE meta.columns t SET type_name = s.type_name, type_length = s.type_length,"
        " type_precision = s.type_precision, type_scale = s.type_scale,"
        " collation_name = s.collation_name, user_type_id = s.user_type_id,"
        ' max_length = s.max_length, "precision" = s."precision", scale = s.scale'
        " FROM meta.columns s WHERE t.object_id = $1 AND t.column_id = $2"
        " AND s.object_id = $3 AND s.column_id = $4",
        object_id,
        5 + ordinal,
        source,
        column_id,
    )
