"""The names of the databases, read from the meta tables and kept until somebody changes them."""

from collections.abc import Mapping
from itertools import chain
from typing import Final

import asyncpg
from msgspec import Struct

from dtaas.sandbox.sqlserver.catalog import ColumnDef, TableDef
from dtaas.sandbox.sqlserver.storage.system_views import SystemViews
from dtaas.sandbox.sqlserver.types import SqlType

_SYSTEM_SCHEMAS: Final = {"sys": "sys", "information_schema": "INFORMATION_SCHEMA", "cdc": "cdc"}
"""As people write them; `system_views` has those of the storage."""
_COMPATIBILITY: Final = frozenset({"sysdatabases", "sysobjects", "systypes"})
"""Views of SQL Server 2000, found without a schema and in dbo."""

_TABLES: Final = """
SELECT o.database_id, o.object_id, s.name AS schema, o.name, o.type,
  ARRAY(SELECT x.column_id FROM meta.indexes i JOIN meta.index_columns x USING (object_id, index_id)
    JOIN meta.objects k ON k.object_id = i.constraint_id
    WHERE i.object_id = o.object_id AND k.type = 'PK' AND x.key_ordinal > 0
    ORDER BY x.key_ordinal) AS key,
  EXISTS (SELECT FROM meta.tracking_tables k WHERE k.object_id = o.object_id) AS is_tracked
FROM meta.objects o JOIN meta.schemas s USING (database_id, schema_id)
WHERE o.type IN ('U', 'V') AND CASE WHEN $1::int[] IS NULL THEN left(o.name, 1) <> '#'
  ELSE o.object_id = ANY($1) END
"""
_COLUMNS: Final = """
SELECT c.object_id, c.column_id, c.name, c.type_name, c.type_length, c.type_precision,
  c.type_scale, c.collation_name, c.is_nullable, c.identity_seed, c.computed, d.definition
FROM meta.columns c
LEFT JOIN meta.objects d
  ON d.parent_object_id = c.object_id AND d.parent_column_id = c.column_id AND d.type = 'D'
WHERE $1::int[] IS NULL OR c.object_id = ANY($1)
ORDER BY c.object_id, c.column_id
"""


class DatabaseCatalog(Struct, frozen=True, kw_only=True):
    """A picture of one database; implements `catalog.Catalog`.

    Attributes:
        allows_snapshot: ALLOW_SNAPSHOT_ISOLATION is ON.
        tables: by lower-case schema and name.
        system: views of `sys` and INFORMATION_SCHEMA, by lower-case schema and name.
        types: alias types by lower-case schema and name.
        temporary: the session's #tables by lower-case name.
    """

    database_id: int
    database: str
    collation: str
    allows_snapshot: bool
    tables: Mapping[tuple[str, str], TableDef]
    system: Mapping[tuple[str, str], TableDef]
    types: Mapping[tuple[str, str], SqlType]
    temporary: Mapping[str, TableDef] = {}

    def table(self, schema: str | None, name: str) -> TableDef | None:
        """Return a table or view; without a schema look in dbo. Temporary tables begin with #."""
        key = name_key(name)
        if key.startswith("#"):
            return self.temporary.get(key)
        where = name_key(schema) if schema else "dbo"
        if where in _SYSTEM_SCHEMAS:
            return self.system.get((where, key)) or self.tables.get((where, key))
        found = self.tables.get((where, key)) or self.system.get((where, key))
        if found is None and where == "dbo" and key in _COMPATIBILITY:
            return self.system.get(("sys", key))
        return found

    def user_type(self, schema: str | None, name: str) -> SqlType | None:
        """Return the base type of an alias type, such as sysname."""
        key = name_key(name)
        if key == "sysname":
            return SqlType("nvarchar", 128, collation=self.collation)
        return self.types.get((name_key(schema) if schema else "dbo", key))

    def stored(self, storage_name: str) -> TableDef | None:
        """Return a table by its name in the storage."""
        every = chain(self.temporary.values(), self.tables.values())
        return next((t for t in every if t.storage_name == storage_name), None)


def name_key(name: str) -> str:
    """Return what two spellings of a name have in common; `store.name_key` in SQL."""
    return name.rstrip(" ").lower()


async def load_catalogs(
    connection: asyncpg.Connection, views: SystemViews
) -> dict[str, DatabaseCatalog]:
    """Read all databases; keys are lower-case names."""
    databases = await connection.fetch(
        "SELECT database_id, name, collation_name, snapshot_isolation, is_cdc_enabled"
        " FROM meta.databases"
    )
    tables: dict[int, dict[tuple[str, str], TableDef]] = {d["database_id"]: {} for d in databases}
    for database_id, table in await _load_tables(connection, None):
        tables[database_id][name_key(table.schema), name_key(table.name)] = table
    types: dict[int, dict[tuple[str, str], SqlType]] = {d["database_id"]: {} for d in databases}
    for record in await connection.fetch(
        "SELECT a.*, s.name AS schema FROM meta.alias_types a"
        " JOIN meta.schemas s USING (database_id, schema_id)"
    ):
        key = name_key(record["schema"]), name_key(record["name"])
        types[record["database_id"]][key] = type_of_record(record)
    await views.read(connection)
    views.keep(tables)
    return {
        name_key(d["name"]): DatabaseCatalog(
            database_id=d["database_id"],
            database=d["name"],
            collation=d["collation_name"],
            allows_snapshot=d["snapshot_isolation"] == 1,
            tables=tables[d["database_id"]],
            system=views.of(d["database_id"], captured=bool(d["is_cdc_enabled"])),
            types=types[d["database_id"]],
        )
        for d in databases
    }


async def load_tables(connection: asyncpg.Connection, ids: list[int]) -> list[TableDef]:
    """Read some tables by object_id."""
    return [table for _, table in await _load_tables(connection, ids)]


async def _load_tables(
    connection: asyncpg.Connection, ids: list[int] | None
) -> list[tuple[int, TableDef]]:
    """Return tables and views with their databases' ids; without ids all but #tables."""
    columns: dict[int, list[asyncpg.Record]] = {}
    for column in await connection.fetch(_COLUMNS, ids):
        columns.setdefault(column["object_id"], []).append(column)
    return [
        (record["database_id"], _table(record, columns.get(record["object_id"], [])))
        for record in await connection.fetch(_TABLES, ids)
    ]


def type_of_record(record: asyncpg.Record) -> SqlType:
    """Return the type a row of meta.columns or meta.alias_types describes."""
    return SqlType(
        record["type_name"],
        record["type_length"],
        record["type_precision"],
        record["type_scale"],
        record["collation_name"],
    )


def _table(record: asyncpg.Record, columns: list[asyncpg.Record]) -> TableDef:
    names = {c["column_id"]: c["name"] for c in columns}
    prefix = "v" if record["type"] == "V" else "t"
    return TableDef(
        object_id=record["object_id"],
        schema=record["schema"],
        name=record["name"],
        storage_name=f"d{record['database_id']}.{prefix}_{record['object_id']}",
        columns=tuple(
            ColumnDef(
                name=c["name"],
                storage_name=f"c{c['column_id']}",
                type=type_of_record(c),
                nullable=bool(c["is_nullable"]),
                identity=c["identity_seed"] is not None,
                default=c["definition"],
                computed=c["computed"],
            )
            for c in columns
        ),
        key=tuple(names[i] for i in record["key"]),
        read_only=record["type"] == "V",
        is_tracked=record["is_tracked"],
    )
