"""The stream of one table into its Delta table: evolve, fold, merge."""

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.delta.forms import stored_schema, widens
from dtaas.connectors.delta.table import Table, arrow_schema, require_moved
from dtaas.connectors.fold import folded
from dtaas.model.changes import OP, ChangeOp, ChangeReceipt, ChangeWindow, TableStream
from dtaas.model.errors import DtaasError, FatalError, SchemaChangedError
from dtaas.model.schema import TableSchema

_FOLD_BYTES = 64 * 1024 * 1024
"""Change rows held before they are folded: memory follows the keys of a window, not its rows."""


class DeltaStream:
    """Applies windows of one stream."""

    def __init__(self, table: Table, stream: TableStream, blocking: Blocking) -> None:
        self._table = table
        self._stream = stream
        self._blocking = blocking

    async def open(self) -> bytes | None:
        """Make the table take the stream's rows, and return the position it holds."""
        return await self._blocking(self._open)

    def writer(self, window: ChangeWindow) -> "WindowWriter":
        """Return a writer for one window."""
        return WindowWriter(self, window, self._stream.tracked.schema.key, self._blocking)

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
        require_moved(self._table.position(table, generation), window.to, self._table.uri)
        self._table.tidy(table)
        return False

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
        wider: dict[str, pa.DataType] = {}
        for field in wanted:
            if field.name not in present.names:
                continue
            old = present.field(field.name).type
            if widens(old, field.type):
                wider[field.name] = field.type
            elif old != field.type and not widens(field.type, old):
                raise SchemaChangedError(
                    f"Column {field.name!r} of {self._table.uri} is {old}, but the source's values"
                    f" are {field.type} now.",
                    hint="Start the task with force to load the table anew.",
                )
        if wider:
            self._table.rewrite(
                table, pa.schema([f.with_type(wider.get(f.name, f.type)) for f in present])
            )
        new = [field for field in wanted if field.name not in present.names]
        if new:
            self._table.add_columns(self._opened(), new)

    def _opened(self) -> DeltaTable:
        table = self._table.open()
        if table is None:
            raise FatalError(
                f"{self._table.uri} is gone.",
                hint="Somebody deleted it. Start the task with force to load the table anew.",
            )
        return table


class WindowWriter:
    """Collects a window; `finish` merges it."""

    def __init__(
        self, stream: DeltaStream, window: ChangeWindow, key: tuple[str, ...], blocking: Blocking
    ) -> None:
        self._stream = stream
        self._window = window
        self._key = key
        self._blocking = blocking
        self._folded: pa.Table | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0
        self._counts = {op.value: 0 for op in ChangeOp}
        self._bytes = 0

    async def write(self, batch: pa.RecordBatch) -> None:
        """Take one batch."""
        for entry in pc.value_counts(batch.column(OP)).to_pylist():
            self._counts[entry["values"]] += entry["counts"]
        self._waiting.append(batch)
        self._waiting_bytes += batch.nbytes
        self._bytes += batch.nbytes
        if self._waiting_bytes >= _FOLD_BYTES:
            await self._fold()

    async def finish(self) -> ChangeReceipt:
        """Merge what was collected, with the window's position."""
        await self._fold()
        already = await self._blocking(self._stream.apply, self._folded, self._window)
        return ChangeReceipt(
            position=self._window.to,
            rows=sum(self._counts.values()),
            inserts=self._counts[ChangeOp.INSERT],
            updates=self._counts[ChangeOp.UPDATE],
            deletes=self._counts[ChangeOp.DELETE],
            bytes=self._bytes,
            already_applied=already,
        )

    async def _fold(self) -> None:
        if not self._waiting:
            return
        rows = pa.Table.from_batches(self._waiting)
        if self._folded is not None:
            rows = pa.concat_tables([self._folded, rows])
        self._waiting, self._waiting_bytes = [], 0
        self._folded = await self._blocking(folded, rows, self._key)


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
