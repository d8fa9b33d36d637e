"""The capture process: moves committed transactions from the logs into the change tables.

One scan is one transaction of the storage: change tables and the highest LSN move together.
"""

from collections.abc import Sequence
from typing import Final

import asyncpg

from dtaas.sandbox.sqlserver.storage.capture.tables import instance_of
from dtaas.sandbox.sqlserver.storage.capture.triggers import Instance
from dtaas.sandbox.sqlserver.storage.one_value import one_value

_WAITING: Final = """
SELECT EXISTS (SELECT FROM meta.captured_transactions
  WHERE database_id = $1 AND commit_lsn IS NOT NULL)
"""
_PICK: Final = """
CREATE TEMP TABLE picked ON COMMIT DROP AS
SELECT xid, first_lsn, commit_lsn, begin_time, end_time FROM meta.captured_transactions
WHERE database_id = $1 AND commit_lsn IS NOT NULL ORDER BY commit_lsn LIMIT $2
"""
_TIMES: Final = """
INSERT INTO meta.capture_times
SELECT $1, store.lsn(commit_lsn), begin_time, end_time, substr(int8send(xid::text::bigint), 3),
  store.lsn(first_lsn)
FROM picked
"""
_DONE: Final = """
DELETE FROM meta.captured_transactions t USING picked p
WHERE t.database_id = $1 AND t.xid = p.xid
"""
_IDLE: Final = """
INSERT INTO meta.capture_times
SELECT $1, store.lsn(store.next_lsn($1)), store.now(), store.now(), '\\x00', NULL
"""


async def scan(connection: asyncpg.Connection, database_id: int, *, most: int) -> int:
    """Capture up to `most` transactions of a database and return how many there were."""
    if not await connection.fetchval(_WAITING, database_id):
        return 0
    async with connection.transaction():
        await connection.execute(_PICK.replace("$1", str(database_id)).replace("$2", str(most)))
        for instance in await _instances(connection, database_id):
            await connection.execute(_move(instance))
        await connection.execute(_TIMES, database_id)
        count: int = await one_value(connection, "SELECT count(*) FROM picked")
        await connection.execute(_DONE, database_id)
    return count


async def note_idle(connection: asyncpg.Connection, database_id: int) -> None:
    """Write the row of an idle time, so that the highest LSN goes on rising.

    Not beyond a transaction that ended since the scan: its changes have yet to come.
    """
    async with connection.transaction():
        await connection.execute("SELECT store.lock_commits($1)", database_id)
        if not await connection.fetchval(_WAITING, database_id):
            await connection.execute(_IDLE, database_id)


async def _instances(connection: asyncpg.Connection, database_id: int) -> Sequence[Instance]:
    """Return the instances of a database. One may be dropped meanwhile: then the scan fails."""
    return [
        await instance_of(connection, record)
        for record in await connection.fetch(
            "SELECT * FROM meta.capture_instances WHERE database_id = $1", database_id
        )
    ]


def _move(instance: Instance) -> str:
    last = len(instance.columns) + 6
    targets = "".join(f", c{5 + c.ordinal}" for c in instance.columns)
    values = "".join(f", m.v{c.ordinal}" for c in instance.columns)
    return f"""
WITH moved AS (
  DELETE FROM {instance.log} l USING picked p WHERE l.xid = p.xid
  RETURNING p.commit_lsn, p.first_lsn, l.*)
INSERT INTO d{instance.database_id}.t_{instance.object_id} (c1, c3, c4, c5{targets}, c{last})
SELECT store.lsn(m.commit_lsn), store.lsn(m.seq), m.op, m.mask{values},
  (m.command - m.first_lsn)::int
FROM moved m"""
