"""The stream of one table into its Delta table: evolve, fold, merge."""

import pyarrow as pa
from deltalake import DeltaTable

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.delta.ddl import evolution
from dtaas.connectors.delta.forms import stored_schema
from dtaas.connectors.delta.table import Table, arrow_schema, require_moved
from dtaas.connectors.folding_writer import FoldingWriter
from dtaas.model.changes import ChangeWindow, TableStream
from dtaas.model.errors import DtaasError, FatalError
from dtaas.model.schema import TableSchema


class DeltaStream:
    """Applies windows of one stream."""

    def __init__(self, table: Table, stream: TableStream, blocking: Blocking) -> None:
        self._table = table
        self._stream = stream
        self._blocking = blocking

    async def open(self) -> bytes | None:
        """Make the table take the stream's rows, and return the position it holds."""
        return await self._blocking(self._open)

    def writer(self, window: ChangeWindow) -> FoldingWriter:
        """Return a writer for one window."""

        async def apply(changes: pa.Table | None, window: ChangeWindow) -> bool:
            return await self._blocking(self.apply, changes, window)

        return FoldingWriter(window, self._stream.tracked.schema.key, self._blocking, apply)

    def apply(self, changes: pa.Table | None, window: ChangeWindow) -> bool:
        """Merge a window's folded changes. Returns whether that was done before. Blocks."""
        table = self._opened()
        generation = self._stream.generation
        held = self._table.position(table, generation)
        if held is not None and held >= window.to:
            return True
        try:
            if changes is None:
                self._table.move(table, generation, window.to)
            else:
                self._table.merge(
                    table,
                    changes,
                    key=stored_schema(self._stream.tracked.schema).key,
                    schema=self._columns(table),
                    generation=generation,
                    position=window.to,
                )
        except DtaasError:
            if self._table.position(self._opened(), generation) != window.to:
                raise  # else it went through, and the reply was lost
        table = self._opened()
        if self._table.position(table, generation) == held:  # nothing matched: there is no commit
            self._table.move(table, generation, window.to)
            table = self._opened()
        require_moved(self._table.position(table, generation), window.to, self._table.uri)
        self._table.tidy(table)
        return False

    def place(self, position: bytes) -> None:
        """Make the table say that it stands at `position`. Blocks."""
        generation = self._stream.generation
        self._table.move(self._opened(), generation, position)
        require_moved(self._table.position(self._opened(), generation), position, self._table.uri)

    def _columns(self, table: DeltaTable) -> pa.Schema:
        """Return the columns changes bring, in the types the table has: some may be wider."""
        present = arrow_schema(table)
        names = stored_schema(self._stream.tracked.schema).arrow_schema().names
        return pa.schema([present.field(name) for name in names])

    def _open(self) -> bytes | None:
        check_key(self._stream.tracked.schema)
        wanted = stored_schema(self._stream.tracked.schema).arrow_schema()
        table = self._table.open()
        if table is None:
            self._table.create(wanted)
            return None
        self._evolve(table, wanted)
        return self._table.position(self._opened(), self._stream.generation)

    def _evolve(self, table: DeltaTable, wanted: pa.Schema) -> None:
        """Add and widen columns; a column the source dropped stays and is NULL from now on."""
        present = arrow_schema(table)
        change = evolution(present, wanted, self._table.uri)
        if change.wider:
            wider = [f.with_type(change.wider.get(f.name, f.type)) for f in present]
            self._table.rewrite(table, pa.schema(wider))
        if change.new:
            self._table.add_columns(self._opened(), change.new)

    def _opened(self) -> DeltaTable:
        table = self._table.open()
        if table is None:
            raise FatalError(
                f"{self._table.uri} is gone.",
                hint="Somebody deleted it. Start the task with force to load the table anew.",
            )
        return table


def check_key(schema: TableSchema) -> None:
    """Refuse to apply changes where rows cannot be told apart.

    Raises:
        FatalError: the table has no key, or NULL may stand in it.
    """
    where = f"Changes of {schema.table} cannot be applied to a Delta table"
    if not schema.key:
        raise FatalError(
            f"{where}: it has no key.",
            hint="Declare one as `key` in table_mappings, or write change files to S3 or a folder.",
        )
    loose = [name for name in schema.key if schema.column(name).nullable]
    if loose:
        raise FatalError(
            f"{where}: key column {loose[0]!r} may be NULL, which equals nothing.",
            hint="Declare another `key` in table_mappings, or write change files.",
        )
