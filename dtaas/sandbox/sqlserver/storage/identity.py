"""Identity values: the last one made, and the counter after explicit ones."""

import asyncpg

from dtaas.sandbox.sqlserver.catalog import TableDef
from dtaas.sandbox.sqlserver.storage.one_value import one_value


async def last_identity(
    connection: asyncpg.Connection, table: TableDef, *, explicit: bool
) -> int | None:
    """Return the identity value an INSERT on this connection just gave.

    Args:
        explicit: the values came from the statement (IDENTITY_INSERT ON): the counter then
            follows the greatest of them, as SQL Server's does.
    """
    column = next((c for c in table.columns if c.identity), None)
    if column is None:
        return None
    sequence = table.storage_name.replace(".t_", ".s_")
    if not explicit:
        made: int = await one_value(connection, f"SELECT currval('{sequence}')")
        return made
    greatest: int | None = await connection.fetchval(
        f"WITH sequence AS (SELECT seqincrement > 0 AS rises FROM pg_sequence"  # noqa: S608
        f"  WHERE seqrelid = '{sequence}'::regclass),"
        f" used AS (SELECT CASE WHEN rises THEN max({column.storage_name})"
        f"  ELSE min({column.storage_name}) END::bigint AS value"
        f"  FROM {table.storage_name}, sequence GROUP BY rises)"
        f" SELECT CASE WHEN last.value IS NULL OR CASE WHEN rises THEN used.value > last.value"
        f"  ELSE used.value < last.value END THEN setval('{sequence}', used.value)"
        f"  ELSE used.value END"
        f" FROM used, sequence, (SELECT pg_sequence_last_value('{sequence}'::regclass)) last(value)"
    )
    return greatest
