"""The lake: tables as Parquet, CSV or JSON files in a bucket or a local folder."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import anyio
import pyarrow as pa
import structlog
from msgspec.structs import replace

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.lake import ownership
from dtaas.connectors.lake.changes import LakeChanges, PublishedChanges
from dtaas.connectors.lake.chunk_writer import LakeChunkWriter, sliced
from dtaas.connectors.lake.folder import FolderStore
from dtaas.connectors.lake.layout import Layout
from dtaas.connectors.lake.manifest import LoadFile, Manifest
from dtaas.connectors.lake.names import PrefixTemplate, safe_segment
from dtaas.connectors.lake.objects import ObjectStore
from dtaas.connectors.lake.partitions import Partitioner
from dtaas.connectors.lake.publication import Published, Publisher, check_append
from dtaas.connectors.lake.read import read_batches, read_changes
from dtaas.connectors.lake.s3_store import S3Store
from dtaas.connectors.lake.stream_state import StreamState
from dtaas.model.change_ports import ChangeDestination, ChangeWriter
from dtaas.model.changes import ChangeWindow, TableStream, TrackedTable, change_schema
from dtaas.model.check import CheckReport, OnStep
from dtaas.model.connectors import FileConfig, S3Config
from dtaas.model.errors import DtaasError, TableNotFoundError
from dtaas.model.ids import LoadId
from dtaas.model.load import (
    Chunk,
    ChunkReceipt,
    CommitResult,
    DataFile,
    FileFormat,
    Owner,
    TableLoad,
    TargetTable,
)
from dtaas.model.plan import Standing, named_owner
from dtaas.model.ports import ChunkWriter, Destination
from dtaas.model.positions import Held, HoldsPositions
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.types import arrow_type

log = structlog.get_logger()

ENCODERS: Final = 2
"""Encoding threads: one a core on the smallest machine meant to run this."""
_CLEANUP_LIMIT_S: Final = 10.0
_SCAN_ROWS: Final = 16_384
_SCAN_BYTES: Final = 1024 * 1024


class LakeDestination:
    """Writes for one task into one object store."""

    def __init__(self, store: ObjectStore, template: PrefixTemplate, *, keep_loads: int) -> None:
        self._store = store
        self._template = template
        self._keep_loads = keep_loads
        self._blocking = Blocking(ENCODERS)
        self._streams: dict[TargetTable, LakeChanges] = {}

    @classmethod
    def s3(cls, config: S3Config, *, task_name: str, database: str) -> "LakeDestination":
        """Return the destination of an S3 connector; it connects at the first call."""
        template = PrefixTemplate(config.prefix, database=database, task=task_name)
        return cls(S3Store(config), template, keep_loads=config.keep_loads)

    @classmethod
    def file(cls, config: FileConfig, *, task_name: str, database: str) -> "LakeDestination":
        """Return the destination of a local folder."""
        template = PrefixTemplate(config.prefix, database=database, task=task_name)
        return cls(FolderStore(Path(config.path)), template, keep_loads=config.keep_loads)

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
            await Published(self._store, target).raise_epoch(owner.epoch)

    async def standing(self, target: TargetTable) -> Standing | None:
        """Return what the manifest says that readers use."""
        manifest = await Published(self._store, target).current()
        if manifest is None:
            return None
        owner = await ownership.owner_of(self._store, target)
        return Standing(
            location=self._store.url("/".join(target.path)),
            columns=tuple((f.name, str(f.type)) for f in manifest.table.arrow_schema()),
            rows=manifest.rows,
            bytes=manifest.bytes,
            owner="" if owner is None else named_owner(owner),
        )

    async def release(self, target: TargetTable, owner: Owner) -> None:
        """Free the target's marker if it is this owner's."""
        await ownership.release(self._store, target, owner)

    async def begin(self, load: TableLoad) -> None:
        """Refuse what cannot work, and remove unfinished uploads of earlier lives.

        Raises:
            ValidationFailedError: the table cannot be partitioned as asked.
            SchemaChangedError: the rows do not fit those to append to.
        """
        Partitioner(load.schema, load.options.partition_by)
        check_append(await Published(self._store, load.target).current(), load)
        removed = await self._store.remove_dangling(Layout(load.target).data)
        if removed:
            log.info("dangling_uploads_removed", target=str(load.target), uploads=removed)

    @asynccontextmanager
    async def write(self, load: TableLoad, chunk: Chunk) -> AsyncIterator[ChunkWriter]:
        """Open a writer; without `finish` nothing stays."""
        try:
            async with self._store.uploader() as uploader:
                writer = LakeChunkWriter(uploader, self._blocking, load, chunk)
                try:
                    yield writer
                finally:
                    await self._drop_unless_finished(writer)
        except BaseExceptionGroup as group:
            raise first_error(group) from group

    async def commit(self, load: TableLoad, receipts: Sequence[ChunkReceipt]) -> CommitResult:
        """Publish the load by manifest and pointer."""
        publisher = Publisher(self._store, load, self._keep_loads)
        return await publisher.publish(receipts, datetime.now(UTC))

    async def abandon(self, load: TableLoad) -> None:
        """Remove the load's files and manifest, unless readers already see it."""
        chain = Published(self._store, load.target)
        for manifest in await chain.chain(await chain.current()):
            if any(file.load_id == load.load_id for file in manifest.files):
                return
            if manifest.load_id == load.load_id:
                return
        layout = Layout(load.target)
        await self._store.remove_dangling(layout.load(load.load_id))
        present = await self._store.list(layout.load(load.load_id))
        await self._store.delete([*sorted(present), layout.manifest(load.load_id)])

    async def scan(
        self, target: TargetTable, schema: TableSchema, visit: Callable[[pa.RecordBatch], None]
    ) -> None:
        """Read back what readers see, load and changes."""
        manifest = await Published(self._store, target).current()
        if manifest is None:
            raise TableNotFoundError(
                f"Nothing was committed at {target}.", hint="Run the task first."
            )
        changes = await self._changes_over(target, manifest, schema)
        files = iter(manifest.files)
        async with anyio.create_task_group() as group:
            for _ in range(1 if changes else ENCODERS):
                group.start_soon(self._visit_files, files, manifest, schema, visit, changes)
        if changes is not None:
            await self._blocking(_visit, changes.rest(), visit)

    def interval_s(self) -> float:
        """Return 0: files cost the same whenever they are written."""
        return 0.0

    def evolution(self, target: TargetTable, before: Column | None, after: Column) -> Sequence[str]:
        """Return what changes in the files of a table: each says itself which columns it has."""
        del before
        return (f"change files of {target} from now on: {after.name} {arrow_type(after.type)}",)

    def check_tracked(self, tracked: TrackedTable) -> None:
        """Take any table: change files need no key."""

    async def _changes_over(
        self, target: TargetTable, manifest: Manifest, schema: TableSchema
    ) -> StreamState | None:
        """Return the changes that count on top of a load, None where there are none."""
        published = PublishedChanges(self._store, target)
        head = await published.head()
        if head is None or head.generation != manifest.load_id:
            return None
        segments = await published.segments(head)
        tables = [change_schema(schema).empty_table()]
        for segment in segments:
            for file in segment.files:
                async with self._store.fetch(file.key) as path:
                    tables.append(
                        await self._blocking(
                            _change_table, path, file, segment.table, manifest.format
                        )
                    )
        if not segments:
            return None
        names = tables[0].column_names
        every = pa.concat_tables(tables, promote_options="permissive")  # older ones lack columns
        return StreamState(schema, every.select(names))

    async def open_stream(self, stream: TableStream) -> bytes | None:
        """Take a table's stream of changes over; return the position it stands at."""
        changes = self._streams.get(stream.target)
        if changes is None or changes.stream.generation != stream.generation:
            changes = LakeChanges(self._store, self._blocking, stream)
            self._streams[stream.target] = changes
        changes.follow(stream)
        return await changes.open()

    async def held(self, target: TargetTable, owner: Owner) -> Held:
        """Return what pointer and head say; nothing while another task writes here."""
        holder = await ownership.owner_of(self._store, target)
        if holder is not None and not ownership.is_same(holder, owner):
            return Held()
        pointer, _ = await Published(self._store, target).pointer()
        head = await PublishedChanges(self._store, target).head()
        return Held(
            load=None if pointer is None else pointer.load_id,
            generation=None if head is None else LoadId(head.generation),
            position=None if head is None else head.position,
        )

    async def place(self, stream: TableStream, position: bytes) -> None:
        """Move the head; segments beyond it do not count any more."""
        await self.open_stream(stream)
        await self._streams[stream.target].place(position)

    @asynccontextmanager
    async def apply(self, stream: TableStream, window: ChangeWindow) -> AsyncIterator[ChangeWriter]:
        """Open a writer for one window; `open_stream` comes first."""
        try:
            async with self._streams[stream.target].apply(window) as writer:
                yield writer
        except BaseExceptionGroup as group:
            raise first_error(group) from group

    async def aclose(self) -> None:
        """Close the store's connections."""
        await self._store.aclose()

    async def _drop_unless_finished(self, writer: LakeChunkWriter) -> None:
        """Remove the files of a chunk that was not finished; a commit would skip them anyway."""
        if writer.finished or not writer.files:
            return
        with anyio.CancelScope(shield=True), anyio.move_on_after(_CLEANUP_LIMIT_S):
            try:
                await self._store.delete([file.key for file in writer.files])
            except DtaasError as error:  # must not hide why the chunk was given up
                log.warning("files_not_removed", code=error.code, detail=error.detail)

    async def _visit_files(
        self,
        files: Iterator[LoadFile],
        manifest: Manifest,
        schema: TableSchema,
        visit: Callable[[pa.RecordBatch], None],
        changes: StreamState | None,
    ) -> None:
        stored = schema if changes is None else _as_loaded(schema, manifest.table)
        for file in files:
            async with self._store.fetch(file.key) as path:
                rows = read_batches(path, file, stored, manifest.format)
                await self._blocking(_visit, _under(rows, changes, schema), visit)


