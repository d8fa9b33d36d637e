"""The streams of one task: one poll for all tables, one worker a table, each failing alone.

Tables join while others stream: new ones, those to be loaded anew, and those whose changes were
lost, once, when the task says so.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import structlog
from anyio import (
    CancelScope,
    CapacityLimiter,
    Event,
    create_task_group,
    current_time,
    move_on_after,
)
from anyio.abc import TaskGroup

from dtaas.concurrency.figures import FIGURES
from dtaas.engine.arrivals import Arrivals, Bring, News
from dtaas.engine.budget import ByteBudget
from dtaas.engine.continuity import Continuity
from dtaas.engine.drain import Drain
from dtaas.engine.drift.gate import DriftGate
from dtaas.engine.handover import part
from dtaas.engine.progress import ExecutionMeter
from dtaas.engine.repair import Key
from dtaas.engine.report import Reporter
from dtaas.engine.stream_context import StreamContext
from dtaas.engine.stream_table import TableStreamer
from dtaas.engine.turns import Turns
from dtaas.model.change_ports import ChangeDestination, ChangeSource, StreamStore
from dtaas.model.changes import SourceState, StreamState, TrackedTable
from dtaas.model.errors import (
    CaptureGapError,
    CaptureLostError,
    DtaasError,
    MissedValuesError,
    SchemaChangeRefusedError,
    TablesFailedError,
)
from dtaas.model.execution import ExecutionProgress, ExecutionStatus, TablePhase
from dtaas.model.ports import Source
from dtaas.model.schema import TableRef
from dtaas.model.task import OnGap, Task

log = structlog.get_logger()
_MS: Final = 1000.0
_MIB: Final = 1024 * 1024
_LEAST_PLACES: Final = 16
"""Windows applied side by side at least: a few slow tables must not take every place."""


class TaskStream:
    """One life of a task's streams. `run` returns None when the drain ended it."""

    def __init__(
        self,
        *,
        task: Task,
        source: ChangeSource,
        rows: Source,
        destination: ChangeDestination,
        streams: StreamStore,
        meter: ExecutionMeter,
        reporter: Reporter,
        uniform: Callable[[float, float], float],
        streaming: Callable[[], Awaitable[None]],
        gate: DriftGate | None = None,
    ) -> None:
        self.drain = Drain()
        self.task = task
        self._source = source
        self._streams = streams
        self.meter = meter
        self._reporter = reporter
        self._uniform = uniform
        self._streaming = streaming
        self._hurry = Event()
        self._continuity = Continuity()
        options = task.spec.options
        budget = ByteBudget(options.in_flight_mb * _MIB)
        places = CapacityLimiter(max(_LEAST_PLACES, options.concurrent_chunks))
        self._turns = Turns(places, budget, current_time)
        self._context = StreamContext(
            spec=task.spec,
            source=source,
            rows=rows,
            destination=destination,
            streams=streams,
            turns=self._turns,
            budget=budget,
            drain=self.drain,
            uniform=uniform,
            caught_up=self._ask_again,
            gate=gate,
        )
        self._tables: dict[TableRef, TableStreamer] = {}
        self._lives: dict[TableRef, tuple[CancelScope, Event]] = {}
        self._moving: set[TableRef] = set()  # neither streams nor is wanted yet, but will be
        self._shown = False
        self._again: set[TableRef] = set()
        self._errors: dict[TableRef, DtaasError] = {}
        self._news = News(self.drain)
        self._arrivals = Arrivals(
            drain=self.drain, news=self._news, meter=meter, errors=self._errors, uniform=uniform
        )
        self._group: TaskGroup | None = None

    def snapshot(self) -> ExecutionProgress:
        """Return the figures as of now."""
        return self._reporter.snapshot()

    async def run(
        self, states: Sequence[StreamState], missing: Sequence[TableRef], bring: Bring
    ) -> ExecutionStatus | None:
        """Stream until drained, or until every table needs a person.

        Args:
            states: streams that go on.
            missing: tables that have none yet: `bring` makes them, while the others stream.

        Raises:
            SourceRestoredError: the source's history is another one than that of our positions.
            RetryableError: the source cannot be polled; a later life goes on.
        """
        self._arrivals.want(missing)
        try:
            async with create_task_group() as group:
                group.start_soon(self._reporter.serve, name="report")
                group.start_soon(self._turns.keep_fair, name="turns")
                async with create_task_group() as work:
                    self._group = work
                    for state in states:
                        await self._join(state)
                    work.start_soon(
                        self._arrivals.serve, bring, self._join,
                        lambda: bool(self._live_tables()), name="arrivals",
                    )  # fmt: skip
                    if await self._poll():
                        work.cancel_scope.cancel()
                group.cancel_scope.cancel()
        finally:
            self._group = None
            FIGURES.forget(self.task.id)
        await self._reporter.record()
        return None if self.drain.requested else ExecutionStatus.FAILED

    async def reload(self, tables: Sequence[TableRef]) -> None:
        """Load tables anew while the others stream on, but for those that are being loaded."""
        for table in tables:
            if table in self.meter.tables and not self._arrivals.awaits(table):
                with self._between(table):
                    await self._leave(table)
                    await self._load_anew(table)

    async def skip(self, table: TableRef) -> bool:
        """Leave a table out; its position is kept. Returns whether it streamed or waited to."""
        meter = self.meter.tables.get(table)
        if meter is None or self._arrivals.comes(table) or meter.phase is TablePhase.SKIPPED:
            return False
        self._arrivals.drop(table)
        self._errors.pop(table, None)
        await self._leave(table)
        FIGURES.forget(self.task.id, str(table))
        meter.skip()
        self._news.tell()
        await self._reporter.record()
        return True

    async def retry(self, table: TableRef) -> bool:
        """Let a table that failed or was left out go on from its position. Returns whether so."""
        meter = self.meter.tables.get(table)
        again = {TablePhase.FAILED, TablePhase.SKIPPED}
        if meter is None or self._arrivals.comes(table) or meter.phase not in again:
            return False
        with self._between(table):
            self._errors.pop(table, None)
            meter.recovered()
            meter.enter(TablePhase.WAITING)
            state = await self._streams.stream(self.task.id, table)
            if state is None:
                self._arrivals.want([table])
            else:
                await self._join(state)
        return True

    def repair(self, table: TableRef, keys: Sequence[Key]) -> bool:
        """Write some rows of a table anew. Returns whether the table streams."""
        streamer = self._tables.get(table)
        if streamer is None or streamer.ended:
            return False
        streamer.repair(keys)
        return True

    async def change(self, task: Task) -> None:
        """Take tables in that the task names now, and let those go that it does not any more."""
        self.task = task
        named = set(task.spec.source_tables)
        for table in [t for t in self.meter.tables if t not in named]:
            await self._part(table)
        new = [table for table in task.spec.source_tables if table not in self.meter.tables]
        for table in new:
            self.meter.add(table)
        self._arrivals.want(new)
        for streamer in list(self._tables.values()):
            if isinstance(streamer.error, SchemaChangeRefusedError):
                await self._join(streamer.state)
            else:
                streamer.look_again()
        self._news.tell()

    async def _part(self, table: TableRef) -> None:
        self._arrivals.drop(table)
        self._errors.pop(table, None)
        streamer = self._tables.get(table)
        state = None if streamer is None else streamer.state
        if self.meter.tables[table].phase is TablePhase.SKIPPED:
            state = await self._streams.stream(self.task.id, table)
        await self._leave(table)
        self.meter.tables[table].enter(TablePhase.STOPPED)
        if state is None and self._arrivals.bringing:
            return  # it is being loaded: it goes when it arrives
        await self._reporter.record()
        del self.meter.tables[table]
        FIGURES.forget(self.task.id, str(table))
        if state is not None:
            await part(self.task, self._source, self._streams, state)

    def first_error(self) -> TablesFailedError | None:
        """Return how many tables failed and why the first did, None when none did."""
        if not self._errors:
            return None
        table, error = next(iter(self._errors.items()))
        return TablesFailedError(
            f"{len(self._errors)} of {len(self.meter.tables)} tables failed; "
            f"{table}: {error.detail}",
            hint=error.hint,
        )

    async def _join(self, state: StreamState) -> None:
        """Let a table stream; with the first one the task streams."""
        table = state.stream.tracked.table
        self._arrivals.came(table)
        if table not in self.task.spec.source_tables:
            self.meter.tables.pop(table, None)
            return  # it left the task while it was loaded; the next life forgets its stream
        self._continuity.begins(state.identity)
        if not self._shown:
            self._shown = True
            await self._streaming()
        await self._leave(table)  # never two of one table
        streamer = TableStreamer(self._context, state, self.meter.tables[table])
        self._tables[table] = streamer
        self._errors.pop(table, None)
        if self._group is not None:
            life = self._lives[table] = CancelScope(), Event()
            self._group.start_soon(self._live, streamer, *life, name=f"stream {table}")
        self._news.tell()

    async def _live(self, streamer: TableStreamer, scope: CancelScope, ended: Event) -> None:
        try:
            with scope:
                await streamer.run()
        finally:
            ended.set()
        if streamer.error is not None and self._tables.get(streamer.table) is streamer:
            with self._between(streamer.table):
                await self._lost(streamer.table, streamer.error)
        self._news.tell()

    @contextmanager
    def _between(self, table: TableRef) -> Iterator[None]:
        """Keep the task going while a table is on its way from its stream to a load."""
        self._moving.add(table)
        try:
            yield
        finally:
            self._moving.discard(table)
            self._news.tell()

    async def _lost(self, table: TableRef, error: DtaasError) -> None:
        """Load a table anew whose changes are lost, once; else leave it to a person.

        New columns of a table without a key are a loss of their own each time.
        """
        gap = isinstance(error, CaptureGapError | CaptureLostError)
        if isinstance(error, CaptureLostError) and self._context.gate is not None:
            await self._context.gate.note_if_gone(table)
        first = table not in self._again or isinstance(error, MissedValuesError)
        if gap and first and self.task.spec.on_gap(table) is OnGap.RELOAD:
            self._again.add(table)
            log.warning("table_loaded_anew", table=str(table), code=error.code, error=error.detail)
            await self._load_anew(table)
        else:
            self._errors[table] = error
            self._news.tell()

    async def _leave(self, table: TableRef) -> None:
        """End a table's stream at once; what is not durable is read again."""
        self._tables.pop(table, None)
        scope, ended = self._lives.pop(table, (None, None))
        if scope is not None and ended is not None:
            scope.cancel()
            await ended.wait()

    async def _load_anew(self, table: TableRef) -> None:
        self._tables.pop(table, None)
        await self._streams.forget(self.task.id, table)
        self._errors.pop(table, None)
        self.meter.tables[table].enter(TablePhase.WAITING)
        self._arrivals.want([table])

    def _live_tables(self) -> list[TableStreamer]:
        return [t for t in self._tables.values() if not t.ended]

    async def _poll(self) -> bool:
        """Ask the source what is new, for all tables at once. Returns whether nothing is left."""
        while not self.drain.requested:
            live = self._live_tables()
            if not live:
                if not self._awaits_tables():
                    return True
                await self._news.wait()
                continue
            self._hurry = Event()
            polled = [t.state.stream.tracked for t in live]
            try:
                source = await self._source.poll(polled)
            except CaptureLostError as error:
                self._note_lost(live, polled, error)
                continue
            if self._continuity.goes_on(source, {t.table: t.state.position for t in live}):
                await self._tell(source, live, polled)
            await self._pause()
        return False

    def _awaits_tables(self) -> bool:
        """Return whether tables may come to stream, now that none does."""
        ending = any(not ended.is_set() for _, ended in self._lives.values())
        return bool(self._arrivals.pending or self._moving or ending)

    @staticmethod
    def _note_lost(
        live: Sequence[TableStreamer], polled: Sequence[TrackedTable], error: CaptureLostError
    ) -> None:
        """End the tables whose instance is gone, but not one that went over to a newer meanwhile.

        Raises:
            CaptureLostError: it is none of them.
        """
        lost = [pair for pair in zip(live, polled, strict=True) if pair[0].table in error.tables]
        if not lost:
            raise error
        for table, tracked in lost:
            if table.reads(tracked):
                table.fail(error)

    def _ask_again(self) -> None:
        self._hurry.set()

    async def _tell(
        self, source: SourceState, live: Sequence[TableStreamer], polled: Sequence[TrackedTable]
    ) -> None:
        """Wake the tables with changes; move the others' positions in one write.

        Not those that left, or went over to another instance meanwhile: the older one may not know
        of a change that the newer captures.
        """
        self.meter.head = source.position
        live = [
            t
            for t, tracked in zip(live, polled, strict=True)
            if self._tables.get(t.table) is t and t.reads(tracked)
        ]
        idle = [table for table in live if table.look(source)]
        if not idle:
            return
        await self._streams.advance_idle(self.task.id, [t.table for t in idle], source.position)
        for table in idle:
            table.moved(source.position)

    async def _pause(self) -> None:
        """Wait for the next poll: not at all once a busy table has done what it knew of."""
        with move_on_after(self.task.spec.options.poll_interval_ms / _MS), self.drain.extraction():
            await self._hurry.wait()
