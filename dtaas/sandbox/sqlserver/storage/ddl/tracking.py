"""Change tracking on and off, for databases and tables.

Source of rules and texts: Microsoft Learn, "About change tracking"; sqlserver-facts C1.
"""

from typing import Final

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.catalog import name_key
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.alterations import find_table
from dtaas.sandbox.sqlserver.storage.ddl.context import Context, no_database
from dtaas.sandbox.sqlserver.storage.ddl.tracking_log import (
    forget_changes,
    start_tracking,
    stop_tracking,
)

_LAST_SYSTEM_ID: Final = 4
_MINUTES: Final = {"MINUTES": 1, "HOURS": 60, "DAYS": 1440}
_UNIT_IDS: Final = {"MINUTES": 1, "HOURS": 2, "DAYS": 3}
_MOST_MINUTES: Final = 2_147_483_647
_DEFAULT_RETENTION: Final = (2, "DAYS")


async def track_database(context: Context, spec: ddl.TrackDatabase) -> None:
    """Carry out ALTER DATABASE … SET CHANGE_TRACKING.

    Raises:
        SqlError: 911 no such database, 5090 a system database, 5088 it is on, 5089 it is off,
            5092 a bad retention, 22115 a table is still tracked.
    """
    name = spec.name or context.catalog.database
    database = context.catalogs.get(name_key(name))
    if database is None:
        raise no_database(name)
    id_ = database.database_id
    if id_ <= _LAST_SYSTEM_ID:
        raise SqlError(
            5090,
            f"Database '{name}' is a system database. Change tracking settings cannot be modified "
            "for system databases.",
        )
    _check_retention(spec.retention)
    enabled = await _is_on(context, id_)
    if spec.enabled and enabled:
        raise SqlError(5088, f"Change tracking is already enabled for database '{name}'.")
    if not spec.enabled and not enabled:
        raise SqlError(
            5089,
            f"Change tracking is disabled for database '{name}'. Change tracking must be enabled "
            "on a database to modify change tracking settings.",
            state=2 if spec.enabled is None else 1,
        )
    if spec.enabled is False:
        await _switch_off(context, id_, name)
        return
    if spec.enabled:
        number, unit = _DEFAULT_RETENTION
        await context.connection.execute(
            "INSERT INTO meta.tracking_databases VALUES ($1, 1, $2, $3)",
            id_,
            number,
            _UNIT_IDS[unit],
        )
        await context.connection.execute(f"CREATE SEQUENCE IF NOT EXISTS d{id_}.tracking_version")
    await _set_options(context, id_, spec)


async def track_table(context: Context, spec: ddl.TrackTable) -> None:
    """Carry out ALTER TABLE … ENABLE | DISABLE CHANGE_TRACKING.

    Raises:
        SqlError: 4902 no such table, 1718 the database does not track, 4996 it is on, 4997 the
            table has no primary key, 4998 it is off.
    """
    table = await find_table(context, spec.table)
    connection = context.connection
    tracked = await connection.fetchval(
        "SELECT 1 FROM meta.tracking_tables WHERE object_id = $1", table.object_id
    )
    if not spec.enabled:
        if not tracked:
            raise SqlError(4998, f"Change tracking is not enabled on table '{table.name}'.")
        await stop_tracking(connection, table.database_id, table.object_id)
        return
    if not await _is_on(context, table.database_id):
        database = next(
            c.database for c in context.catalogs.values() if c.database_id == table.database_id
        )
        raise SqlError(
            1718,
            f"Change tracking must be enabled on database '{database}' before it can be enabled on "
            f"table '{table.name}'.",
        )
    if tracked:
        raise SqlError(4996, f"Change tracking is already enabled for table '{table.name}'.")
    keys = await connection.fetch(
        "SELECT c.* FROM meta.indexes i JOIN meta.objects k ON k.object_id = i.constraint_id"
        " JOIN meta.index_columns x ON x.object_id = i.object_id AND x.index_id = i.index_id"
        " JOIN meta.columns c ON c.object_id = i.object_id AND c.column_id = x.column_id"
        " WHERE i.object_id = $1 AND k.type = 'PK' AND x.key_ordinal > 0 ORDER BY x.key_ordinal",
        table.object_id,
    )
    if not keys:
        raise SqlError(
            4997,
            f"Cannot enable change tracking on table '{table.name}'. Change tracking requires a "
            "primary key on the table. Create a primary key on the table before enabling change "
            "tracking.",
        )
    await start_tracking(connection, table.database_id, table.object_id, keys)
    await connection.execute("SELECT store.note_tracking($1)", table.database_id)
    await connection.execute(
        "INSERT INTO meta.tracking_tables"
        " VALUES ($1, $2, $3, pg_current_xact_id(), pg_current_xact_id())",
        table.object_id,
        table.database_id,
        int(spec.columns),
    )


async def after_truncate(context: Context, spec: ddl.Truncate) -> None:
    """Let a truncated table lose what was tracked, so that readers begin anew."""
    table = await find_table(context, spec.table)
    tracked = await context.connection.fetchval(
        "SELECT 1 FROM meta.tracking_tables WHERE object_id = $1", table.object_id
    )
    if tracked:
        await forget_changes(context.connection, table.database_id, table.object_id)


async def _is_on(context: Context, database_id: int) -> bool:
    found = await context.connection.fetchval(
        "SELECT 1 FROM meta.tracking_databases WHERE database_id = $1", database_id
    )
    return found is not None


async def _switch_off(context: Context, database_id: int, name: str) -> None:
    tracked = await context.connection.fetchval(
        "SELECT 1 FROM meta.tracking_tables WHERE database_id = $1 LIMIT 1", database_id
    )
    if tracked:
        raise SqlError(
            22115,
            f"Change tracking is enabled for one or more tables in database '{name}'. Disable "
            "change tracking on each table before disabling it for the database. Use the "
            "sys.change_tracking_tables catalog view to obtain a list of tables for which change "
            "tracking is enabled.",
        )
    await context.connection.execute(
        "DELETE FROM meta.tracking_databases WHERE database_id = $1", database_id
    )


async def _set_options(context: Context, database_id: int, spec: ddl.TrackDatabase) -> None:
    number, unit = spec.retention or (None, "")
    await context.connection.execute(
        "UPDATE meta.tracking_databases SET is_auto_cleanup_on = coalesce($2, is_auto_cleanup_on),"
        " retention_period = coalesce($3, retention_period),"
        " retention_period_units = coalesce($4, retention_period_units) WHERE database_id = $1",
        database_id,
        None if spec.auto_cleanup is None else int(spec.auto_cleanup),
        number,
        _UNIT_IDS.get(unit),
    )


def _check_retention(retention: tuple[int, str] | None) -> None:
    if retention is None:
        return
    number, unit = retention
    if not 1 <= number * _MINUTES[unit] <= _MOST_MINUTES:
        raise SqlError(
            5092,
            "The value for change tracking option 'CHANGE_RETENTION' is not valid. The value must "
            "be between 1 and 2147483647 minutes.",
            severity=15,
        )
