"""Sources of changes whose change rows already look as they arrive."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext

import pyarrow as pa
from msgspec.structs import replace

from dtaas.concurrency.blocking import Blocking
from dtaas.engine.shaping.dead_letters import DeadLetters, LetGo, Letters
from dtaas.engine.shaping.rereading import WholeChanges
from dtaas.engine.shaping.shapes import Shapes, plain
from dtaas.model.change_ports import (
    ChangeSource,
    FollowsDdl,
    PreparesWindows,
    TellsDdl,
    WatermarkSource,
    WindowSource,
)
from dtaas.model.changes import (
    ChangeWindow,
    SourceState,
    Succession,
    TrackedTable,
    TrackingMethod,
)
from dtaas.model.execution import ReadBy
from dtaas.model.load import Chunk
from dtaas.model.ports import BatchReader, Source
from dtaas.model.schema import TableRef
from dtaas.model.watermark import Fence, Watermark
from dtaas.transforms.changes import transform_changes
from dtaas.transforms.program import Program


class ShapedWindows:
    """Transforms windows of another source."""

    def __init__(
        self,
        source: WindowSource,
        shapes: Shapes,
        letters: DeadLetters | LetGo,
        blocking: Blocking,
        rows: Source | None = None,
    ) -> None:
        """Wrap a source.

        Args:
            rows: the same source, plain, for values that changes do not log; without it rows that
                want them are let through without.
        """
        self._rows = rows
        self._windows = source
        self._shapes = shapes
        self._letters = letters
        self._blocking = blocking

    async def cut(
        self, tracked: TrackedTable, *, after: bytes, to: bytes, most_rows: int
    ) -> ChangeWindow:
        """Return the next window."""
        self._shapes.adopt(tracked)  # whoever reads single rows of it needs it too
        return await self._windows.cut(plain(tracked), after=after, to=to, most_rows=most_rows)

    @asynccontextmanager
    async def changes(
        self, tracked: TrackedTable, window: ChangeWindow, *, batch_rows: int, batch_bytes: int
    ) -> AsyncIterator[BatchReader]:
        """Open a reader over a window."""
        program = self._shapes.adopt(tracked)
        reading = self._windows.changes(
            plain(tracked), window, batch_rows=batch_rows, batch_bytes=batch_bytes
        )
        name = f"changes-{window.after.hex()}-{window.to.hex()}"
        new = tracked.method is TrackingMethod.CAPTURE
        async with reading as logged, self._letters.letters(program, name) as letters:
            reader = logged
            if program.reread and self._rows is not None:
                reader = WholeChanges(
                    logged, program, self._rows, self._blocking, batch_bytes=batch_bytes
                )
            yield _ShapedChanges(reader, program, letters, self._blocking, inserts_are_new=new)


class ShapedChangeSource(ShapedWindows):
    """Transforms the changes of another source."""

    def __init__(
        self,
        source: ChangeSource,
        shapes: Shapes,
        letters: DeadLetters | LetGo,
        blocking: Blocking,
        rows: Source | None = None,
    ) -> None:
        super().__init__(source, shapes, letters, blocking, rows)
        self._source = source

    @property
    def tells_ddl(self) -> bool:
        """Return whether the source itself tells of DDL."""
        return not isinstance(self._source, TellsDdl) or self._source.tells_ddl

    def arriving(self, tracked: TrackedTable, columns: Sequence[str]) -> tuple[str, ...]:
        """Return the columns that arrive and are made of some of the source."""
        return self._shapes.adopt(tracked).made_of(columns)

    async def prepare(self, tracked: TrackedTable) -> None:
        """Learn what the first window of a table needs, where the source can do so ahead."""
        if isinstance(self._source, PreparesWindows):
            await self._source.prepare(plain(tracked))

    async def track(
        self, tables: Sequence[TableRef], *, keys: Mapping[TableRef, tuple[str, ...]], enable: bool
    ) -> Sequence[TrackedTable]:
        """Find or make what records the changes of each table."""
        found = await self._source.track(tables, keys=keys, enable=enable)
        return [self._shapes.tracked(tracked) for tracked in found]

    async def untrack(self, tracked: TrackedTable) -> None:
        """Drop a capture instance that we made."""
        await self._source.untrack(plain(tracked))

    async def follow_ddl(self, tracked: TrackedTable, *, enable: bool) -> TrackedTable:
        """Return a table as it is after DDL, and its successor, as their changes arrive."""
        if not isinstance(self._source, FollowsDdl):
            return tracked
        found = await self._source.follow_ddl(plain(tracked), enable=enable)
        successor = found.successor
        if successor is not None:
            newer = self._shapes.tracked(successor.tracked)
            columns = self._shapes.adopt(newer).made_of(successor.missed.columns)
            missed = replace(successor.missed, columns=columns)
            found = replace(found, successor=Succession(tracked=newer, missed=missed))
        return self._shapes.tracked(found)

    async def anchor(self, tracked: Sequence[TrackedTable]) -> bytes:
        """Return the position a full load may begin at."""
        return await self._source.anchor([plain(t) for t in tracked])

    async def poll(self, tracked: Sequence[TrackedTable]) -> SourceState:
        """Ask what is new."""
        return await self._source.poll([plain(t) for t in tracked])

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        await self._source.aclose()


class ShapedMarks:
    """Watermarks of tables that are transformed: columns of marks are those of the source."""

    def __init__(self, marks: WatermarkSource, shapes: Shapes) -> None:
        self.plain = marks
        self._shapes = shapes

    async def mark(
        self, table: TableRef, *, key: tuple[str, ...], watermark: Watermark | None, field: str
    ) -> TrackedTable:
        """Return a table with its watermark column."""
        found = await self.plain.mark(table, key=key, watermark=watermark, field=field)
        return self._shapes.tracked(found)

    async def fence(self, tracked: TrackedTable, *, after: bytes | None, seen: str) -> Fence:
        """Return how far the table may be read now."""
        return await self.plain.fence(plain(tracked), after=after, seen=seen)

    async def cut(
        self, tracked: TrackedTable, *, after: bytes, to: bytes, most_rows: int
    ) -> ChangeWindow:
        """Return the next window."""
        return await self.plain.cut(plain(tracked), after=after, to=to, most_rows=most_rows)

    def chunk(self, tracked: TrackedTable, window: ChangeWindow) -> Chunk:
        """Return the rows of a window as a range of the watermark column."""
        return self.plain.chunk(plain(tracked), window)

    def notes(self, tracked: TrackedTable) -> str:
        """Return what such a watermark cannot see."""
        return self.plain.notes(plain(tracked))

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        await self.plain.aclose()


class _ShapedChanges:
    """Transforms batches of change rows in threads."""

    def __init__(
        self,
        reader: BatchReader,
        program: Program,
        letters: Letters,
        blocking: Blocking,
        *,
        inserts_are_new: bool,
    ) -> None:
        self._reader = reader
        self._program = program
        self._letters = letters
        self._blocking = blocking
        self._new = inserts_are_new
        self.steps: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    def read_by(self) -> ReadBy | None:
        """What reads the rows."""
        return self._reader.read_by

    async def next(self) -> pa.RecordBatch | None:
        """Return the next change rows, None after the last."""
        while (batch := await self._reader.next()) is not None:
            with self.steps():
                result = await self._blocking(
                    transform_changes, self._program, batch, inserts_are_new=self._new
                )
            if result.rejected is not None:
                await self._letters.add(result.rejected)
            if result.batch.num_rows:
                return result.batch
        await self._letters.keep()
        return None


_: tuple[type[ChangeSource], type[WatermarkSource]] = (ShapedChangeSource, ShapedMarks)
