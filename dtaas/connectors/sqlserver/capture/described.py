"""What a capture instance logs of its table: which columns, of which types, and what it misses."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dtaas.connectors.sqlserver.capture.metadata import InstanceRow
from dtaas.connectors.sqlserver.capture.rights import Rights
from dtaas.connectors.sqlserver.catalog import SqlTable, usable_key
from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.connectors.sqlserver.types import SqlColumn, to_column
from dtaas.model.changes import Missed
from dtaas.model.errors import SchemaChangedError
from dtaas.model.schema import Column, TableSchema

_COLUMNS: Final = """
SELECT c.name, c.column_id, c.is_computed, c.is_nullable FROM sys.columns AS c
WHERE c.object_id = ?"""


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

    def __init__(self, pool: ControlPool, rights: Rights) -> None:
        self._pool = pool
        self._rights = rights

    async def logged(self, table: SqlTable, row: InstanceRow) -> Logged:
        """Return what an instance logs.

        Raises:
            UnsupportedTypeError: a column cannot be moved without loss.
        """
        what = f"Describing {table.ref}"
        metadata = await self._rights.metadata()
        captured = await metadata.captured(table, row)
        held = await metadata.held(table, row)
        ids = {row[0]: row[1] for row in await self._pool.fetch(what, _COLUMNS, table.object_id)}
        present = {ids[c.name]: c for c in table.columns if c.name in ids}
        kept = [c for c in captured if not c.computed and c.name in held]
        return Logged(
            columns=tuple(held[c.name] for c in kept),
            ordinals=tuple(c.ordinal for c in kept),
            ids=frozenset(c.column_id for c in captured),
            schema=tuple(_column(held[c.name], present.get(c.column_id)) for c in kept),
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

    async def missed(self, table: SqlTable, row: InstanceRow, added: Sequence[Added]) -> Missed:
        """Return which values an instance missed of columns that came later."""
        history = await (await self._rights.metadata()).history(table, row)
        folded = {at: command.casefold() for at, command in history.items()}
        return missed(folded, row.start, added)


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
