"""Cleanup of change tables: the low mark moves first, the rows below it go after that.

Source: Microsoft Learn, "sys.sp_cdc_cleanup_change_table" and "Administer and monitor change data
capture"; sqlserver-facts A9.
"""

from typing import Final

import asyncpg

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.ddl.context import Context
from dtaas.sandbox.sqlserver.storage.one_value import one_row, one_value
from dtaas.sandbox.sqlserver.tsql.capture_orders import CleanInstance

_FIND: Final = """
SELECT i.object_id, i.database_id, i.capture_instance, i.start_lsn,
  (SELECT max(t.start_lsn) FROM meta.capture_times t WHERE t.database_id = i.database_id) AS high
FROM meta.capture_instances i
WHERE store.name_key(i.capture_instance) = store.name_key($1)
  AND ($2::int IS NULL OR i.database_id = $2)
"""
# The smallest of all numbers that share the commit time of the one given.
_MARK: Final = """
SELECT (SELECT min(s.start_lsn) FROM meta.capture_times s
  WHERE s.database_id = t.database_id AND s.tran_end_time = t.tran_end_time)
FROM meta.capture_times t WHERE t.database_id = $1 AND t.start_lsn = $2
"""
# A minute has 18,000 ticks of 1/300 s. Retention counts from the last captured commit.
_RETAINED: Final = """
SELECT min(t.start_lsn) FROM meta.capture_times t WHERE t.database_id = $1 AND t.tran_end_time >=
  (SELECT max(m.tran_end_time) - 18000 * $2::bigint FROM meta.capture_times m
   WHERE m.database_id = $1)
"""
_FORGET_TIMES: Final = """
DELETE FROM meta.capture_times t WHERE t.database_id = $1 AND t.start_lsn <
  (SELECT min(i.start_lsn) FROM meta.capture_instances i WHERE i.database_id = $1)
"""


async def clean_instance(context: Context, order: CleanInstance) -> None:
    """Carry out sys.sp_cdc_cleanup_change_table.

    Raises:
        SqlError: 22981 no such instance, 22964 the mark is no captured commit, 22957 it lies
            outside of what the instance holds.
    """
    connection, database_id = context.connection, context.catalog.database_id
    found = await connection.fetchrow(_FIND, order.instance, database_id)
    if found is None:
        raise SqlError(22981, "Object does not exist or access is denied.")
    if order.low_mark is not None:
        shown = f"0x{order.low_mark.hex().upper()}"
        mark = await connection.fetchval(_MARK, database_id, order.low_mark)
        if mark is None:
            raise SqlError(
                22964,
                f"LSN {shown}, specified as the new low end point for change table cleanup must "
                "represent the start_lsn value of a current entry in the cdc.lsn_time_mapping "
                "table. Choose an LSN value that satisfies this requirement.",
            )
        low, high = (f"0x{found[name].hex().upper()}" for name in ("start_lsn", "high"))
        if not found["start_lsn"] <= order.low_mark <= found["high"]:
            raise SqlError(
                22957,
                f"LSN {shown}, specified as the new low end point for the change table associated "
                f"with capture instance '{found['capture_instance']}', is not within the Change "
                f"Data Capture timeline [{low}, {high}].",
            )
        await _move(connection, found["object_id"], mark)
    await _delete(connection, database_id, found["object_id"])


async def clean_by_age(
    connection: asyncpg.Connection, database_id: int, *, retention_minutes: int
) -> None:
    """Do the work of the cleanup job: what is older than the retention goes, in all instances."""
    mark = await connection.fetchval(_RETAINED, database_id, retention_minutes)
    if mark is None:
        return
    instances = await connection.fetch(
        "SELECT object_id FROM meta.capture_instances WHERE database_id = $1", database_id
    )
    for record in instances:
        await _move(connection, record["object_id"], mark)
    for record in instances:
        await _delete(connection, database_id, record["object_id"])
    await connection.execute(_FORGET_TIMES, database_id)


async def keep_last(connection: asyncpg.Connection, name: str, *, transactions: int) -> None:
    """Clean an instance of any database up to its last transactions."""
    found = await one_row(connection, _FIND, name, None)
    mark = await one_value(
        connection,
        "SELECT min(kept.lsn) FROM (SELECT DISTINCT c1 AS lsn FROM"
        f" d{found['database_id']}.t_{found['object_id']} ORDER BY c1 DESC LIMIT $1) kept",
        transactions,
    )
    await _move(connection, found["object_id"], mark)
    await _delete(connection, found["database_id"], found["object_id"])


async def _move(connection: asyncpg.Connection, object_id: int, mark: bytes) -> None:
    await connection.execute(
        "UPDATE meta.capture_instances SET start_lsn = $2 WHERE object_id = $1 AND start_lsn < $2",
        object_id,
        mark,
    )


async def _delete(connection: asyncpg.Connection, database_id: int, object_id: int) -> None:
    await connection.execute(
        f"DELETE FROM d{database_id}.t_{object_id} WHERE c1 < (SELECT start_lsn"
        " FROM meta.capture_instances WHERE object_id = $1)",
        object_id,
    )
