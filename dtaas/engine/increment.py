"""Mode `incremental`: a full load the first time, then the rows above each table's watermark.

An execution ends once every table is read up to the fence that stood when its turn came. The
watermark is stored when the rows below it are durable: a life cut short reads the same window
again, which leaves its effect at the destination once.
"""

from collections.abc import Callable

import structlog
from anyio import current_time
from msgspec import Struct
from msgspec.structs import replace

from dtaas.engine.drift.gate import DriftGate
from dtaas.engine.progress import TableMeter
from dtaas.engine.shaping.task import TaskShaping
from dtaas.engine.stream_context import StreamContext
from dtaas.engine.stream_table import TableStreamer
from dtaas.engine.table import LoadContext, TableLoader
from dtaas.engine.turns import Turns
from dtaas.model.change_ports import ChangeDestination, StreamStore, WatermarkSource
from dtaas.model.changes import StreamState, TableStream, TrackedTable, TrackingMethod
from dtaas.model.errors import SchemaChangedError, SourceQueryError
from dtaas.model.execution import TablePhase
from dtaas.model.load import TargetTable, WriteOptions
from dtaas.model.schema import TableRef
from dtaas.model.task import OnGap, TableMapping
from dtaas.model.watermark import Fence

log = structlog.get_logger()


class Increments(Struct, frozen=True, kw_only=True):
    """What the tables of one incremental execution share besides a load's context."""

    marks: WatermarkSource
    destination: ChangeDestination
    streams: StreamStore
    shaping: TaskShaping
    uniform: Callable[[float, float], float]
    gate: DriftGate | None = None

    async def attempt(self, context: LoadContext, table: TableRef, meter: TableMeter) -> None:
        """Bring a table up to date, once; the next attempt goes on where this one ended."""
        await _TableIncrement(self, context, table, meter).run()


