"""The log of a tracked table: key, operation and transaction of every row that changed.

Statement triggers with transition tables fill it, as those of change data capture do.
"""

from collections.abc import Sequence

import asyncpg

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.catalog import type_of_record
from dtaas.sandbox.sqlserver.storage.ddl.columns import Table
from dtaas.sandbox.sqlserver.storage.ddl.context import Context, storage_table
from dtaas.sandbox.sqlserver.storage.forms import storage_type


async def start_tracking(
    connection: asyncpg.Connection, database_id: int, object_id: int, keys: Sequence[asyncpg.Record]
) -> None:
    """Make the log and start to fill it.

    Args:
        keys: the columns of the primary key, from meta.columns.
    """
    table, log = storage_table(database_id, object_id), _log(database_id, object_id)
    function = f"d{database_id}.track_{object_id}"
    columns = "".join(f", c{k['column_id']} {storage_type(type_of_record(k))}" for k in keys)
    await connection.execute(
        f"CREATE TABLE {log} (version bigint, created bigint, op text, columns bytea,"
        f" context bytea, xid xid8, n bigint GENERATED ALWAYS AS IDENTITY{columns});"
        f"CREATE INDEX ON {log} (xid)"
    )
    names = [f"c{k['column_id']}" for k in keys]
    await connection.execute(
        f"CREATE FUNCTION {function}() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql"
        f" AS $track$\n{_body(log, database_id, names)}\n$track$"
    )
    for event, transition in (
        ("INSERT", "NEW TABLE AS new_rows"),
        ("DELETE", "OLD TABLE AS old_rows"),
        ("UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
    ):
        await connection.execute(
            f"CREATE TRIGGER track_{object_id}_{event.lower()} AFTER {event} ON {table}"
            f" REFERENCING {transition} FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        )


async def stop_tracking(connection: asyncpg.Connection, database_id: int, object_id: int) -> None:
    """Drop the log of a table, if it has one; the function takes the triggers with it."""
    await connection.execute(
        f"DROP FUNCTION IF EXISTS d{database_id}.track_{object_id}() CASCADE;"
        f"DROP TABLE IF EXISTS {_log(database_id, object_id)}"
    )
    await connection.execute("DELETE FROM meta.tracking_tables WHERE object_id = $1", object_id)


async def forget_changes(connection: asyncpg.Connection, database_id: int, object_id: int) -> None:
    """Empty the log: from now on only versions of this transaction and later ones are valid."""
    await connection.execute(f"TRUNCATE {_log(database_id, object_id)}")
    await connection.execute("SELECT store.note_tracking($1)", database_id)
    await connection.execute(
        "UPDATE meta.tracking_tables SET valid_from = pg_current_xact_id() WHERE object_id = $1",
        object_id,
    )


async def refuse_to_lose_key(context: Context, table: Table, name: str) -> None:
    """Check that a primary key may go. Raises: SqlError 3735 change tracking needs it."""
    tracked = await context.connection.fetchval(
        "SELECT 1 FROM meta.tracking_tables WHERE object_id = $1", table.object_id
    )
    if tracked:
        raise SqlError(
            3735,
            f"The primary key constraint '{name}' on table '{table.name}' cannot be dropped "
            "because change tracking is enabled on the table. Change tracking requires a primary "
            "key constraint on the table. Disable change tracking before dropping the constraint.",
        )


def _log(database_id: int, object_id: int) -> str:
    return f"d{database_id}.k_{object_id}"


def _body(log: str, database_id: int, keys: Sequence[str]) -> str:
    """Return the trigger function. A row whose key changed was deleted and inserted."""
    head = f"INSERT INTO {log} (op, xid, {', '.join(keys)}) SELECT"
    old, new = (", ".join(f"{alias}.{key}" for key in keys) for alias in ("x", "y"))
    moved = " OR ".join(f"x.{key} IS DISTINCT FROM y.{key}" for key in keys)
    pairs = (
        "(SELECT row_number() OVER () AS pair, * FROM old_rows) x"
        " JOIN (SELECT row_number() OVER () AS pair, * FROM new_rows) y USING (pair)"
    )
    note = f"PERFORM store.note_tracking({database_id});"
    return f"""BEGIN
  IF TG_OP = 'INSERT' THEN
    IF EXISTS (SELECT FROM new_rows) THEN
      {note}
      {head} 'I', pg_current_xact_id(), {new} FROM new_rows y;
    END IF;
  ELSIF TG_OP = 'DELETE' THEN
    IF EXISTS (SELECT FROM old_rows) THEN
      {note}
      {head} 'D', pg_current_xact_id(), {old} FROM old_rows x;
    END IF;
  ELSIF EXISTS (SELECT FROM new_rows) THEN
    {note}
    {head} 'D', pg_current_xact_id(), {old} FROM {pairs} WHERE {moved};
    {head} 'I', pg_current_xact_id(), {new} FROM {pairs} WHERE {moved};
    {head} 'U', pg_current_xact_id(), {new} FROM {pairs} WHERE NOT ({moved});
  END IF;
  RETURN NULL;
END"""  # noqa: S608 - names of tables are our own numbers
