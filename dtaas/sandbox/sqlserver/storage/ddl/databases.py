"""Databases: CREATE, ALTER, DROP."""

from typing import Final

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.catalog import name_key
from dtaas.sandbox.sqlserver.storage.collations import parse_collation
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.context import Context, cannot_drop
from dtaas.sandbox.sqlserver.storage.install import create_database
from dtaas.sandbox.sqlserver.storage.one_value import one_value
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION

_LAST_SYSTEM_ID: Final = 4
_SWITCH: Final = {"ON": 1, "OFF": 0}
_RECOVERY: Final = {"FULL": 1, "BULK_LOGGED": 2, "SIMPLE": 3}
_IGNORED: Final = frozenset(
    [
        "ANSI_NULLS",
        "ANSI_NULL_DEFAULT",
        "ANSI_PADDING",
        "ANSI_WARNINGS",
        "ARITHABORT",
        "AUTO_CLOSE",
        "AUTO_CREATE_STATISTICS",
        "AUTO_SHRINK",
        "AUTO_UPDATE_STATISTICS",
        "AUTO_UPDATE_STATISTICS_ASYNC",
        "CONCAT_NULL_YIELDS_NULL",
        "CURSOR_CLOSE_ON_COMMIT",
        "CURSOR_DEFAULT",
        "DB_CHAINING",
        "DATE_CORRELATION_OPTIMIZATION",
        "DELAYED_DURABILITY",
        "DISABLE_BROKER",
        "ENABLE_BROKER",
        "HONOR_BROKER_PRIORITY",
        "MULTI_USER",
        "NUMERIC_ROUNDABORT",
        "PAGE_VERIFY",
        "PARAMETERIZATION",
        "QUERY_STORE",
        "QUOTED_IDENTIFIER",
        "RECURSIVE_TRIGGERS",
        "RESTRICTED_USER",
        "SINGLE_USER",
        "TARGET_RECOVERY_TIME",
        "TRUSTWORTHY",
    ]
)
"""Options that change no answer here."""


async def create(context: Context, spec: ddl.CreateDatabase) -> None:
    """Carry out CREATE DATABASE. Raises: SqlError 1801 it exists, 448 no such collation."""
    if name_key(spec.name) in context.catalogs:
        raise SqlError(
            1801,
            f"Database '{spec.name}' already exists. Choose a different database name.",
            state=3,
        )
    if spec.collation and parse_collation(spec.collation) is None:
        raise SqlError(448, f"Invalid collation '{spec.collation}'.", state=3)
    database_id = await one_value(context.connection, "SELECT nextval('meta.database_ids')::int")
    await create_database(
        context.connection, database_id, spec.name, spec.collation or DEFAULT_COLLATION
    )


async def drop(context: Context, spec: ddl.DropDatabases) -> None:
    """Carry out DROP DATABASE.

    Raises:
        SqlError: 3701 no such database, 3702 it is the current one, 3708 a system database.
    """
    for name in spec.names:
        found = context.catalogs.get(name_key(name))
        if found is None:
            if spec.if_exists:
                continue
            raise cannot_drop("database", name)
        if found.database_id <= _LAST_SYSTEM_ID:
            raise SqlError(
                3708,
                f"Cannot drop the database '{name}' because it is a system database.",
                state=5,
            )
        if found.database_id == context.catalog.database_id:
            raise SqlError(
                3702, f'Cannot drop database "{name}" because it is currently in use.', state=4
            )
        await context.connection.execute(f"DROP SCHEMA d{found.database_id} CASCADE")
        await context.connection.execute(
            "DELETE FROM meta.foreign_keys f USING meta.objects o"
            " WHERE o.object_id = f.object_id AND o.database_id = $1",
            found.database_id,
        )
        await context.connection.execute(
            "DELETE FROM meta.partition_schemes WHERE database_id = $1", found.database_id
        )
        await context.connection.execute(
            "DELETE FROM meta.databases WHERE database_id = $1", found.database_id
        )


async def alter(context: Context, spec: ddl.AlterDatabase) -> None:
    """Carry out ALTER DATABASE. Raises: SqlError 5011 no such database, 5058 unknown option."""
    name = spec.name or context.catalog.database
    found = context.catalogs.get(name_key(name))
    if found is None:
        raise SqlError(
            5011,
            f"User does not have permission to alter database '{name}', the database does not "
            "exist, or the database is not in a state that allows access checks.",
            severity=14,
            state=9,
        )
    changes = dict(
        _change(option, value) for option, value in spec.options if option not in _IGNORED
    )
    if spec.rename is not None:
        changes["name"] = spec.rename
    if spec.collation is not None:
        if parse_collation(spec.collation) is None:
            raise SqlError(448, f"Invalid collation '{spec.collation}'.", state=3)
        changes["collation_name"] = spec.collation
    for column, value in changes.items():
        await context.connection.execute(
            f"UPDATE meta.databases SET {column} = $1 WHERE database_id = $2",  # noqa: S608
            value,
            found.database_id,
        )


def _change(option: str, value: str) -> tuple[str, str | int]:
    """Return the meta column an option sets, and its value."""
    match option:
        case "ALLOW_SNAPSHOT_ISOLATION" if value in _SWITCH:
            return "snapshot_isolation", _SWITCH[value]
        case "READ_COMMITTED_SNAPSHOT" if value in _SWITCH:
            return "read_committed_snapshot", _SWITCH[value]
        case "RECOVERY" if value in _RECOVERY:
            return "recovery_model", _RECOVERY[value]
        case "COMPATIBILITY_LEVEL":
            return "compatibility_level", 160
        case "READ_ONLY" | "READ_WRITE":
            return "is_read_only", int(option == "READ_ONLY")
        case "OFFLINE" | "ONLINE":
            return "is_offline", int(option == "OFFLINE")
        case _:
            raise SqlError(5058, f"Option '{option}' cannot be set in database.", severity=16)
