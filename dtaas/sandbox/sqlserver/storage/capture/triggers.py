"""The SQL that writes a table's changes to the log of a capture instance.

Statement triggers with transition tables: a statement costs one INSERT into the log, whatever its
rows. Rows of the old and the new table come in the same order, which is how they are paired.
"""

from collections.abc import Sequence
from typing import Final

import asyncpg
from msgspec import Struct

from dtaas.sandbox.sqlserver.storage.forms import storage_type
from dtaas.sandbox.sqlserver.types import SqlType

_OLD_LONG: Final = frozenset({"text", "ntext", "image"})


class CapturedColumn(Struct, frozen=True, kw_only=True):
    """A column of an instance.

    Attributes:
        ordinal: from 1; the log calls it `v<ordinal>`.
        source: its name in the storage of the source table, '' once it was dropped.
        is_computed: its value is always NULL.
        is_long: unchanged values are not logged.
        is_old_long: text, ntext, image: no value before a change is logged.
    """

    ordinal: int
    source: str
    type: SqlType
    is_computed: bool
    is_long: bool

    @property
    def is_old_long(self) -> bool:
        """Return whether it is of one of the types before varchar(max)."""
        return self.type.name in _OLD_LONG

    @property
    def is_silent(self) -> bool:
        """Return whether it never has a value in the log."""
        return self.is_computed or not self.source


class Instance(Struct, frozen=True, kw_only=True):
    """A capture instance.

    Attributes:
        object_id: of the change table.
        keys: storage names of the source's columns whose change makes a delete and an insert.
    """

    database_id: int
    object_id: int
    source_object_id: int
    columns: tuple[CapturedColumn, ...]
    keys: tuple[str, ...]

    @property
    def source(self) -> str:
        """Return the source table in the storage."""
        return f"d{self.database_id}.t_{self.source_object_id}"

    @property
    def log(self) -> str:
        """Return the log table in the storage."""
        return f"d{self.database_id}.l_{self.object_id}"


