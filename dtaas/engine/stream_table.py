"""The changes of one table, window by window, each durable before the next begins."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from anyio import CapacityLimiter, Event, current_time, move_on_after
from msgspec import Struct
from msgspec.structs import replace

from dtaas.engine.backoff import RestartPolicy, Restarts
from dtaas.engine.drain import Drain
from dtaas.engine.failures import explain
from dtaas.engine.progress import TableMeter
from dtaas.model.change_ports import ChangeDestination, ChangeSource, StreamStore
from dtaas.model.changes import ChangeReceipt, ChangeWindow, SourceState, StreamState
from dtaas.model.errors import (
    DtaasError,
    StoreCorruptError,
    StoreFullError,
    StoreUnavailableError,
)
from dtaas.model.execution import TablePhase
from dtaas.model.schema import TableRef
from dtaas.model.task import TaskSpec

log = structlog.get_logger()

STORE_ERRORS: Final = (StoreUnavailableError, StoreFullError, StoreCorruptError)
"""Not a table's fault: they end this life of the task, and the supervisor decides."""
_MIB: Final = 1024 * 1024
_RETRY: Final = RestartPolicy(base_s=0.5, cap_s=30.0, most=None)
"""A stream is tried again for ever: only an error that needs a person ends it."""


class StreamContext(Struct, frozen=True, kw_only=True):
    """What the streams of one task share.

    Attributes:
        windows: places for windows being applied, over all tables.
        caught_up: called when a table has done all it knew of, to ask for more at once.
    """

    spec: TaskSpec
    source: ChangeSource
    destination: ChangeDestination
    streams: StreamStore
    windows: CapacityLimiter
    drain: Drain
    uniform: Callable[[float, float], float]
    caught_up: Callable[[], None]


