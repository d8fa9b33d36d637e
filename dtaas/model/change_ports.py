"""The ports of change data capture: what the engine asks beyond full loads.

A source or destination that can do it has these methods beside those of `Source` and `Destination`;
its `Capabilities` say so. Contract suites in `tests/contract` prove them for every implementation.
All raise `DtaasError` only.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

import pyarrow as pa

from dtaas.model.captures import CaptureInstance, CaptureSurvey
from dtaas.model.changes import (
    Capture,
    ChangeReceipt,
    ChangeWindow,
    SourceState,
    StreamState,
    TableStream,
    TrackedTable,
)
from dtaas.model.connectors import Connector
from dtaas.model.ids import TaskId
from dtaas.model.load import Chunk, TargetTable
from dtaas.model.ports import BatchReader, ConnectorRegistry, Source
from dtaas.model.schema import Column, TableRef
from dtaas.model.watermark import Fence, Watermark


class WindowSource(Protocol):
    """Hands out the changes of tables, window by window. Its methods may overlap."""

    async def cut(
        self, tracked: TrackedTable, *, after: bytes, to: bytes, most_rows: int
    ) -> ChangeWindow:
        """Return the next window after `after`: whole transactions, about `most_rows` rows.

        A single larger transaction still comes whole. `to` bounds the window; when nothing changed
        the window ends there.
        """
        ...

    def changes(
        self, tracked: TrackedTable, window: ChangeWindow, *, batch_rows: int, batch_bytes: int
    ) -> AbstractAsyncContextManager[BatchReader]:
        """Open a reader over a window, in the order of `ORDER`, each change exactly once.

        Batches have `change_schema(tracked.schema)`. The reader checks before the first and after
        the last row that nothing was cleaned away meanwhile.

        Raises:
            CaptureGapError: changes of the window are no longer kept: the table needs a new load.
            CaptureLostError: the instance is gone or is another one of the same name.
        """
        ...


@runtime_checkable
class ChangeSource(WindowSource, Protocol):
    """The part of a source that reads changes. Its methods may overlap."""

    async def track(
        self, tables: Sequence[TableRef], *, keys: Mapping[TableRef, tuple[str, ...]], enable: bool
    ) -> Sequence[TrackedTable]:
        """Find, or with `enable` make, what records the changes of each table. Idempotent.

        Args:
            keys: keys the user declared, for tables without one or to be applied by another.
            enable: switch change data capture on where it is missing and the rights allow.

        Raises:
            CaptureNotEnabledError: it is off; `hint` holds the exact T-SQL for a DBA.
            TableNotFoundError: a table does not exist.
            UnsupportedTypeError: a column cannot be moved without loss.
        """
        ...

    async def untrack(self, tracked: TrackedTable) -> None:
        """Drop a capture instance that we made; never anybody else's. Idempotent."""
        ...

    async def anchor(self, tracked: Sequence[TrackedTable]) -> bytes:
        """Return the position a full load may begin at: all of `tracked` are captured since.

        Waits, within a limit, until the capture process has recognised every instance. What
        committed at or before the position is visible to every read made after this call returns.

        Raises:
            CaptureStoppedError: the capture process does not run; names what to start.
        """
        ...

    async def poll(self, tracked: Sequence[TrackedTable]) -> SourceState:
        """Ask once, with one query however many tables there are, what is new.

        Raises:
            CaptureLostError: an instance vanished; `tables` of the error names whose.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        ...


class WatermarkSource(Protocol):
    """The part of a source that knows watermarks; the rows themselves are read by the `Source`."""

    async def mark(
        self, table: TableRef, *, key: tuple[str, ...], watermark: Watermark | None, field: str
    ) -> TrackedTable:
        """Return a table with its watermark column. Comes before the other methods.

        Args:
            key: the key the user declared, empty for the table's own.
            watermark: None chooses the column.
            field: path of the setting, for the error.

        Returns:
            `instance` is the column; `instance_id` changes with table and kind of the column.

        Raises:
            WatermarkNeededError: no column will do, or not the one named; `hint` says which would.
            TableNotFoundError: the table does not exist.
            UnsupportedTypeError: a column cannot be moved without loss.
        """
        ...

    async def fence(self, tracked: TrackedTable, *, after: bytes | None, seen: str) -> Fence:
        """Return how far the table may be read now: no row at or below can still appear.

        That holds without exception for a rowversion, and within the overlap for the others.

        Args:
            after: where the last fence stood, None before the first.
            seen: what the last fence saw.

        Returns:
            A position of at least `after`; the same when there is nothing to read.

        Raises:
            SourceRestoredError: the source's counter lies before `after`.
        """
        ...

    async def cut(
        self, tracked: TrackedTable, *, after: bytes, to: bytes, most_rows: int
    ) -> ChangeWindow:
        """Return the next window; the first after a fence reaches back where rows came late."""
        ...

    def chunk(self, tracked: TrackedTable, window: ChangeWindow) -> Chunk:
        """Return the rows of a window as a range of the watermark column. Pure."""
        ...

    def notes(self, tracked: TrackedTable) -> str:
        """Return what such a watermark cannot see, in one sentence or two, for people."""
        ...

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        ...


@runtime_checkable
class FollowsDdl(Protocol):
    """The part of a source of changes that copes with tables whose columns change."""

    async def untrack(self, tracked: TrackedTable) -> None:
        """Drop a capture instance that we made; see `ChangeSource`."""
        ...

    async def follow_ddl(self, tracked: TrackedTable, *, enable: bool) -> TrackedTable:
        """Return a tracked table as it is after DDL at the source. Idempotent.

        Types are those the change rows have now. Where columns came that the instance does not
        capture, a newer one becomes the `successor`: one that is there, else one made for it.

        Args:
            enable: make a newer instance where none is there and the rights allow.

        Raises:
            CaptureNotEnabledError: a newer instance is needed and cannot be made; `hint` holds
                the exact T-SQL for a DBA. Changes of the columns captured so far can go on.
            CaptureLostError: the instance is gone.
        """
        ...


@runtime_checkable
class ShowsCaptures(Protocol):
    """The part of a source of changes that shows what it records them by."""

    async def survey(self) -> CaptureSurvey:
        """Return everything the login may see of it."""
        ...

    async def drop_capture(self, instance: CaptureInstance) -> None:
        """Drop an instance; whether that may be is for the caller to know.

        Raises:
            PermissionDeniedError: the login may not.
        """
        ...


@runtime_checkable
class TellsDdl(Protocol):
    """The part of a source of changes that says whether polls tell of DDL."""

    @property
    def tells_ddl(self) -> bool:
        """Return whether `SourceState.structure` changes with a table; else it is looked at."""
        ...


@runtime_checkable
class PreparesWindows(Protocol):
    """The part of a source of changes that can learn ahead what a table's first window needs."""

    async def prepare(self, tracked: TrackedTable) -> None:
        """Learn it.

        Raises:
            DtaasError: why not; reading the window tells it again.
        """
        ...


