"""The PostgreSQL database that carries all databases of the simulated server: made once."""

import hashlib
from pathlib import Path
from typing import Final

import asyncpg

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import FatalError
from dtaas.sandbox.sqlserver.storage.collations import known_collations
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION

CARRIER: Final = "sqlserver"
"""Name of the PostgreSQL database."""

FIRST_ROWVERSION: Final = 2001
SYSTEM_DATABASES: Final = ("master", "tempdb", "model", "msdb")
"""In the order of their ids, from 1."""

_FIXED_SCHEMAS: Final = {
    1: "dbo",
    2: "guest",
    3: "INFORMATION_SCHEMA",
    4: "sys",
    16384: "db_owner",
    16385: "db_accessadmin",
    16386: "db_securityadmin",
    16387: "db_ddladmin",
    16389: "db_backupoperator",
    16390: "db_datareader",
    16391: "db_datawriter",
    16392: "db_denydatareader",
    16393: "db_denydatawriter",
}
_PACKAGE: Final = Path(__file__).parent
_LIMIT_S: Final = 60


async def install(url: str, carrier_url: str) -> None:
    """Make the carrier database with its system objects, unless it is there already.

    Args:
        url: a database of the PostgreSQL server to connect to first.
        carrier_url: the carrier.

    Raises:
        FatalError: it was made by another version of the sandbox.
    """
    scripts = await Blocking(1)(_scripts)
    digest = hashlib.sha256("\0".join(scripts).encode()).hexdigest()
    server = await asyncpg.connect(url, timeout=_LIMIT_S)
    try:
        known = await server.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", CARRIER)
        if not known:
            await server.execute(f"CREATE DATABASE {CARRIER} TEMPLATE template0")
    finally:
        await server.close(timeout=_LIMIT_S)
    carrier = await asyncpg.connect(carrier_url, timeout=_LIMIT_S)
    try:
        await _fill(carrier, scripts, digest)
    finally:
        await carrier.close(timeout=_LIMIT_S)


async def create_database(
    connection: asyncpg.Connection, database_id: int, name: str, collation: str
) -> None:
    """Add an empty database."""
    await connection.execute(
        "INSERT INTO meta.databases (database_id, name, collation_name) VALUES ($1, $2, $3)",
        database_id,
        name,
        collation,
    )
    await connection.executemany(
        "INSERT INTO meta.schemas (database_id, schema_id, name) VALUES ($1, $2, $3)",
        [(database_id, schema_id, schema) for schema_id, schema in _FIXED_SCHEMAS.items()],
    )
    await connection.execute(
        f"CREATE SCHEMA d{database_id}; GRANT USAGE ON SCHEMA d{database_id} TO PUBLIC;"
        f"CREATE SEQUENCE d{database_id}.rowversion START {FIRST_ROWVERSION};"
        f"GRANT USAGE, SELECT ON SEQUENCE d{database_id}.rowversion TO PUBLIC"
    )


async def _fill(carrier: asyncpg.Connection, scripts: list[str], digest: str) -> None:
    """Install everything in one transaction: a crash leaves an empty database, filled next time."""
    if await carrier.fetchval("SELECT to_regclass('meta.installed')"):
        if digest != await carrier.fetchval("SELECT digest FROM meta.installed"):
            raise FatalError(
                "The data folder of the simulated SQL Server was made by another version.",
                hint="Remove the folder, or start the sandbox on a new one.",
            )
        return
    async with carrier.transaction():
        for script in scripts:
            await carrier.execute(script)
        await carrier.execute("CREATE TABLE meta.installed AS SELECT $1::text AS digest", digest)
        await carrier.copy_records_to_table("names", schema_name="coll", records=_collation_rows())
        for database_id, name in enumerate(SYSTEM_DATABASES, start=1):
            await create_database(carrier, database_id, name, DEFAULT_COLLATION)
        await carrier.execute(
            "GRANT USAGE ON SCHEMA meta, store, sys, info, capture, captured, msdb, coll, t"
            " TO PUBLIC;"
            "GRANT SELECT ON ALL TABLES IN SCHEMA meta TO PUBLIC;"
            "REVOKE SELECT ON meta.logins FROM PUBLIC;"
            "GRANT SELECT (principal_id, name, is_sysadmin, is_disabled, default_database,"
            " create_date) ON meta.logins TO PUBLIC"
        )
        if await carrier.fetchval("SELECT to_regnamespace('tsql')"):
            await carrier.execute("GRANT USAGE ON SCHEMA tsql TO PUBLIC")


def _collation_rows() -> list[tuple[str, int, int, int, int]]:
    return [
        (name, c.code_page, c.lcid, c.comparison_style, c.version) for name, c in known_collations()
    ]


def _scripts() -> list[str]:
    """Return the SQL of the storage, then that of the T-SQL functions, each in name order."""
    folders = (_PACKAGE / "sql", _PACKAGE.parent / "tsql", _PACKAGE.parent / "tsql" / "sql")
    return [
        path.read_text(encoding="utf-8")
        for folder in folders
        for path in sorted(folder.glob("*.sql"))
    ]
