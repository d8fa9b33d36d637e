"""What a capture instance logs of its table: which columns, of which types, and what it misses."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dtaas.connectors.sqlserver.catalog import Catalog, SqlTable, usable_key
from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.connectors.sqlserver.types import SqlColumn, to_column
from dtaas.model.changes import Missed
from dtaas.model.errors import SchemaChangedError
from dtaas.model.schema import Column, TableRef, TableSchema

_CAPTURED: Final = """
SELECT k.column_name, k.column_id, k.is_computed, k.column_ordinal
FROM cdc.captured_columns AS k WHERE k.object_id = ? ORDER BY k.column_ordinal"""
_COLUMNS: Final = """
SELECT c.name, c.column_id, c.is_computed, c.is_nullable FROM sys.columns AS c
WHERE c.object_id = ?"""
_HISTORY: Final = """
SELECT h.ddl_lsn, h.ddl_command FROM cdc.ddl_history AS h
WHERE h.object_id = ? ORDER BY h.ddl_lsn"""


class Logged(Struct, frozen=True, kw_only=True):
    """The columns of a change table that change rows carry.

    Attributes:
        columns: as the change table has them: it keeps a dropped column, and follows a change of
            type when the capture process comes to it.
        ordinals: of each, for the update mask.
        ids: `column_id` of all that is captured, computed columns too.
        schema: the same columns as the model knows them.
        own_key: columns by which the table itself tells rows apart.
    """

    columns: tuple[SqlColumn, ...]
    ordinals: tuple[int, ...]
    ids: frozenset[int]
    schema: tuple[Column, ...]
    own_key: tuple[str, ...]

    def of(self, schema: TableSchema) -> tuple[list[SqlColumn], list[int]]:
        """Return the columns that a schema names, in its order, and their ordinals.

        Raises:
            SchemaChangedError: one of them is not captured any more.
        """
        places = {c.name: i for i, c in enumerate(self.columns)}
        try:
            wanted = [places[c.name] for c in schema.columns]
        except KeyError as exc:
            raise SchemaChangedError(
                f"Column {exc.args[0]} of {schema.table} is not captured.",
                hint="Start the task with force to load the table anew.",
            ) from exc
        return [self.columns[i] for i in wanted], [self.ordinals[i] for i in wanted]


class Added(Struct, frozen=True, kw_only=True):
    """A column of the table that an instance does not capture."""

    name: str
    column_id: int
    nullable: bool


class Describer:
    """Describes change tables."""

    def __init__(self, pool: ControlPool, catalog: Catalog) -> None:
        self._pool = pool
        self._catalog = catalog

    async def logged(self, table: SqlTable, instance: str, object_id: int) -> Logged:
        """Return what an instance logs.

        Raises:
            UnsupportedTypeError: a column cannot be moved without loss.
        """
        what = f"Describing {table.ref}"
        captured = await self._pool.fetch(what, _CAPTURED, object_id)
        change_table = await self._catalog.table(TableRef("cdc", f"{instance}_CT"))
        held = {c.name: c for c in change_table.columns}
        ids = {row[0]: row[1] for row in await self._pool.fetch(what, _COLUMNS, table.object_id)}
        present = {ids[c.name]: c for c in table.columns if c.name in ids}
        kept = [row for row in captured if not row[2]]
        return Logged(
            columns=tuple(held[name] for name, *_ in kept),
            ordinals=tuple(int(row[3]) for row in kept),
            ids=frozenset(row[1] for row in captured),
            schema=tuple(_column(held[name], present.get(number)) for name, number, *_ in kept),
            own_key=usable_key(table.columns, table.indexes),
        )

    async def added(self, table: SqlTable, logged: Logged) -> list[Added]:
        """Return the columns that the instance does not capture, but could."""
        found = await self._pool.fetch(f"Describing {table.ref}", _COLUMNS, table.object_id)
        return [
            Added(name=name, column_id=number, nullable=bool(nullable))
            for name, number, computed, nullable in found
            if number not in logged.ids and not computed
        ]

    async def missed(
        self, table: SqlTable, object_id: int, start: bytes, added: Sequence[Added]
    ) -> Missed:
        """Return which values an instance missed of columns that came later."""
        found = await self._pool.fetch(f"Describing {table.ref}", _HISTORY, object_id)
        history = {bytes(lsn): str(command or "").casefold() for lsn, command in found}
        return missed(history, start, added)


def missed(history: Mapping[bytes, str], start: bytes, added: Sequence[Added]) -> Missed:
    """Return which values were missed.

    Args:
        history: the DDL since the instance was made, by position, in lower case.
        start: of the instance.
    """
    by_column = [[at for at in history if c.name.casefold() in history[at]] for c in added]
    telling = {at for places in by_column for at in places} if all(by_column) else set(history)
    filled = not telling or any(not c.nullable for c in added)
    return Missed(
        columns=tuple(c.name for c in added),
        since=min(telling, default=start),
        filled=filled or any("default" in history[at] for at in telling),
    )


def _column(logged: SqlColumn, source: SqlColumn | None) -> Column:
    """Return a captured column: NULL or not as the table has it, which a change table forgets."""
    now = to_column(logged)
    if source is None:
        return now
    own = to_column(source)
    if own.type == now.type:
        return replace(own, name=now.name)
    return replace(now, nullable=own.nullable)
