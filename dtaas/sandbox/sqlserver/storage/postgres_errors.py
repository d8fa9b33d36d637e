"""What PostgreSQL refuses, as SQL Server would say it."""

import re
from collections.abc import Callable
from typing import Any, Final, Protocol

import asyncpg
from msgspec import Struct

from dtaas.sandbox.sqlserver.catalog import TableDef
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.ddl.key_values import duplicate_value
from dtaas.sandbox.sqlserver.tsql.errors import from_postgres, invalid_object

_VERBS: Final = {0xC3: "INSERT", 0xC4: "DELETE", 0xC5: "UPDATE", 0x117: "MERGE"}
_TABLE: Final = re.compile(r"[tv]_(\d+)")
_INDEX: Final = re.compile(r"i_(\d+)_(\d+)")
_GONE: Final = re.compile(r'relation "(d\d+\.\w+)" does not exist')
_CONSTRAINT: Final = re.compile(r"o_(\d+)")
# PostgreSQL reports both sides of a foreign key with one SQLSTATE; its detail tells them apart.
_STILL_REFERENCED: Final = "still referenced"


class MetaReader(Protocol):
    """A connection that can read the meta tables."""

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """Return the first row, None without one."""
        ...

    async def fetchval(self, query: str, *args: Any) -> Any:
        """Return the first value of the first row."""
        ...


class Failure(Struct, frozen=True):
    """A failed statement: what PostgreSQL said, and the CurCmd of the statement."""

    error: asyncpg.PostgresError
    command: int

    @property
    def verb(self) -> str:
        """INSERT, UPDATE, DELETE or MERGE."""
        return _VERBS.get(self.command, "UPDATE")


def ends_transaction(error: asyncpg.PostgresError) -> bool:
    """Tell whether SQL Server rolls the whole transaction back after this error."""
    return error.sqlstate in {"40P01", "40001"}


async def translate_failure(
    connection: MetaReader, failure: Failure, *, spid: int, database: str, snapshot: bool
) -> SqlError:
    """Return the error for the client.

    Args:
        connection: able to read the meta tables again.
        spid: the deadlock victim's session.
        database: the current one.
        snapshot: true under SNAPSHOT isolation, where an update conflict is 3960.
    """
    error = failure.error
    match error.sqlstate:
        case "23505":
            return await _duplicate(connection, error)
        case "23503":
            return await _foreign_key(connection, failure)
        case "23514":
            return await _check(connection, failure)
        case "23502":
            return await _null(connection, failure)
        case "40P01":
            return deadlock(spid)
        case "40001":
            return await _conflict(connection, error, database) if snapshot else deadlock(spid)
        case "55P03":
            return SqlError(1222, "Lock request time out period exceeded.", state=51)
        case "42501":
            return await _denied(connection, failure)
        case _:
            return _general(error)


def dropped(
    error: asyncpg.PostgresError, stored: Callable[[str], TableDef | None]
) -> SqlError | None:
    """Return error 208 for a table dropped since the statement was compiled, else None.

    Args:
        stored: finds a table by its storage name in the catalog the statement was compiled with.
    """
    found = _GONE.search(str(error)) if error.sqlstate == "42P01" else None
    table = found and stored(found[1])
    return invalid_object(f"{table.schema}.{table.name}") if table else None


def _general(error: asyncpg.PostgresError) -> SqlError:
    """Return the error for a failure that names no object."""
    match error.sqlstate:
        case "57014":
            return SqlError(3617, "The query was canceled.", severity=11)
        case "54001":
            return SqlError(
                8631, "Internal error: Server stack limit has been reached.", severity=17
            )
        case "53100" | "53200":
            return SqlError(
                701,
                "There is insufficient system memory in resource pool 'default' to run this query.",
                severity=17,
                state=123,
            )
        case _:
            known = from_postgres(error.sqlstate or "", str(error))
            return known or SqlError(
                8624, f"Internal Query Processor Error: {error} ({error.sqlstate})."
            )


def deadlock(spid: int) -> SqlError:
    """Return error 1205."""
    return SqlError(
        1205,
        f"Transaction (Process ID {spid}) was deadlocked on lock resources with another process "
        "and has been chosen as the deadlock victim. Rerun the transaction.",
        severity=13,
        state=51,
    )


def snapshot_refused(database: str) -> SqlError:
    """Return error 3952."""
    return SqlError(
        3952,
        f"Snapshot isolation transaction failed accessing database '{database}' because snapshot "
        "isolation is not allowed in this database. Use ALTER DATABASE to allow snapshot "
        "isolation.",
    )


async def _duplicate(connection: MetaReader, error: asyncpg.PostgresError) -> SqlError:
    found = _INDEX.fullmatch(error.constraint_name or "")
    index = found and await connection.fetchrow(
        "SELECT i.name, k.type, o.name AS table, s.name AS schema FROM meta.indexes i"
        " JOIN meta.objects o USING (object_id) JOIN meta.schemas s USING (database_id, schema_id)"
        " LEFT JOIN meta.objects k ON k.object_id = i.constraint_id"
        " WHERE i.object_id = $1 AND i.index_id = $2",
        int(found[1]),
        int(found[2]),
    )
    value = duplicate_value(error.detail or "")
    if not index:
        return SqlError(2601, f"Cannot insert duplicate key row: {value}.", severity=14)
    shown = f"{index['schema']}.{index['table']}"
    if index["type"] is None:
        return SqlError(
            2601,
            f"Cannot insert duplicate key row in object '{shown}' with unique index "
            f"'{index['name']}'. The duplicate key value is {value}.",
            severity=14,
        )
    kind = "PRIMARY KEY" if index["type"] == "PK" else "UNIQUE KEY"
    return SqlError(
        2627,
        f"Violation of {kind} constraint '{index['name']}'. Cannot insert duplicate key in object "
        f"'{shown}'. The duplicate key value is {value}.",
        severity=14,
    )