class _TableIncrement:
    """One attempt at one table."""

    def __init__(
        self, shared: Increments, context: LoadContext, table: TableRef, meter: TableMeter
    ) -> None:
        self._shared = shared
        self._context = context
        self._table = table
        self._meter = meter
        self._field, self._mapping = _mapping(context, table)
        self._fence: Fence | None = None
        self._filling: tuple[str, ...] = ()

    async def run(self) -> None:
        """Load the table where nothing is known of it, else read what is new."""
        self._meter.enter(TablePhase.PLANNING)
        marks = self._shared.marks
        tracked = await self._marked()
        self._shared.destination.check_tracked(tracked)
        self._meter.warns(marks.notes(tracked))
        state = await self._shared.streams.stream(self._context.owner.task_id, self._table)
        reason = "" if state is None else await self._why_anew(state.stream, tracked)
        if state is None or reason:
            await self._load(tracked, reason)
        else:
            await self._read_new(state, tracked)

    async def _marked(self) -> TrackedTable:
        return await self._shared.marks.mark(
            self._table,
            key=self._mapping.key,
            watermark=self._mapping.watermark,
            field=self._field,
        )

    async def _why_anew(self, stream: TableStream, tracked: TrackedTable) -> str:
        """Return why what is known of the table does not count any more, '' when it does.

        Raises:
            SchemaChangedError: the table is another one than before, and a person shall look.
        """
        context, old = self._context, stream.tracked
        load = await context.ledger.last_committed(context.owner.task_id, self._table)
        if old.method is not TrackingMethod.WATERMARK or load is None:
            return "the task had another mode"
        if load.load_id != stream.generation:
            return "the table was loaded since"
        if stream.target != self._target() or stream.options.format != context.spec.s3_file_format:
            return "it goes to another target or format"
        if old.instance != tracked.instance or old.schema.key != tracked.schema.key:
            return "it has another watermark or key"
        if (old.instance_id, old.schema.columns) == (tracked.instance_id, tracked.schema.columns):
            return await self._why_filled()
        reason = f"Table {self._table} was made anew, or its columns are others than before"
        if context.spec.on_gap(self._table) is OnGap.RELOAD:
            return reason
        if self._shared.gate is not None and old.instance_id == tracked.instance_id:
            return await self._why_filled()  # the gate let it pass
        raise SchemaChangedError(
            f"{reason}: rows that were read lack what is new.",
            hint="Start the task with force and this table to load it anew, "
            "or set options.on_gap to reload.",
        )

    async def _why_filled(self) -> str:
        """Return why rows that are there get the values of new columns, '' when they do not."""
        gate = self._shared.gate
        if gate is None:
            return ""
        self._filling = (await gate.standing(self._table)).filling
        return f"{', '.join(self._filling)} came, and rows get its values" if self._filling else ""

    async def _load(self, tracked: TrackedTable, reason: str) -> None:
        """Load the table in full; its watermark is where the fence stood before the first row."""
        context, task_id = self._context, self._context.owner.task_id
        if reason:
            log.info("table_loaded_anew", table=str(self._table), reason=reason)
            await self._shared.streams.forget(task_id, self._table)

        async def position() -> str:
            self._fence = await self._shared.marks.fence(tracked, after=None, seen="")
            return self._fence.position.hex()

        loading = replace(context, position=position, anew=context.anew or bool(reason))
        await TableLoader(loading, self._table, self._meter).run()
        if self._meter.phase is not TablePhase.COMPLETED:
            return  # the drain came first
        if self._filling and self._shared.gate is not None:
            rows = self._meter.snapshot().rows_done
            await self._shared.gate.filled(self._table, self._filling.__contains__, rows)
        load = await context.ledger.last_committed(task_id, self._table)
        if load is None or not load.source_position:
            raise SourceQueryError(
                f"The load of {self._table} has no watermark to go on from.",
                hint="Start the task with force to load the table anew.",
            )
        base = bytes.fromhex(load.source_position)
        stream = TableStream(
            task_id=task_id,
            owner=context.owner,
            target=load.target,
            options=self._options(),
            tracked=tracked,
            generation=load.load_id,
            base=base,
        )
        seen = self._fence.seen if self._fence is not None else ""
        await self._shared.streams.open(
            StreamState(stream=stream, position=base, applied=base, watermark=seen)
        )

    async def _read_new(self, state: StreamState, tracked: TrackedTable) -> None:
        """Read up to where the fence stands now."""
        context, shared = self._context, self._shared
        await context.destination.claim(
            state.stream.target, context.owner, take_over=context.spec.options.take_over
        )
        stream = replace(
            state.stream, owner=context.owner, tracked=tracked, options=self._options()
        )
        seen = state.watermark or ""
        fence = await shared.marks.fence(tracked, after=state.position, seen=seen)
        if (await self._marked()).schema != tracked.schema:
            await self.run()  # rows below the fence may have columns that came before it
            return
        streamer = TableStreamer(self._stream_context(), replace(state, stream=stream), self._meter)
        if not await streamer.catch_up(fence.position):
            self._meter.enter(TablePhase.STOPPED)
            return
        if fence.seen != seen:
            await shared.streams.open(replace(streamer.state, watermark=fence.seen))
        self._meter.caught_up()
        self._meter.enter(TablePhase.COMPLETED)

    def _stream_context(self) -> StreamContext:
        context = self._context
        return StreamContext(
            spec=context.spec,
            source=self._shared.shaping.windows(context.source, self._shared.marks),
            rows=context.source,
            destination=self._shared.destination,
            streams=self._shared.streams,
            turns=Turns(context.chunks, context.budget, current_time),
            budget=context.budget,
            drain=context.drain,
            uniform=self._shared.uniform,
            caught_up=lambda: None,
            phase=TablePhase.LOADING,
        )

    def _target(self) -> TargetTable:
        mapped = self._context.spec.mapped_target(self._table)
        return self._context.destination.target_of(self._table, mapped)

    def _options(self) -> WriteOptions:
        spec = self._context.spec
        return WriteOptions(
            format=spec.s3_file_format, target_file_bytes=spec.file_bytes(self._table)
        )


def _mapping(context: LoadContext, table: TableRef) -> tuple[str, TableMapping]:
    """Return the path of a table's watermark setting, and the table's mapping."""
    for index, mapping in enumerate(context.spec.table_mappings):
        if mapping.source == table:
            return f"$.table_mappings[{index}].watermark", mapping
    return "$.table_mappings", TableMapping(source=table)
