"""The streams of one task: one poll for all tables, one worker a table, each failing alone."""

from collections.abc import Callable, Sequence
from typing import Final

import structlog
from anyio import CapacityLimiter, Event, create_task_group, move_on_after

from dtaas.engine.drain import Drain
from dtaas.engine.progress import ExecutionMeter
from dtaas.engine.report import Reporter
from dtaas.engine.stream_table import StreamContext, TableStreamer
from dtaas.model.change_ports import ChangeDestination, ChangeSource, StreamStore
from dtaas.model.changes import SourceState, StreamState
from dtaas.model.errors import CaptureLostError, SourceRestoredError, TablesFailedError
from dtaas.model.execution import ExecutionProgress, ExecutionStatus
from dtaas.model.task import Task

log = structlog.get_logger()
_MS: Final = 1000.0


class TaskStream:
    """One life of a task's streams. `run` returns None when the drain ended it."""

    def __init__(
        self,
        *,
        task: Task,
        source: ChangeSource,
        destination: ChangeDestination,
        streams: StreamStore,
        states: Sequence[StreamState],
        meter: ExecutionMeter,
        reporter: Reporter,
        uniform: Callable[[float, float], float],
    ) -> None:
        self.drain = Drain()
        self._task = task
        self._source = source
        self._streams = streams
        self._reporter = reporter
        self._hurry = Event()
        self._identity = next((s.identity for s in states if s.identity), "")
        context = StreamContext(
            spec=task.spec,
            source=source,
            destination=destination,
            streams=streams,
            windows=CapacityLimiter(task.spec.options.concurrent_chunks),
            drain=self.drain,
            uniform=uniform,
            caught_up=self._ask_again,
        )
        self._tables = [
            TableStreamer(context, state, meter.tables[state.stream.tracked.table])
            for state in states
        ]

    def snapshot(self) -> ExecutionProgress:
        """Return the figures as of now."""
        return self._reporter.snapshot()

    async def run(self) -> ExecutionStatus | None:
        """Stream until drained, or until every table needs a person.

        Raises:
            SourceRestoredError: the source's history is another one than that of our positions.
            RetryableError: the source cannot be polled; a later life goes on.
        """
        async with create_task_group() as group:
            group.start_soon(self._reporter.serve, name="report")
            async with create_task_group() as work:
                for table in self._tables:
                    work.start_soon(table.run, name=f"stream {table.table}")
                await self._poll()
            group.cancel_scope.cancel()
        await self._reporter.record()
        return None if self.drain.requested else ExecutionStatus.FAILED

    def first_error(self) -> TablesFailedError | None:
        """Return how many tables failed and why the first did, None when none did."""
        failed = [t for t in self._tables if t.error is not None]
        if not failed or failed[0].error is None:
            return None
        return TablesFailedError(
            f"{len(failed)} of {len(self._tables)} tables failed; "
            f"{failed[0].table}: {failed[0].error.detail}",
            hint=failed[0].error.hint,
        )

    async def _poll(self) -> None:
        while not self.drain.requested:
            live = [t for t in self._tables if not t.ended]
            if not live:
                return
            self._hurry = Event()
            try:
                source = await self._source.poll([t.state.stream.tracked for t in live])
            except CaptureLostError as error:
                lost = [t for t in live if t.table in error.tables]
                if not lost:
                    raise
                for table in lost:
                    table.fail(error)
                continue
            self._check_history(source, live)
            await self._tell(source, live)
            await self._pause()

    def _ask_again(self) -> None:
        self._hurry.set()

    async def _tell(self, source: SourceState, live: Sequence[TableStreamer]) -> None:
        """Wake the tables with changes; move the others' positions in one write."""
        idle = [table for table in live if table.look(source)]
        if not idle:
            return
        await self._streams.advance_idle(self._task.id, [t.table for t in idle], source.position)
        for table in idle:
            table.moved(source.position)

    async def _pause(self) -> None:
        """Wait for the next poll: not at all once a busy table has done what it knew of."""
        with move_on_after(self._task.spec.options.poll_interval_ms / _MS), self.drain.extraction():
            await self._hurry.wait()

    def _check_history(self, source: SourceState, live: Sequence[TableStreamer]) -> None:
        """Refuse to go on when the source went back in time: positions mean something else.

        Raises:
            SourceRestoredError: recovery fork or highest position say so.
        """
        if self._identity and source.identity and source.identity != self._identity:
            raise SourceRestoredError(
                "The source was restored: its recovery fork is another one than before.",
                hint="Start the task with force to load its tables anew.",
            )
        self._identity = self._identity or source.identity
        ahead = [t.table for t in live if source.position and t.state.position > source.position]
        if ahead:
            raise SourceRestoredError(
                f"The source's highest LSN {source.position.hex()} lies before what is already "
                f"delivered of {', '.join(map(str, ahead))}: it was restored to an earlier point.",
                hint="Start the task with force to load its tables anew.",
            )
