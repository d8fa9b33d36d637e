"""The session's #tables: real tables of tempdb whose names end with the session's number."""

import asyncpg

from dtaas.sandbox.sqlserver.catalog import TableDef
from dtaas.sandbox.sqlserver.storage.catalog import load_tables, name_key
from dtaas.sandbox.sqlserver.storage.ddl.context import TEMPDB_ID, shown_name, storage_table
from dtaas.sandbox.sqlserver.storage.ddl.tables import remove_table

_OF_SESSION = (
    "SELECT object_id FROM meta.objects WHERE database_id = $1 AND type = 'U'"
    " AND left(name, 1) = '#' AND right(name, 12) = lpad(upper(to_hex($2::int)), 12, '0')"
)


async def load_temporary(connection: asyncpg.Connection, spid: int) -> dict[str, TableDef]:
    """Return a session's #tables by lower-case name."""
    ids = [r["object_id"] for r in await connection.fetch(_OF_SESSION, TEMPDB_ID, spid)]
    tables = await load_tables(connection, ids)
    return {name_key(shown_name(t.name)): _shown(t) for t in tables}


async def grant_temporary(connection: asyncpg.Connection, spid: int, role: str) -> None:
    """Give a restricted login all rights on its own #tables."""
    for record in await connection.fetch(_OF_SESSION, TEMPDB_ID, spid):
        await connection.execute(
            f"GRANT ALL ON {storage_table(TEMPDB_ID, record['object_id'])} TO {role}"
        )


async def drop_temporary(connection: asyncpg.Connection, spid: int) -> None:
    """Drop a session's #tables."""
    for record in await connection.fetch(_OF_SESSION, TEMPDB_ID, spid):
        await remove_table(connection, TEMPDB_ID, record["object_id"])


async def drop_abandoned(connection: asyncpg.Connection) -> None:
    """Drop the #tables an earlier run of the server left behind."""
    for record in await connection.fetch(
        "SELECT object_id FROM meta.objects WHERE database_id = $1 AND type = 'U'"
        " AND left(name, 1) = '#'",
        TEMPDB_ID,
    ):
        await remove_table(connection, TEMPDB_ID, record["object_id"])


def _shown(table: TableDef) -> TableDef:
    return TableDef(
        object_id=table.object_id,
        schema=table.schema,
        name=shown_name(table.name),
        storage_name=table.storage_name,
        columns=table.columns,
        key=table.key,
    )
