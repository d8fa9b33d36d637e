"""Where a DDL statement runs: its connection, the names it may use, the errors of bad ones."""

from collections.abc import Mapping
from typing import Final

import asyncpg
from msgspec import Struct

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.catalog import DatabaseCatalog, name_key
from dtaas.sandbox.sqlserver.storage.one_value import one_value
from dtaas.sandbox.sqlserver.tsql.tree import Parts

TEMPDB_ID: Final = 2
_TEMPORARY_WIDTH: Final = 116


class Place(Struct, frozen=True):
    """Where an object lies or will lie. `name` is the one the meta tables keep."""

    database_id: int
    schema_id: int
    schema: str
    name: str

    @property
    def is_temporary(self) -> bool:
        """True for a #table."""
        return self.name.startswith("#")


class Context(Struct, frozen=True, kw_only=True):
    """What carrying out a statement needs.

    Attributes:
        catalog: the current database.
        catalogs: all of them by lower-case name.
        spid: number of the session, part of the names of its #tables.
    """

    connection: asyncpg.Connection
    catalog: DatabaseCatalog
    catalogs: Mapping[str, DatabaseCatalog]
    spid: int

    def database(self, name: str) -> DatabaseCatalog:
        """Return a database by name.

        Raises:
            SqlError: 911 there is none.
        """
        found = self.catalogs.get(name_key(name))
        if found is None:
            raise no_database(name)
        return found

    async def place(self, parts: Parts) -> Place:
        """Return where an object of that name belongs.

        Raises:
            SqlError: 2760 no such schema, 911 no such database.
        """
        name = parts[-1]
        if name.startswith("#"):
            return Place(TEMPDB_ID, 1, "dbo", temporary_name(name, self.spid))
        database = self.catalog
        if len(parts) > 2 and parts[-3]:  # noqa: PLR2004 - database.schema.name
            database = self.database(parts[-3])
        schema = (parts[-2] if len(parts) > 1 else "") or "dbo"
        record = await self.connection.fetchrow(
            "SELECT schema_id, name FROM meta.schemas"
            " WHERE database_id = $1 AND store.name_key(name) = $2",
            database.database_id,
            name_key(schema),
        )
        if record is None:
            raise SqlError(
                2760,
                f'The specified schema name "{schema}" either does not exist or you do not have '
                "permission to use it.",
            )
        return Place(database.database_id, record["schema_id"], record["name"], name)

    async def find(self, parts: Parts, *types: str) -> asyncpg.Record | None:
        """Return the meta row of an object of one of these types, None when there is none."""
        try:
            place = await self.place(parts)
        except SqlError:
            return None
        record: asyncpg.Record | None = await self.connection.fetchrow(
            "SELECT o.*, s.name AS schema FROM meta.objects o"
            " JOIN meta.schemas s USING (database_id, schema_id)"
            " WHERE o.database_id = $1 AND o.schema_id = $2 AND store.name_key(o.name) = $3"
            " AND o.type = ANY($4)",
            place.database_id,
            place.schema_id,
            name_key(place.name),
            list(types),
        )
        return record

    async def add_object(
        self, place: Place, type_: str, *, parent: int | None = None, **fields: object
    ) -> int:
        """Add a meta row and return its object_id.

        Args:
            fields: `definition`, `parent_column_id`, `is_system_named`.

        Raises:
            SqlError: 2714 the name is taken.
        """
        taken = await self.connection.fetchval(
            "SELECT 1 FROM meta.objects WHERE database_id = $1 AND schema_id = $2"
            " AND store.name_key(name) = $3",
            place.database_id,
            place.schema_id,
            name_key(place.name),
        )
        if taken:
            raise already_exists(shown_name(place.name))
        columns = ["database_id", "schema_id", "name", "type", "parent_object_id", *fields]
        values = [place.database_id, place.schema_id, place.name, type_, parent, *fields.values()]
        marks = ", ".join(f"${i}" for i in range(1, len(values) + 1))
        object_id: int = await one_value(
            self.connection,
            f"INSERT INTO meta.objects ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
            " RETURNING object_id",
            *values,
        )
        return object_id


def temporary_name(name: str, spid: int) -> str:
    """Return how tempdb knows a session's #table; `store.temporary_name` in SQL."""
    return f"{name:_<{_TEMPORARY_WIDTH}.{_TEMPORARY_WIDTH}}{spid:012X}"


def shown_name(name: str) -> str:
    """Return a name as people wrote it: of a #table without what tempdb adds."""
    return name[:_TEMPORARY_WIDTH].rstrip("_") if name.startswith("#") else name


def storage_table(database_id: int, object_id: int) -> str:
    """Return a table's name in the storage."""
    return f"d{database_id}.t_{object_id}"


def storage_object(record: asyncpg.Record) -> str:
    """Return the name of a table or view in the storage, from its meta row."""
    prefix = "v" if record["type"] == "V" else "t"
    return f"d{record['database_id']}.{prefix}_{record['object_id']}"


def already_exists(name: str) -> SqlError:
    """Return error 2714."""
    return SqlError(2714, f"There is already an object named '{name}' in the database.", state=6)


def no_database(name: str) -> SqlError:
    """Return error 911."""
    return SqlError(
        911,
        f"Database '{name}' does not exist. Make sure that the name is entered correctly.",
    )


def cannot_drop(kind: str, name: str) -> SqlError:
    """Return error 3701; `kind` is table, view, index and so on."""
    return SqlError(
        3701,
        f"Cannot drop the {kind} '{name}', because it does not exist or you do not have "
        "permission.",
        severity=11,
        state=5,
    )


def dotted(parts: Parts) -> str:
    """Return a name as error messages show it."""
    return ".".join(parts)