@runtime_checkable
class ShapesChanges(Protocol):
    """The part of a source of changes whose rows arrive with other columns than the source's."""

    def arriving(self, tracked: TrackedTable, columns: Sequence[str]) -> Collection[str]:
        """Return the columns that arrive and are made of some of the source."""
        ...


class ChangeRegistry(ConnectorRegistry, Protocol):
    """Products, with those that read changes."""

    def change_source(
        self,
        connector: Connector,
        capture: Capture = Capture.CDC,
        *,
        beside: Source | None = None,
    ) -> ChangeSource:
        """Build the part of a source that reads changes.

        Args:
            beside: the same connector's source, with whose connections it may be thrifty; it is
                closed later.

        Raises:
            ValidationFailedError: the product has none.
        """
        ...

    def watermark_source(self, connector: Connector) -> WatermarkSource:
        """Build the part of a source that knows watermarks.

        Raises:
            ValidationFailedError: the product has none.
        """
        ...


class ChangeWriter(Protocol):
    """A window being written. Leaving the context without `finish` leaves nothing visible."""

    async def write(self, batch: pa.RecordBatch) -> None:
        """Take one batch of change rows. Returns when there is room for more."""
        ...

    async def finish(self) -> ChangeReceipt:
        """Make the window durable and visible, at once and whole, with its position."""
        ...


@runtime_checkable
class ChangeDestination(Protocol):
    """The part of a destination that takes changes."""

    def interval_s(self) -> float:
        """Return the seconds between windows of one table that the product's cost asks for. Pure.

        0 where a window costs nothing but its work; a task's `merge_interval_s` overrules it.
        """
        ...

    def check_tracked(self, tracked: TrackedTable) -> None:
        """Refuse a table whose changes cannot be taken, before anything is loaded. Pure.

        Raises:
            FatalError: changes are applied by key here and the table has none; names the way out.
        """
        ...

    async def open_stream(self, stream: TableStream) -> bytes | None:
        """Prepare the target; idempotent. Return the position the target itself holds.

        None when it holds none for this generation: the stream then begins at its base. The
        position in the target decides over the one in the metadata store.

        Raises:
            DestinationInUseError: another task, or a newer life of this one, owns the target.
        """
        ...

    def apply(
        self, stream: TableStream, window: ChangeWindow
    ) -> AbstractAsyncContextManager[ChangeWriter]:
        """Open a writer for one window. Applying a window twice leaves its effect there once."""
        ...


@runtime_checkable
class PlansEvolution(Protocol):
    """The part of a destination that says how its tables follow those of the source."""

    def evolution(self, target: TargetTable, before: Column | None, after: Column) -> Sequence[str]:
        """Return what is done to a target that takes changes, in the product's words. Pure.

        Args:
            before: the column as it was, None for a new one.

        Raises:
            SchemaChangedError: the target cannot hold the column's values.
        """
        ...


class StreamStore(Protocol):
    """Streams per task and table. A position only moves forward within a generation."""

    async def stream(self, task_id: TaskId, table: TableRef) -> StreamState | None:
        """Return the stream, None before the first."""
        ...

    async def streams(self, task_id: TaskId) -> Sequence[StreamState]:
        """Return all streams of a task by table."""
        ...

    async def open(self, state: StreamState) -> None:
        """Store a new generation of a stream, replacing an older one. Durable on return."""
        ...

    async def intend(self, task_id: TaskId, table: TableRef, window: ChangeWindow) -> None:
        """Store the window about to be applied. Durable on return."""
        ...

    async def advance(self, task_id: TaskId, table: TableRef, position: bytes) -> None:
        """Store that everything up to `position` is durable, and clear the intent.

        Raises:
            CheckpointRegressionError: it lies before the stored one, which stays.
        """
        ...

    async def advance_idle(
        self, task_id: TaskId, tables: Collection[TableRef], position: bytes
    ) -> None:
        """Move tables without changes to `position` in one write. Never moves one back."""
        ...

    async def verified(self, task_id: TaskId, table: TableRef, position: bytes) -> None:
        """Store that both ends were proved equal up to `position`. Never moves back."""
        ...

    async def shares(self, task_id: TaskId, tracked: TrackedTable) -> bool:
        """Return whether the stream of another task reads the same capture instance."""
        ...

    async def forget(self, task_id: TaskId, table: TableRef) -> None:
        """Remove the stream. Idempotent."""
        ...