async def create_log(connection: asyncpg.Connection, instance: Instance) -> None:
    """Make the log table and start to fill it."""
    values = "".join(f", v{c.ordinal} {storage_type(c.type)}" for c in instance.columns)
    await connection.execute(
        f"CREATE TABLE {instance.log} (xid xid8 NOT NULL, seq bigint NOT NULL,"
        f" command bigint NOT NULL, op int NOT NULL, mask bytea NOT NULL{values})"
    )
    await connection.execute(f"CREATE INDEX ON {instance.log} (xid)")
    await create_function(connection, instance)
    name = f"d{instance.database_id}.capture_{instance.object_id}"
    for event, tables in (
        ("INSERT", "NEW TABLE AS new_rows"),
        ("DELETE", "OLD TABLE AS old_rows"),
        ("UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
    ):
        await connection.execute(
            f"CREATE TRIGGER capture_{instance.object_id}_{event.lower()} AFTER {event}"
            f" ON {instance.source} REFERENCING {tables} FOR EACH STATEMENT"
            f" EXECUTE FUNCTION {name}()"
        )


async def create_function(connection: asyncpg.Connection, instance: Instance) -> None:
    """Make the trigger function, anew when the table's columns changed."""
    await connection.execute(
        f"CREATE OR REPLACE FUNCTION d{instance.database_id}.capture_{instance.object_id}()"
        " RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $capture$\n"
        f"{_body(instance)}\n$capture$"
    )


async def drop_log(connection: asyncpg.Connection, database_id: int, object_id: int) -> None:
    """Stop to fill the log and drop it; the function takes the triggers with it."""
    await connection.execute(
        f"DROP FUNCTION IF EXISTS d{database_id}.capture_{object_id}() CASCADE;"
        f"DROP TABLE IF EXISTS d{database_id}.l_{object_id}"
    )


def all_bits(count: int) -> str:
    """Return the mask of an insert or delete of `count` columns, as a literal of the storage."""
    return f"'\\x{(1 << count) - 1:0{2 * ((count + 7) // 8)}x}'::bytea"


def _body(instance: Instance) -> str:
    columns, database = instance.columns, instance.database_id
    names = "".join(f", v{c.ordinal}" for c in columns)
    head = f"INSERT INTO {instance.log} (xid, seq, command, op, mask{names})"
    number = f"nextval('d{database}.lsn')"
    every = all_bits(len(columns))
    return f"""DECLARE
  place bigint;
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF EXISTS (SELECT FROM new_rows) THEN
      PERFORM store.note_transaction({database});
      {head} SELECT pg_current_xact_id(), p.n, p.n, 2, {every}{_inserted(columns)}
      FROM (SELECT {number} AS n{_image(columns, "x", "r")} FROM new_rows x) p;
    END IF;
  ELSIF TG_OP = 'DELETE' THEN
    IF EXISTS (SELECT FROM old_rows) THEN
      PERFORM store.note_transaction({database});
      {head} SELECT pg_current_xact_id(), p.n, p.n, 1, {every}{_deleted(columns)}
      FROM (SELECT {number} AS n{_image(columns, "x", "o")} FROM old_rows x) p;
    END IF;
  ELSIF EXISTS (SELECT FROM new_rows) THEN
    PERFORM store.note_transaction({database});
{_update(instance, head, number)}
  END IF;
  RETURN NULL;
END"""


def _update(instance: Instance, head: str, number: str) -> str:
    """Return the statements for an UPDATE.

    A row whose key changed is deleted and inserted: at one position of the log where it was the
    only row of the statement, else all deletes come before all inserts (deferred update).
    """
    columns, every = instance.columns, all_bits(len(instance.columns))
    both = _image(columns, "x", "o") + _image(columns, "y", "r")
    pairs = (
        "(SELECT row_number() OVER () AS pair, * FROM old_rows) x"
        " JOIN (SELECT row_number() OVER () AS pair, * FROM new_rows) y USING (pair)"
    )
    moved = " OR ".join(f"x.{key} IS DISTINCT FROM y.{key}" for key in instance.keys) or "false"
    images = "".join(
        ", NULL" if c.is_silent else f", CASE i.op WHEN 3 THEN {_before(c)} ELSE {_after(c)} END"
        for c in columns
    )
    moving = f"(SELECT {number} AS n{both} FROM {pairs} WHERE {moved}) p"
    placed = f"(SELECT place AS n{both} FROM {pairs} WHERE {moved}) p"
    return f"""    {head} SELECT pg_current_xact_id(), p.n, p.n, i.op, {_mask(columns)}{images}
    FROM (SELECT {number} AS n{both} FROM {pairs} WHERE NOT ({moved})) p
    CROSS JOIN (VALUES (3), (4)) i(op);
    IF (SELECT count(*) FROM new_rows) = 1 THEN
      place := {number};
      {head} SELECT pg_current_xact_id(), p.n, p.n, 1, {every}{_deleted(columns)} FROM {placed};
      {head} SELECT pg_current_xact_id(), p.n, {number}, 2, {every}{_inserted(columns)}
      FROM {placed};
    ELSE
      {head} SELECT pg_current_xact_id(), p.n, p.n, 1, {every}{_deleted(columns)} FROM {moving};
      {head} SELECT pg_current_xact_id(), p.n, p.n, 2, {every}{_inserted(columns)} FROM {moving};
    END IF;"""


def _image(columns: Sequence[CapturedColumn], table: str, prefix: str) -> str:
    """Return the columns that have values, as `o1, o2, …` before or `r1, r2, …` after."""
    return "".join(
        f", {table}.{c.source} AS {prefix}{c.ordinal}" for c in columns if not c.is_silent
    )


def _inserted(columns: Sequence[CapturedColumn]) -> str:
    return "".join(", NULL" if c.is_silent else f", p.r{c.ordinal}" for c in columns)


def _deleted(columns: Sequence[CapturedColumn]) -> str:
    return "".join(
        ", NULL" if c.is_silent or c.is_old_long else f", p.o{c.ordinal}" for c in columns
    )


def _before(column: CapturedColumn) -> str:
    if column.is_old_long:
        return "NULL"
    if column.is_long:
        return f"CASE WHEN {_differs(column)} THEN p.o{column.ordinal} END"
    return f"p.o{column.ordinal}"


def _after(column: CapturedColumn) -> str:
    if column.is_long:
        return f"CASE WHEN {_differs(column)} THEN p.r{column.ordinal} END"
    return f"p.r{column.ordinal}"


def _differs(column: CapturedColumn) -> str:
    return f"p.o{column.ordinal} IS DISTINCT FROM p.r{column.ordinal}"


def _mask(columns: Sequence[CapturedColumn]) -> str:
    """Return the mask of an update: a bit for each column that changed, lowest in the last byte."""
    parts = []
    for first in range((len(columns) - 1) // 8 * 8, -1, -8):
        bits = [
            f"CASE WHEN {_differs(c)} THEN {1 << place} ELSE 0 END"
            for place, c in enumerate(columns[first : first + 8])
            if not c.is_silent
        ]
        parts.append(f"substr(int4send({' + '.join(bits) or '0'}), 4)")
    return " || ".join(parts)
