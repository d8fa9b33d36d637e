"""Change files: each window of changes as files of its own, listed by a segment, then counted.

    <target>/cdc/<generation>/dt=<commit date>/<after>-<to>-<n>.<extension>
    <target>/_dtaas/changes/<generation>/<to>.json   the files of one window, immutable
    <target>/_dtaas/stream.json                      the head: generation, base, position, epoch

Names follow from the window, so a window written again after a crash overwrites itself. Order:
files → segment → head. The head names the last segment and each segment the one before it, so that
what a crash left unlisted never counts. The head moves by a conditional put: an older life of the
task holds another etag and can move nothing any more. What readers do is in the README.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from msgspec import Struct
from msgspec.structs import replace

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.lake.data_file import OpenDataFile
from dtaas.connectors.lake.encode import slice_bytes
from dtaas.connectors.lake.layout import EXTENSIONS, Layout
from dtaas.connectors.lake.manifest import VERSION, decode, encode
from dtaas.connectors.lake.objects import ObjectStore, PreconditionFailedError, Uploader
from dtaas.model.change_ports import ChangeWriter
from dtaas.model.changes import OP, ChangeReceipt, ChangeWindow, TableStream, change_schema
from dtaas.model.errors import DestinationConflictError
from dtaas.model.load import DataFile, TargetTable
from dtaas.model.schema import TableSchema

_NO_DATE: Final = "1970-01-01"

log = structlog.get_logger()


class StreamHead(Struct, frozen=True, kw_only=True):
    """What counts of a stream.

    Attributes:
        generation: load the changes follow.
        base: position of that load, 20 hex digits; changes after it count.
        position: everything up to here is listed.
        segment: `to` of the last segment, None while there is none.
        epoch: rises with every life of the task that writes.
    """

    version: int = VERSION
    generation: str
    base: str
    position: str
    segment: str | None = None
    epoch: int
    table: TableSchema
    updated_at: datetime


class Segment(Struct, frozen=True, kw_only=True):
    """The files of one window, in the order of their changes.

    Attributes:
        after, to: the window, 20 hex digits each.
        previous: `to` of the segment before this one, None for the first of its generation.
        published_at: when the files were durable.
    """

    version: int = VERSION
    previous: str | None = None
    after: str
    to: str
    rows: int
    inserts: int
    updates: int
    deletes: int
    published_at: datetime
    table: TableSchema
    files: tuple[DataFile, ...]


class PublishedChanges:
    """What a target's head and segments say."""

    def __init__(self, store: ObjectStore, target: TargetTable) -> None:
        self._store = store
        self._layout = Layout(target)

    async def head(self) -> StreamHead | None:
        """Return the head, None where nothing streams."""
        found = await self._store.get(self._layout.stream)
        return None if found is None else decode(found.data, StreamHead, self._layout.stream)

    async def segments(self, head: StreamHead) -> list[Segment]:
        """Return the segments that count, in the order of their changes: the head's chain."""
        found: list[Segment] = []
        to = head.segment
        while to is not None:
            key = self._layout.segment(head.generation, to)
            document = await self._store.get(key)
            if document is None:
                raise DestinationConflictError(
                    f"{self._store.url(key)} is gone, which the stream's head counts on.",
                    hint="Somebody deleted it. Load the table anew.",
                )
            found.append(decode(document.data, Segment, key))
            to = found[-1].previous
        return found[::-1]


