"""From full load to stream: no change is missed, none is applied twice.

Changes are captured before the first row is read. A load begins at a position of which everything
older is visible to its reads; the stream begins right behind it. What the load saw of later changes
comes again as changes and converges by key.
"""

import uuid
from collections.abc import Mapping, Sequence

import structlog
from msgspec import Struct
from msgspec.structs import replace

from dtaas.engine.ddl import not_dropped
from dtaas.model.change_ports import ChangeDestination, ChangeSource, StreamStore
from dtaas.model.changes import (
    Capture,
    StreamState,
    TableStream,
    TrackedTable,
    TrackingMethod,
)
from dtaas.model.errors import (
    Action,
    SchemaChangedError,
    SourceQueryError,
    ValidationFailedError,
)
from dtaas.model.ids import LoadId
from dtaas.model.load import Owner, TargetTable, WriteOptions
from dtaas.model.ports import Destination
from dtaas.model.schema import TableRef
from dtaas.model.store_ports import LoadLedger
from dtaas.model.task import Task, TaskMode

log = structlog.get_logger()


class Captured(Struct, frozen=True):
    """Tables whose changes are kept from `anchor` on."""

    tables: Mapping[TableRef, TrackedTable]
    anchor: bytes
    identity: str

    @property
    def by_version(self) -> bool:
        """Return whether positions are not those of the log."""
        methods = {t.method for t in self.tables.values()}
        return TrackingMethod.CHANGE_TRACKING in methods


class Handover(Struct, frozen=True, kw_only=True):
    """Prepares the streams of one task.

    Attributes:
        capture: which way changes are read; streams of another way, or mode, do not go on.
    """

    task: Task
    owner: Owner
    source: ChangeSource
    destination: Destination
    ledger: LoadLedger
    streams: StreamStore
    capture: Capture = Capture.CDC

    async def take_up(self) -> dict[TableRef, StreamState]:
        """Forget the streams of tables the task names no more, and return those that go on.

        One whose target shall keep a history from now on, or no more, does not: its table has to
        begin anew.

        Raises:
            SchemaChangedError: a table was shaped by rules that the task has no more.
        """
        spec = self.task.spec
        wanted = set(spec.source_tables)
        found = await self.streams.streams(self.task.id)
        shaped = [s.stream.tracked for s in found if s.stream.tracked.captured is not None]
        for state in found:
            if state.stream.tracked.table not in wanted:
                await part(self.task, self.source, self.streams, state)
        bare = [str(t.table) for t in shaped if t.table in wanted and not spec.shapes]
        if bare:
            raise SchemaChangedError(
                f"The target of {', '.join(bare)} holds what transformations made, and the task "
                "has none any more.",
                hint="Start the task with force and these tables to load them anew.",
            )
        return {
            s.stream.tracked.table: s
            for s in found
            if s.stream.tracked.table in wanted
            and s.stream.tracked.method == self.capture.value
            and s.stream.options.history == spec.keeps_history(s.stream.tracked.table)
        }

    async def track(self, tables: Sequence[TableRef]) -> "Captured":
        """Capture tables, and find a position from which all their changes are kept.

        Raises:
            FatalError: the destination cannot take changes of a table: nothing is loaded.
        """
        tracked = await self._tracked(tables)
        roomy = [t.table for t in tracked if await self._made_room(t)]
        if roomy:
            again = {t.table: t for t in await self._tracked(roomy)}
            tracked = [again.get(t.table, t) for t in tracked]
        tracked = [self._with_columns(table) for table in tracked]
        if isinstance(self.destination, ChangeDestination):
            for table in tracked:
                self.destination.check_tracked(table)
        anchor = await self.source.anchor(tracked)
        identity = (await self.source.poll(tracked)).identity
        return Captured({t.table: t for t in tracked}, anchor, identity)

    async def _tracked(self, tables: Sequence[TableRef]) -> Sequence[TrackedTable]:
        options = self.task.spec.options
        keys = {m.source: m.key for m in self.task.spec.table_mappings if m.key}
        return await self.source.track(tables, keys=keys, enable=options.enable_capture)

    async def _made_room(self, tracked: TrackedTable) -> bool:
        """Drop an older instance of ours that stands beside the one to be read.

        It may stand in the way of one that captures every column the load will bring.

        Raises:
            RetryableError: it could not be dropped for the moment.
        """
        older = tracked.predecessor
        if older is None or await self.streams.shares(self.task.id, older):
            return False
        error = await not_dropped(self.source, older)
        if error is not None and error.action is Action.RETRY:
            raise error
        return error is None

    async def open(self, captured: "Captured", table: TableRef) -> StreamState:
        """Store a new stream: behind its load, or at the anchor where nothing is loaded."""
        state = await self._state(captured.tables[table], captured.anchor, captured.identity)
        await self.streams.open(state)
        return state

    async def _state(self, tracked: TrackedTable, anchor: bytes, identity: str) -> StreamState:
        generation, base = LoadId(uuid.uuid4().hex), anchor
        if self.task.spec.mode is TaskMode.FULL_LOAD_THEN_CDC:
            load = await self.ledger.last_committed(self.task.id, tracked.table)
            if load is None or not load.source_position:
                raise SourceQueryError(
                    f"The load of {tracked.table} has no position to stream from.",
                    hint="Start the task with force to load the table anew.",
                )
            generation, base = load.load_id, bytes.fromhex(load.source_position)
        stream = TableStream(
            task_id=self.task.id,
            owner=self.owner,
            target=self._target(tracked.table),
            options=WriteOptions(
                format=self.task.spec.s3_file_format,
                target_file_bytes=self.task.spec.file_bytes(tracked.table),
                history=self.task.spec.keeps_history(tracked.table),
            ),
            tracked=tracked,
            generation=generation,
            base=base,
        )
        return StreamState(stream=stream, position=base, applied=base, identity=identity)

    def _with_columns(self, tracked: TrackedTable) -> TrackedTable:
        taken = self.task.spec.taken(tracked.schema)
        if tracked.schema.key and not taken.key:
            raise ValidationFailedError(
                f"A key column of {tracked.table} is not read, but changes are told apart by"
                f" {', '.join(tracked.schema.key)}.",
                hint="Include the columns of its key.",
                field="$.table_mappings",
            )
        return replace(tracked, schema=taken)

    def _target(self, table: TableRef) -> TargetTable:
        return self.destination.target_of(table, self.task.spec.mapped_target(table))


async def part(task: Task, source: ChangeSource, streams: StreamStore, state: StreamState) -> None:
    """Forget a stream that left its task; its capture goes too if we made it and the task says so.

    A capture that cannot be dropped is told in the log: it costs the source, but breaks nothing.
    """
    tracked = state.stream.tracked
    await streams.forget(task.id, tracked.table)
    if not (tracked.made_by_us and task.spec.options.drop_capture):
        log.info("stream_left", table=str(tracked.table), capture="kept")
        return
    if await not_dropped(source, tracked) is None:
        log.info("stream_left", table=str(tracked.table), capture="dropped")
