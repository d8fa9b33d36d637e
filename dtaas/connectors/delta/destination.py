"""Delta Lake tables in a bucket or a folder, loaded and kept up to date.

Data files of a load are written by the lake's own writer: streamed, resumable, invisible. One
commit to the table's log then publishes them.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import pyarrow as pa
import structlog
from anyio import CancelScope, move_on_after
from msgspec.structs import replace

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.delta.changes import DeltaStream, check_key
from dtaas.connectors.delta.ddl import described, target_ddl
from dtaas.connectors.delta.forms import (
    canonical_batch,
    evolution,
    nullable,
    stored_batch,
    stored_schema,
)
from dtaas.connectors.delta.place import Place
from dtaas.connectors.delta.table import Table, arrow_schema, entry
from dtaas.connectors.lake import ownership
from dtaas.connectors.lake.chunk_writer import LakeChunkWriter
from dtaas.connectors.lake.destination import first_error
from dtaas.connectors.lake.layout import Layout
from dtaas.connectors.lake.names import PrefixTemplate, safe_segment
from dtaas.connectors.lake.publication import settle
from dtaas.model.change_ports import ChangeDestination, ChangeWriter
from dtaas.model.changes import ChangeWindow, TableStream, TrackedTable
from dtaas.model.check import CheckReport, OnStep
from dtaas.model.connectors import DeltaFileConfig, DeltaS3Config
from dtaas.model.errors import (
    DtaasError,
    SchemaChangedError,
    TableNotFoundError,
    ValidationFailedError,
)
from dtaas.model.load import (
    Chunk,
    ChunkReceipt,
    CommitResult,
    FileFormat,
    Owner,
    TableLoad,
    TargetTable,
    WriteMode,
    WriteOptions,
)
from dtaas.model.plan import DdlDestination, Standing, TargetDdl, named_owner
from dtaas.model.ports import ChunkWriter, Destination
from dtaas.model.positions import Held, HoldsPositions
from dtaas.model.schema import Column, TableRef, TableSchema

_THREADS: Final = 2
_MERGES: Final = 2
"""Merges at once: each uses every core by itself, and holds its window in memory."""
_CLEANUP_LIMIT_S: Final = 10.0

log = structlog.get_logger()


class DeltaDestination:
    """Writes for one task."""

    def __init__(
        self, config: DeltaS3Config | DeltaFileConfig, *, task_name: str, database: str
    ) -> None:
        self._place = Place(config)
        self._store = self._place.store
        self._template = PrefixTemplate(config.prefix, database=database, task=task_name)
        self._blocking = Blocking(_THREADS)
        self._merging = Blocking(_MERGES)
        self._streams: dict[TargetTable, DeltaStream] = {}

    async def check(self, on_step: OnStep) -> CheckReport:
        """Test the store step by step."""
        return await self._store.check(on_step)

    def target_of(self, table: TableRef, mapped: tuple[str, ...] | None) -> TargetTable:
        """Return the mapped path with safe segments, else what the template makes."""
        if mapped:
            return TargetTable(path=tuple(safe_segment(segment) for segment in mapped))
        return TargetTable(path=self._template.render(table))

    async def claim(self, target: TargetTable, owner: Owner, *, take_over: bool = False) -> None:
        """Record the owner in the target's marker."""
        await ownership.claim(self._store, target, owner, take_over=take_over)
        if owner.epoch:
            await self._blocking(self._table(target, owner).raise_epoch)

    async def standing(self, target: TargetTable) -> Standing | None:
        """Return what the table's log says."""
        table = self._table(target)
        opened = await self._blocking(table.open)
        if opened is None:
            return None
        owner = await ownership.owner_of(self._store, target)
        return Standing(
            location=table.uri,
            columns=described(arrow_schema(opened)),
            rows=await self._blocking(opened.count),
            owner="" if owner is None else named_owner(owner),
        )

    async def ddl(
        self, target: TargetTable, schema: TableSchema, options: WriteOptions
    ) -> TargetDdl:
        """Return what would be done to the columns, as Delta's SQL."""
        del options  # they say nothing of columns
        table = self._table(target)
        opened = await self._blocking(table.open)
        wanted = nullable(stored_schema(schema).arrow_schema())
        return target_ddl(table.uri, wanted, None if opened is None else arrow_schema(opened))

    async def release(self, target: TargetTable, owner: Owner) -> None:
        """Free the target's marker if it is this owner's."""
        await ownership.release(self._store, target, owner)

    async def begin(self, load: TableLoad) -> None:
        """Refuse what cannot work, and remove unfinished uploads of earlier lives.

        Raises:
            ValidationFailedError: Delta tables hold Parquet, and ours have no partitions.
            SchemaChangedError: the rows do not fit those to append to.
        """
        if load.options.format is not FileFormat.PARQUET:
            raise ValidationFailedError(
                f"A Delta table holds Parquet, not {load.options.format}.",
                hint="Set the file format to parquet.",
                field="$.s3_file_format",
            )
        if load.options.partition_by:
            raise ValidationFailedError(
                "Delta tables are written without partitions.",
                hint="Remove partition_by.",
                field="$.table_mappings",
            )
        await self._blocking(self._check_append, load)
        await self._store.remove_dangling(Layout(load.target).data)

    @asynccontextmanager
    async def write(self, load: TableLoad, chunk: Chunk) -> AsyncIterator[ChunkWriter]:
        """Open a writer; without `finish` nothing stays."""
        stored = replace(load, schema=stored_schema(load.schema))
        try:
            async with self._store.uploader() as uploader:
                files = LakeChunkWriter(uploader, self._blocking, stored, chunk)
                try:
                    yield _StoringWriter(files, stored.schema.arrow_schema(), self._blocking)
                finally:
                    await self._drop_unless_finished(files)
        except BaseExceptionGroup as group:
            raise first_error(group) from group

    async def commit(self, load: TableLoad, receipts: Sequence[ChunkReceipt]) -> CommitResult:
        """Publish the load by one commit to the table's log."""
        table = self._table(load.target, load.owner)
        if load.owner.epoch:
            await ownership.check(self._store, load.target, load.owner)
        files = [file for receipt in receipts for file in receipt.files]
        already = await self._blocking(table.has_load, load.load_id)
        if not already:
            layout = Layout(load.target)
            await settle(self._store, layout.load(load.load_id), files)
            base = f"{layout.base}/"
            entries = [
                entry(file.key.removeprefix(base), rows=file.rows, size=file.bytes)
                for file in files
            ]
            already = await self._blocking(
                table.publish,
                load.load_id,
                stored_schema(load.schema).arrow_schema(),
                entries,
                replace=load.options.mode is WriteMode.OVERWRITE,
            )
            await self._blocking(self._tidy, table)
        return CommitResult(
            rows=sum(file.rows for file in files),
            bytes=sum(file.bytes for file in files),
            files=len(files),
            location=table.uri,
            already_committed=already,
        )

    async def abandon(self, load: TableLoad) -> None:
        """Remove the load's files, unless readers already see them."""
        if await self._blocking(self._table(load.target).has_load, load.load_id):
            return
        prefix = Layout(load.target).load(load.load_id)
        await self._store.remove_dangling(prefix)
        await self._store.delete(sorted(await self._store.list(prefix)))

    async def scan(
        self, target: TargetTable, schema: TableSchema, visit: Callable[[pa.RecordBatch], None]
    ) -> None:
        """Read the table back as it is now, loads and changes."""
        await self._blocking(self._scan, target, schema, visit)

    def interval_s(self) -> float:
        """Return 0: what is late is merged at once."""
        return 0.0

    def check_tracked(self, tracked: TrackedTable) -> None:
        """Refuse tables whose rows cannot be told apart."""
        check_key(tracked.schema)

    def evolution(self, target: TargetTable, before: Column | None, after: Column) -> Sequence[str]:
        """Return what is done to a target that takes changes; see the port."""
        return evolution(target, before, after)

    async def open_stream(self, stream: TableStream) -> bytes | None:
        """Take a table's stream of changes over; return the position the table holds."""
        await ownership.claim(self._store, stream.target, stream.owner, take_over=False)
        opened = DeltaStream(self._table(stream.target, stream.owner), stream, self._merging)
        self._streams[stream.target] = opened
        return await opened.open()

    async def held(self, target: TargetTable, owner: Owner) -> Held:
        """Return what the table's log says; nothing while another task writes here."""
        holder = await ownership.owner_of(self._store, target)
        if holder is not None and not ownership.is_same(holder, owner):
            return Held()
        return await self._blocking(self._table(target).held)

    async def place(self, stream: TableStream, position: bytes) -> None:
        """Set the position in the table's log; rows stay as they are."""
        await self.open_stream(stream)
        await self._merging(self._streams[stream.target].place, position)

    @asynccontextmanager
    async def apply(self, stream: TableStream, window: ChangeWindow) -> AsyncIterator[ChangeWriter]:
        """Open a writer for one window; `open_stream` comes first."""
        yield self._streams[stream.target].writer(window)

    async def aclose(self) -> None:
        """Close the store's connections."""
        await self._store.aclose()

    def _table(self, target: TargetTable, owner: Owner | None = None) -> Table:
        return Table(self._place.uri(target), self._place.options, owner)

    def _tidy(self, table: Table) -> None:
        opened = table.open()
        if opened is not None:
            table.vacuum(opened)

    def _check_append(self, load: TableLoad) -> None:
        table = self._table(load.target).open()
        if table is None or load.options.mode is not WriteMode.APPEND:
            return
        if arrow_schema(table) != stored_schema(load.schema).arrow_schema():
            raise SchemaChangedError(
                f"{load.target} holds rows of other columns than this load of {load.schema.table}.",
                hint="Overwrite instead of appending, or choose another target.",
            )

    def _scan(
        self, target: TargetTable, schema: TableSchema, visit: Callable[[pa.RecordBatch], None]
    ) -> None:
        place = self._table(target)
        table = place.open()
        if table is None:
            raise TableNotFoundError(
                f"Nothing was committed at {target}.", hint="Run the task first."
            )
        wanted = schema.arrow_schema()
        names = stored_schema(schema).arrow_schema().names
        missing = [name for name in names if name not in arrow_schema(table).names]
        if missing:
            raise SchemaChangedError(
                f"{place.uri} has no column {missing[0]!r}.",
                hint="Start the task with force to load the table anew.",
            )
        for batch in place.rows(table):
            visit(canonical_batch(batch.select(names), wanted))

    async def _drop_unless_finished(self, writer: LakeChunkWriter) -> None:
        if writer.finished or not writer.files:
            return
        with CancelScope(shield=True), move_on_after(_CLEANUP_LIMIT_S):
            try:
                await self._store.delete([file.key for file in writer.files])
            except DtaasError as error:  # must not hide why the chunk was given up
                log.warning("files_not_removed", code=error.code, detail=error.detail)


class _StoringWriter:
    """Writes a chunk in the stored forms of its columns."""

    def __init__(self, files: LakeChunkWriter, schema: pa.Schema, blocking: Blocking) -> None:
        self._files = files
        self._schema = schema
        self._blocking = blocking

    async def write(self, batch: pa.RecordBatch) -> None:
        """Take one batch."""
        await self._files.write(await self._blocking.droppable(stored_batch, batch, self._schema))

    async def finish(self) -> ChunkReceipt:
        """Make the chunk durable."""
        return await self._files.finish()


_: type[Destination] = DeltaDestination
_ddl: type[DdlDestination] = DeltaDestination
_changes: type[ChangeDestination] = DeltaDestination
_positions: type[HoldsPositions] = DeltaDestination