async def _foreign_key(connection: MetaReader, failure: Failure) -> SqlError:
    constraint_id = _object_id(_CONSTRAINT, failure.error.constraint_name)
    referenced = _STILL_REFERENCED in (failure.error.detail or "")
    key = await connection.fetchrow(
        "SELECT k.name, o.name AS table, s.name AS schema, d.name AS database,"
        " ARRAY(SELECT c.name FROM meta.foreign_key_columns x JOIN meta.columns c"
        "  ON c.object_id = o.object_id AND c.column_id = CASE WHEN $2"
        "   THEN x.parent_column_id ELSE x.referenced_column_id END"
        "  WHERE x.object_id = k.object_id ORDER BY x.constraint_column_id) AS columns"
        " FROM meta.objects k JOIN meta.foreign_keys f USING (object_id)"
        " JOIN meta.objects o"
        "  ON o.object_id = CASE WHEN $2 THEN k.parent_object_id ELSE f.referenced_object_id END"
        " JOIN meta.schemas s ON s.database_id = o.database_id AND s.schema_id = o.schema_id"
        " JOIN meta.databases d ON d.database_id = o.database_id WHERE k.object_id = $1",
        constraint_id,
        referenced,
    )
    kind = "REFERENCE" if referenced else "FOREIGN KEY"
    if failure.verb in {"INSERT", "UPDATE"} and key["columns"] and not referenced:
        same = await connection.fetchval(
            "SELECT f.referenced_object_id = o.parent_object_id FROM meta.foreign_keys f"
            " JOIN meta.objects o USING (object_id) WHERE f.object_id = $1",
            constraint_id,
        )
        kind = "FOREIGN KEY SAME TABLE" if same else kind
    column = f", column '{key['columns'][0]}'" if len(key["columns"]) == 1 else ""
    return SqlError(
        547,
        f'The {failure.verb} statement conflicted with the {kind} constraint "{key["name"]}". The '
        f'conflict occurred in database "{key["database"]}", table '
        f'"{key["schema"]}.{key["table"]}"{column}.',
        state=0,
    )


async def _check(connection: MetaReader, failure: Failure) -> SqlError:
    check = await connection.fetchrow(
        "SELECT k.name, o.name AS table, s.name AS schema, d.name AS database, c.name AS column"
        " FROM meta.objects k JOIN meta.objects o ON o.object_id = k.parent_object_id"
        " JOIN meta.schemas s ON s.database_id = o.database_id AND s.schema_id = o.schema_id"
        " JOIN meta.databases d ON d.database_id = o.database_id"
        " LEFT JOIN meta.columns c"
        "  ON c.object_id = o.object_id AND c.column_id = k.parent_column_id"
        " WHERE k.object_id = $1",
        _object_id(_CONSTRAINT, failure.error.constraint_name),
    )
    column = f", column '{check['column']}'" if check["column"] else ""
    return SqlError(
        547,
        f'The {failure.verb} statement conflicted with the CHECK constraint "{check["name"]}". The '
        f'conflict occurred in database "{check["database"]}", table '
        f'"{check["schema"]}.{check["table"]}"{column}.',
        state=0,
    )


async def _null(connection: MetaReader, failure: Failure) -> SqlError:
    column = await connection.fetchrow(
        "SELECT c.name, d.name || '.' || s.name || '.' || o.name AS table FROM meta.columns c"
        " JOIN meta.objects o USING (object_id)"
        " JOIN meta.schemas s USING (database_id, schema_id)"
        " JOIN meta.databases d USING (database_id) WHERE c.object_id = $1 AND c.column_id = $2",
        _object_id(_TABLE, failure.error.table_name),
        int((failure.error.column_name or "c0")[1:]),
    )
    return SqlError(
        515,
        f"Cannot insert the value NULL into column '{column['name']}', table '{column['table']}'; "
        f"column does not allow nulls. {failure.verb} fails.",
        state=2,
    )


async def _conflict(
    connection: MetaReader, error: asyncpg.PostgresError, database: str
) -> SqlError:
    table_id = _object_id(_TABLE, error.table_name)
    table = await connection.fetchval(
        "SELECT name FROM meta.objects WHERE object_id = $1", table_id
    )
    where = f"table '{table}' directly or indirectly in " if table else ""
    return SqlError(
        3960,
        "Snapshot isolation transaction aborted due to update conflict. You cannot use snapshot "
        f"isolation to access {where}database '{database}' to update, delete, or insert the row "
        "that has been modified or deleted by another transaction. Retry the transaction or change "
        "the isolation level for the update/delete statement.",
        state=2,
    )


async def _denied(connection: MetaReader, failure: Failure) -> SqlError:
    # "permission denied for table t_123": PostgreSQL gives the table in the text only
    found = _TABLE.search(str(failure.error))
    table = found and await connection.fetchrow(
        "SELECT o.name, s.name AS schema, d.name AS database FROM meta.objects o"
        " JOIN meta.schemas s USING (database_id, schema_id)"
        " JOIN meta.databases d USING (database_id) WHERE o.object_id = $1",
        int(found[1]),
    )
    verb = _VERBS.get(failure.command, "SELECT")
    if not table:
        return SqlError(297, "The user does not have permission to perform this action.")
    return SqlError(
        229,
        f"The {verb} permission was denied on the object '{table['name']}', database "
        f"'{table['database']}', schema '{table['schema']}'.",
        severity=14,
        state=5,
    )


def _object_id(pattern: re.Pattern[str], name: str | None) -> int:
    found = pattern.fullmatch(name or "")
    return int(found[1]) if found else 0
