"""The views of sys, INFORMATION_SCHEMA, cdc and msdb, which are functions of the storage."""

from collections.abc import Collection, Mapping
from typing import Final

import asyncpg

from dtaas.sandbox.sqlserver.catalog import ColumnDef, TableDef
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, MAX, SqlType

_SCHEMAS: Final = {
    "sys": "sys",
    "info": "INFORMATION_SCHEMA",
    "capture": "cdc",
    "captured": "cdc_procedures",
    "msdb": "dbo",
}
_CAPTURE: Final = frozenset({"capture", "captured"})
"""The second has what the procedures may show of the first to everybody."""
_MSDB: Final = 4

_READ: Final = """
SELECT n.nspname AS schema, p.proname AS name, p.proargnames[2:] AS names,
  ARRAY(SELECT t.typname FROM unnest(p.proallargtypes[2:]) WITH ORDINALITY AS a(oid, i)
    JOIN pg_type t ON t.oid = a.oid ORDER BY a.i) AS types
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname IN ('sys', 'info', 'capture', 'captured', 'msdb') AND p.proretset AND p.pronargs = 1
"""
_PLAIN_TYPES: Final = {"int2": "smallint", "int4": "int", "int8": "bigint"}


class SystemViews:
    """Read once, for they never change; the definitions for a database are made when it asks."""

    def __init__(self) -> None:
        self._records: list[asyncpg.Record] = []
        self._made: dict[tuple[int, bool], Mapping[tuple[str, str], TableDef]] = {}

    async def read(self, connection: asyncpg.Connection) -> None:
        """Read them, unless they were read before."""
        if not self._records:
            found = await connection.fetch(_READ)
            self._records = sorted(found, key=lambda v: (v["schema"], v["name"]))

    def keep(self, database_ids: Collection[int]) -> None:
        """Forget what was made for databases that are gone."""
        for key in [k for k in self._made if k[0] not in database_ids]:
            del self._made[key]

    def of(self, database_id: int, *, captured: bool) -> Mapping[tuple[str, str], TableDef]:
        """Return a database's views: those of cdc where changes are captured, those of dbo in msdb.

        They are the same objects each time.
        """
        key = database_id, captured
        if key not in self._made:
            self._made[key] = {
                (view.schema.lower(), record["name"]): view
                for object_id, record in enumerate(self._records, 1)
                if _has(record["schema"], database_id, captured=captured)
                for view in [_view(-object_id, record, database_id)]
            }
        return self._made[key]


def _has(schema: str, database_id: int, *, captured: bool) -> bool:
    if schema in _CAPTURE:
        return captured
    return schema != "msdb" or database_id == _MSDB


def _view(object_id: int, record: asyncpg.Record, database_id: int) -> TableDef:
    upper = record["schema"] == "info"
    return TableDef(
        object_id=object_id,
        schema=_SCHEMAS[record["schema"]],
        name=record["name"].upper() if upper else record["name"],
        storage_name=f"{record['schema']}.{record['name']}({database_id})",
        columns=tuple(
            ColumnDef(
                name=name.upper() if upper else name, storage_name=name, type=domain_type(type_)
            )
            for name, type_ in zip(record["names"], record["types"], strict=True)
        ),
        read_only=True,
    )


def domain_type(name: str) -> SqlType:
    """Return the T-SQL type that a domain of schema `t`, or a PostgreSQL type, stands for."""
    if name in _PLAIN_TYPES:
        return SqlType(_PLAIN_TYPES[name])
    if name == "sysname":
        return SqlType("nvarchar", 128, collation=DEFAULT_COLLATION)
    base, _, size = (
        name.rpartition("_") if name[-1].isdigit() or name.endswith("_max") else (name, "", "")
    )
    length = MAX if size == "max" else int(size or 0)
    if base == "numeric":
        return SqlType(base, precision=length)
    if base in {"char", "varchar", "nvarchar"}:
        return SqlType(base, length, collation=DEFAULT_COLLATION)
    return SqlType(base, length)
