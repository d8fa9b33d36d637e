"""Carries out sp_cdc_enable_db, enable_table and their opposites, in the caller's transaction.

Source of rules and texts: Microsoft Learn, the procedures' own pages; sqlserver-facts A2.
"""

from collections.abc import Sequence
from typing import Final, assert_never

import asyncpg

from dtaas.sandbox.sqlserver.results import Message, SqlError
from dtaas.sandbox.sqlserver.storage.capture.cleanup import clean_instance
from dtaas.sandbox.sqlserver.storage.capture.jobs import carry_out_job
from dtaas.sandbox.sqlserver.storage.capture.tables import drop_instance, enable_table, instances_of
from dtaas.sandbox.sqlserver.storage.catalog import name_key
from dtaas.sandbox.sqlserver.storage.ddl.context import Context
from dtaas.sandbox.sqlserver.tsql.capture_orders import (
    AddJob,
    CaptureOrder,
    ChangeJob,
    CleanInstance,
    DisableDatabase,
    DisableTable,
    DropJob,
    EnableDatabase,
    EnableTable,
    StartJob,
    StopJob,
)

_SYSTEM_DATABASES: Final = 4
_CAPTURE_SCHEMA: Final = "cdc"


async def carry_out(context: Context, order: CaptureOrder) -> Sequence[Message]:
    """Run an order. Raises: SqlError, by order."""
    match order:
        case EnableDatabase():
            return await _enable_database(context)
        case DisableDatabase():
            await _disable_database(context)
        case EnableTable():
            await _require_capture(context, "enable_table")
            await enable_table(context, order)
        case DisableTable():
            await _require_capture(context, "disable_table")
            await _disable_table(context, order)
        case AddJob() | ChangeJob() | DropJob() | StartJob() | StopJob():
            await _require_capture(context, "job")
            await carry_out_job(context, order)
        case CleanInstance():
            await _require_capture(context, "cleanup_change_table")
            await clean_instance(context, order)
        case _:
            assert_never(order)
    return ()


async def _enable_database(context: Context) -> Sequence[Message]:
    database = context.catalog
    if database.database_id <= _SYSTEM_DATABASES:
        raise SqlError(
            22989,
            f"Could not enable Change Data Capture for database '{database.database}'. Change data "
            "capture is not supported on system databases, or on a distribution database.",
        )
    if await _is_enabled(context):
        text = f"Database '{database.database}' is already enabled for Change Data Capture. "
        text += "Ensure that the correct database context is set and retry the operation."
        return [Message(number=22905, text=text)]
    schema = await context.connection.fetchval(
        "SELECT 1 FROM meta.schemas WHERE database_id = $1 AND store.name_key(name) = 'cdc'",
        database.database_id,
    )
    if schema:
        raise SqlError(
            22906,
            f"The database '{database.database}' cannot be enabled for Change Data Capture because "
            "a database user named 'cdc' or a schema named 'cdc' already exists in the current "
            "database. These objects are required exclusively by Change Data Capture.",
        )
    await context.connection.execute(
        "INSERT INTO meta.schemas (database_id, schema_id, name)"
        " SELECT $1, max(schema_id) + 1, $2 FROM meta.schemas"
        " WHERE database_id = $1 AND schema_id < 16384",
        database.database_id,
        _CAPTURE_SCHEMA,
    )
    await context.connection.execute(
        f"UPDATE meta.databases SET is_cdc_enabled = 1 WHERE database_id = {database.database_id};"
        f"CREATE SEQUENCE d{database.database_id}.lsn AS bigint;"
        f"INSERT INTO meta.capture_jobs (database_id, job_type) VALUES"
        f" ({database.database_id}, 'capture'), ({database.database_id}, 'cleanup')"
    )
    return ()


async def _disable_database(context: Context) -> None:
    if not await _is_enabled(context):
        raise SqlError(
            22910,
            f"The database '{context.catalog.database}' is not enabled for Change Data Capture. "
            "Ensure that the correct database context is set and retry the operation.",
        )
    database = context.catalog.database_id
    for record in await context.connection.fetch(
        "SELECT object_id FROM meta.capture_instances WHERE database_id = $1", database
    ):
        await drop_instance(context.connection, database, record["object_id"])
    await context.connection.execute(
        f"DELETE FROM meta.captured_transactions WHERE database_id = {database};"
        f"DELETE FROM meta.capture_times WHERE database_id = {database};"
        f"DELETE FROM meta.capture_jobs WHERE database_id = {database};"
        f"DROP SEQUENCE d{database}.lsn;"
        f"DELETE FROM meta.schemas WHERE database_id = {database}"
        " AND store.name_key(name) = 'cdc';"
        f"UPDATE meta.databases SET is_cdc_enabled = 0 WHERE database_id = {database}"
    )


async def _disable_table(context: Context, order: DisableTable) -> None:
    source = await context.find((order.schema, order.name), "U")
    found: Sequence[asyncpg.Record] = []
    if source is not None:
        found = await instances_of(context.connection, source["object_id"])
    if name_key(order.instance) != "all":
        found = [f for f in found if name_key(f["capture_instance"]) == name_key(order.instance)]
    if source is None or not found:
        raise SqlError(
            22960,
            f"Change data capture instance '{order.instance}' has not been enabled for the source "
            f"table '{order.schema}.{order.name}'. Use sys.sp_cdc_help_change_data_capture to "
            "verify the capture instance name and retry the operation.",
        )
    for record in found:
        await drop_instance(context.connection, record["database_id"], record["object_id"])


async def _require_capture(context: Context, procedure: str) -> None:
    if not await _is_enabled(context):
        raise SqlError(
            22901,
            f"The database '{context.catalog.database}' is not enabled for Change Data Capture. "
            "Ensure that the correct database context is set and retry the operation. To report on "
            "the databases enabled for Change Data Capture, query the is_cdc_enabled column in the "
            "sys.databases catalog view.",
            procedure=f"sp_cdc_{procedure}",
        )


async def _is_enabled(context: Context) -> bool:
    return bool(
        await context.connection.fetchval(
            "SELECT is_cdc_enabled FROM meta.databases WHERE database_id = $1",
            context.catalog.database_id,
        )
    )