class LakeChanges:
    """Writes the stream of one table. One life of a task holds one."""

    def __init__(self, store: ObjectStore, blocking: Blocking, stream: TableStream) -> None:
        self._store = store
        self._blocking = blocking
        self._stream = stream
        self._layout = Layout(stream.target)
        self._head: StreamHead | None = None
        self._etag: str | None = None

    def follow(self, stream: TableStream) -> None:
        """Write with the columns of `stream` from now on; it is of the same generation."""
        self._stream = stream

    async def open(self) -> bytes | None:
        """Take the stream over and return the position it stands at; see the port.

        Raises:
            DestinationConflictError: another life has taken it over since, or does at this moment.
        """
        found = await self._store.get(self._layout.stream)
        old = None if found is None else decode(found.data, StreamHead, self._layout.stream)
        if self._head is not None:  # this life had opened it: it must not take it back
            if found is None or old is None or old.epoch != self._head.epoch:
                raise self._taken_over()
            self._head, self._etag = old, found.etag
            return bytes.fromhex(old.position)
        same = old is not None and old.generation == self._stream.generation
        base = self._stream.base.hex()
        head = StreamHead(
            generation=self._stream.generation,
            base=base,
            position=old.position if old is not None and same else base,
            segment=old.segment if old is not None and same else None,
            epoch=(old.epoch if old is not None else 0) + 1,
            table=self._stream.tracked.schema,
            updated_at=datetime.now(UTC),
        )
        self._etag = None if found is None else found.etag
        await self._move(head)
        return bytes.fromhex(head.position) if same else None

    @asynccontextmanager
    async def apply(self, window: ChangeWindow) -> AsyncIterator[ChangeWriter]:
        """Open a writer for one window."""
        async with self._store.uploader() as uploader:
            yield _WindowWriter(self, uploader, window)

    async def publish(self, window: ChangeWindow, segment: Segment) -> ChangeReceipt:
        """List a window's files and count them."""
        head = self._required()
        to = window.to.hex()
        already = head.position >= to
        if not already:
            last = head.segment
            if segment.files:
                key = self._layout.segment(self._stream.generation, to)
                await self._store.put(key, encode(replace(segment, previous=last)))
                last = to
            table, now = self._stream.tracked.schema, datetime.now(UTC)
            await self._move(replace(head, position=to, segment=last, table=table, updated_at=now))
        return ChangeReceipt(
            position=window.to,
            rows=segment.rows,
            inserts=segment.inserts,
            updates=segment.updates,
            deletes=segment.deletes,
            bytes=sum(f.bytes for f in segment.files),
            files=len(segment.files),
            already_applied=already,
        )

    async def place(self, position: bytes) -> None:
        """Let only the segments up to `position` count, and the stream stand there."""
        head = self._required()
        wanted = position.hex()
        if head.position == wanted:
            return
        kept = await PublishedChanges(self._store, self._stream.target).segments(head)
        segment = next((s.to for s in reversed(kept) if s.to <= wanted), None)
        now = datetime.now(UTC)
        await self._move(replace(head, position=wanted, segment=segment, updated_at=now))
        log.warning(
            "stream_placed", target=str(self._stream.target), position=wanted, was=head.position
        )

    def file(self, window: ChangeWindow, number: int) -> str:
        """Return the key of a window's file."""
        at = window.commit_time
        day = at.astimezone(UTC).date().isoformat() if at is not None else _NO_DATE
        name = f"{window.after.hex()}-{window.to.hex()}-{number:05d}"
        extension = EXTENSIONS[self._stream.options.format]
        return f"{self._layout.changes(self._stream.generation)}dt={day}/{name}.{extension}"

    def data_file(self, uploader: Uploader, key: str) -> OpenDataFile:
        """Start a file of change rows."""
        return OpenDataFile(
            key,
            uploader.open(key),
            file_format=self._stream.options.format,
            schema=change_schema(self._stream.tracked.schema),
            blocking=self._blocking,
        )

    @property
    def stream(self) -> TableStream:
        """Return what is written."""
        return self._stream

    def _required(self) -> StreamHead:
        if self._head is None:
            raise RuntimeError("The stream is not open.")
        return self._head

    async def _move(self, head: StreamHead) -> None:
        """Move the head, unless a newer life of the task has taken it over."""
        key = self._layout.stream
        data = encode(head)
        try:
            await self._store.put(key, data, absent=self._etag is None, etag=self._etag)
        except PreconditionFailedError as error:
            found = await self._store.get(key)
            if found is None or found.data != data:  # else the reply to our own put was lost
                raise self._taken_over() from error
        found = await self._store.get(key)
        if found is None or found.data != data:
            raise self._taken_over()
        self._head, self._etag = head, found.etag

    def _taken_over(self) -> DestinationConflictError:
        return DestinationConflictError(
            f"{self._store.url(self._layout.stream)} was taken over by another life of the task.",
            hint="Let only one daemon run the task.",
        )


class _WindowWriter:
    """Writes the files of one window."""

    def __init__(self, changes: LakeChanges, uploader: Uploader, window: ChangeWindow) -> None:
        self._changes = changes
        self._uploader = uploader
        self._window = window
        self._files: list[DataFile] = []
        self._counts = {"I": 0, "U": 0, "D": 0}
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0
        self._open: OpenDataFile | None = None

    async def write(self, batch: pa.RecordBatch) -> None:
        """Take one batch; encode and send what has become enough."""
        for entry in pc.value_counts(batch.column(OP)).to_pylist():
            self._counts[entry["values"]] += entry["counts"]
        self._waiting.append(batch)
        self._waiting_bytes += batch.nbytes
        if self._waiting_bytes >= slice_bytes(self._changes.stream.options.format):
            await self._encode()

    async def finish(self) -> ChangeReceipt:
        """Make the window durable and visible."""
        await self._encode()
        await self._close()
        segment = Segment(
            after=self._window.after.hex(),
            to=self._window.to.hex(),
            rows=sum(self._counts.values()),
            inserts=self._counts["I"],
            updates=self._counts["U"],
            deletes=self._counts["D"],
            published_at=datetime.now(UTC),
            table=self._changes.stream.tracked.schema,
            files=tuple(self._files),
        )
        return await self._changes.publish(self._window, segment)

    async def _encode(self) -> None:
        if not self._waiting:
            return
        table = pa.Table.from_batches(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        if self._open is None:
            key = self._changes.file(self._window, len(self._files))
            self._open = self._changes.data_file(self._uploader, key)
        await self._open.write(table)
        if self._open.size_bytes >= self._changes.stream.options.target_file_bytes:
            await self._close()

    async def _close(self) -> None:
        if self._open is not None:
            file, self._open = self._open, None
            self._files.append(await file.finish())