class TableStreamer:
    """Applies one table's changes until drained or broken for good."""

    def __init__(self, context: StreamContext, state: StreamState, meter: TableMeter) -> None:
        self._context = context
        self._state = state
        self._meter = meter
        self._target = state.position
        self._news = Event()
        self._behind_since: datetime | None = None
        self.error: DtaasError | None = None

    @property
    def table(self) -> TableRef:
        """Return the table."""
        return self._state.stream.tracked.table

    @property
    def state(self) -> StreamState:
        """Return where the stream stands."""
        return self._state

    @property
    def ended(self) -> bool:
        """Return whether the stream needs a person."""
        return self.error is not None

    def look(self, source: SourceState) -> bool:
        """Take note of a poll. Returns whether there is nothing to do but to move on."""
        high = source.high.get(self.table, b"")
        idle = high <= self._state.position and self._state.intent is None
        if idle:
            self._behind_since = None
            self._meter.lags(0.0)
        else:
            self._behind_since = self._behind_since or source.committed_at
            since = self._behind_since or source.polled_at
            self._meter.lags(max(0.0, (source.polled_at - since).total_seconds()))
            self._target = source.position
            self._news.set()
        return idle and source.position > self._state.position

    def moved(self, position: bytes) -> None:
        """Note that an idle table's position was moved in the store."""
        self._state = replace(self._state, position=position)
        self._meter.stands_at(position)

    def fail(self, error: DtaasError) -> None:
        """End the stream: it cannot go on without a person."""
        self.error = error
        self._meter.failed(error)
        self._meter.enter(TablePhase.FAILED)
        self._news.set()
        log.error("stream_failed", table=str(self.table), code=error.code, error=error.detail)

    async def run(self) -> None:
        """Open the target, then apply what comes.

        Raises:
            StoreUnavailableError, StoreFullError, StoreCorruptError: positions cannot be kept.
        """
        restarts = Restarts(_RETRY, self._context.uniform)
        while not self._context.drain.requested and not self.ended:
            began = current_time()
            try:
                await self._open()
                return await self._follow()
            except Exception as exc:
                error = explain(exc)
                if isinstance(error, STORE_ERRORS):
                    raise error from exc
            delay_s = restarts.next_delay_s(error, ran_s=current_time() - began)
            if delay_s is None:
                self.fail(error)
                return None
            log.warning(
                "stream_interrupted",
                table=str(self.table),
                code=error.code,
                error=error.detail,
                retry_in_s=delay_s,
                exc_info=error if error.code == "internal" else None,
            )
            self._meter.failed(error)
            self._meter.retried()
            self._meter.enter(TablePhase.RETRYING)
            with move_on_after(delay_s):
                await self._context.drain.wait()
        return None

    async def _open(self) -> None:
        """Take the target over, and begin where it stands."""
        state = self._state
        held = await self._context.destination.open_stream(state.stream)
        self._state = standing(state, held)
        if self._state != state:
            log.warning(
                "position_of_target_decides",
                table=str(self.table),
                stored=state.position.hex(),
                target=self._state.position.hex(),
            )
            await self._context.streams.open(self._state)
        self._meter.recovered()
        self._meter.stands_at(self._state.position)
        self._meter.enter(TablePhase.STREAMING)

    async def _follow(self) -> None:
        while not self._context.drain.requested and not self.ended:
            if self._state.intent is None and self._state.position >= self._target:
                self._news = Event()
                self._context.caught_up()
                await self._wait()
                continue
            async with self._context.windows:
                await self._step()

    async def _wait(self) -> None:
        """Wait for news or the drain."""
        with self._context.drain.extraction():
            await self._news.wait()

    async def _step(self) -> None:
        """Apply the next window, or note that it is empty."""
        context, table = self._context, self.table
        window = self._state.intent
        if window is None:
            window = await context.source.cut(
                self._state.stream.tracked,
                after=self._state.position,
                to=self._target,
                most_rows=context.spec.options.window_rows,
            )
            if window.expected_rows == 0:
                await self._advance(window, None)
                return
            await context.streams.intend(self._state.stream.task_id, table, window)
            self._state = replace(self._state, intent=window)
        receipt = await self._apply(window)
        if receipt is not None:
            await self._advance(window, receipt)

    async def _apply(self, window: ChangeWindow) -> ChangeReceipt | None:
        """Copy a window. Returns None when the drain came first: it is redone, exactly."""
        context, stream = self._context, self._state.stream
        complete = False
        async with context.destination.apply(stream, window) as writer:
            with context.drain.extraction():
                async with context.source.changes(
                    stream.tracked,
                    window,
                    batch_rows=context.spec.batch_rows,
                    batch_bytes=context.spec.batch_size_mb * _MIB,
                ) as reader:
                    while (batch := await reader.next()) is not None:
                        await writer.write(batch)
                        self._meter.changed(batch.num_rows, batch.nbytes)
                complete = True
            return await writer.finish() if complete else None

    async def _advance(self, window: ChangeWindow, receipt: ChangeReceipt | None) -> None:
        await self._context.streams.advance(self._state.stream.task_id, self.table, window.to)
        self._state = replace(self._state, position=window.to, applied=window.to, intent=None)
        self._behind_since = window.commit_time
        self._meter.stands_at(window.to)
        if receipt is not None:
            self._meter.applied(receipt)


def standing(state: StreamState, held: bytes | None) -> StreamState:
    """Return where a stream goes on, given the position its target holds.

    The target decides. What it holds beyond ours is done (a crash between its commit and our note,
    or a metadata store restored from a backup); what it lost is done again. Only the way from the
    last window to a later position, on which nothing changed, is ours alone to know.
    """
    there = state.stream.base if held is None else held
    if there == state.applied:
        return state
    intent = state.intent if state.intent is not None and state.intent.after == there else None
    position = max(there, state.position) if there > state.applied else there
    if there > state.applied and state.intent is not None and state.intent.to == there:
        intent = None
    return replace(state, position=position, applied=there, intent=intent)