def _change_table(
    path: Path, file: DataFile, schema: TableSchema, file_format: FileFormat
) -> pa.Table:
    return pa.Table.from_batches(
        list(read_changes(path, file, schema, file_format)), change_schema(schema)
    )


def _under(
    rows: Iterator[pa.RecordBatch], changes: StreamState | None, schema: TableSchema
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a load that no change replaced, with the columns of `schema`."""
    wanted = schema.arrow_schema()
    for batch in rows:
        if changes is None:
            yield batch
        else:
            yield from changes.over(_completed(batch, wanted)).to_batches()


def _as_loaded(schema: TableSchema, loaded: TableSchema) -> TableSchema:
    """Return those of the table's columns that a load has, as it has them."""
    before = {c.name: c for c in loaded.columns}
    columns = tuple(before[c.name] for c in schema.columns if c.name in before)
    return replace(schema, columns=columns)


def _completed(batch: pa.RecordBatch, wanted: pa.Schema) -> pa.RecordBatch:
    """Return rows loaded before the table got other columns: new ones are NULL."""
    if batch.schema == wanted:
        return batch
    columns = [
        batch.column(f.name).cast(f.type)
        if f.name in batch.schema.names
        else pa.nulls(batch.num_rows, f.type)
        for f in wanted
    ]
    return pa.RecordBatch.from_arrays(
        columns, schema=pa.schema([f.with_nullable(True) for f in wanted])
    )


def _visit(rows: Iterator[pa.RecordBatch], visit: Callable[[pa.RecordBatch], None]) -> None:
    """Hand rows on in small pieces: who hashes them takes some 48 bytes a byte of text."""
    for batch in rows:
        for piece in sliced(batch, _SCAN_ROWS, _SCAN_BYTES):
            visit(piece)


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that tells most: one of ours before any other."""
    flat: list[BaseException] = []
    pending: list[BaseException] = [group]
    while pending:
        error = pending.pop(0)
        if isinstance(error, BaseExceptionGroup):
            pending.extend(error.exceptions)
        else:
            flat.append(error)
    return next((error for error in flat if isinstance(error, DtaasError)), flat[0])


_: type[Destination] = LakeDestination
_changes: type[ChangeDestination] = LakeDestination
_positions: type[HoldsPositions] = LakeDestination
