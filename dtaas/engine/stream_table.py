"""The changes of one table, window by window, each durable before the next begins."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog
from anyio import Event, current_time, move_on_after
from msgspec.structs import replace

from dtaas.concurrency.alongside import alongside
from dtaas.engine.backoff import RestartPolicy, Restarts
from dtaas.engine.ddl import end_of, takes_over
from dtaas.engine.ddl_follower import DdlFollower
from dtaas.engine.failures import explain
from dtaas.engine.lag import lag_of
from dtaas.engine.lag_meter import LagMeter
from dtaas.engine.progress import TableMeter
from dtaas.engine.repair import Key
from dtaas.engine.standing import standing
from dtaas.engine.stream_context import StreamContext
from dtaas.engine.turns import PATIENCE_S, Turn
from dtaas.engine.window_copy import WindowCopy
from dtaas.model.change_ports import PreparesWindows
from dtaas.model.changes import ChangeReceipt, ChangeWindow, SourceState, StreamState, TrackedTable
from dtaas.model.errors import (
    DtaasError,
    NoProgressError,
    SchemaChangedError,
    SchemaChangeRefusedError,
    StoreCorruptError,
    StoreFullError,
    StoreUnavailableError,
)
from dtaas.model.execution import TablePhase
from dtaas.model.schema import TableRef

log = structlog.get_logger()

STORE_ERRORS: Final = (StoreUnavailableError, StoreFullError, StoreCorruptError)
"""Not a table's fault: they end this life of the task, and the supervisor decides."""
_RETRY: Final = RestartPolicy(base_s=0.5, cap_s=30.0, most=None)
"""A stream is tried again for ever: only an error that needs a person ends it."""


class TableStreamer:
    """Applies one table's changes until drained or broken for good."""

    def __init__(self, context: StreamContext, state: StreamState, meter: TableMeter) -> None:
        self._context = context
        self._state = state
        self._meter = meter
        self._target = self._to = state.position
        self._news = Event()
        self._rests = False
        self._moving = Event()
        self._moving.set()
        self._behind_since: datetime | None = None
        self._in_flight: ChangeWindow | None = None
        self._full = False
        self._repairs: tuple[Key, ...] = ()
        self._patience_s = PATIENCE_S
        self._committed_at: datetime | None = None
        self._begun = Event()
        self._ddl = DdlFollower(context)
        self._lag = LagMeter(state.stream.task_id, self.table, meter)
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

    def reads(self, tracked: TrackedTable) -> bool:
        """Return whether the stream reads this very instance."""
        return self._state.stream.tracked.instance_id == tracked.instance_id

    def look(self, source: SourceState) -> bool:
        """Take note of a poll.

        Returns:
            Whether there is nothing to do but to move on: the stream then waits for `moved`, as a
            position must not change under a window that begins at it.
        """
        high = source.high.get(self.table, b"")
        self._committed_at = source.committed_at
        self._ddl.structure = source.structure.get(self.table, "")
        ahead = source.position > self._state.position
        unwritten = bool(self._repairs) or self._state.stream.tracked.successor is not None
        to_do = ahead and unwritten  # both need a position of their own
        quiet = high <= self._state.position and self._state.intent is None
        idle = quiet and not to_do and not self._ddl.to_do
        window = self._in_flight
        if quiet and not unwritten:
            self._behind_since = None
        else:
            self._behind_since = self._behind_since or source.committed_at or source.polled_at
        if not idle:
            self._target = source.position
            self._news.set()
        lag = lag_of(
            source,
            self._behind_since,
            in_flight=window is not None,
            more=window is None or high > window.to,
        )
        self._lag.tell(lag, source, self._ddl.uncaptured, self._ddl.waiting)
        if not (idle and ahead and self._rests):
            return False
        self._moving = Event()
        return True

    def repair(self, keys: Sequence[Key]) -> None:
        """Write some rows anew with the next window, as the source has them then.

        Args:
            keys: exact texts of the key's values.
        """
        self._repairs = tuple(dict.fromkeys((*self._repairs, *keys)))

    def look_again(self) -> None:
        """See whether somebody decided about a change of the table."""
        self._ddl.look_again()
        self._news.set()

    def moved(self, position: bytes) -> None:
        """Note that an idle table's position was moved in the store."""
        self._state = replace(self._state, position=position)
        self._moving.set()
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
        async with alongside(self._prepare):
            await self._live()

    async def _prepare(self) -> None:
        """Let the source get ready for the first window while that is still being cut."""
        source = self._context.source
        if not isinstance(source, PreparesWindows):
            return
        await self._begun.wait()
        try:
            await source.prepare(self._state.stream.tracked)
        except DtaasError as error:  # reading the window tells it again
            log.info("window_not_prepared", table=str(self.table), code=error.code)

    async def _live(self) -> None:
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
                if isinstance(error, SchemaChangedError):
                    standing = await self._why_altered(error)
                    if standing is None:
                        continue
                    error = standing
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
        if self.ended:
            return  # a poll found meanwhile that its changes are lost
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
        self._meter.enter(self._context.phase)

    async def catch_up(self, to: bytes) -> bool:
        """Open the target and apply what there is up to `to`, once; a failure is the caller's.

        Returns:
            Whether it is done; if not, the drain came first.
        """
        await self._open()
        self._target = self._to = to
        while self._state.intent is not None or self._state.position < to:
            if self._context.drain.requested:
                return False
            await self._take_turn()
        return True

    async def _follow(self) -> None:
        worked = False
        while not self._context.drain.requested and not self.ended:
            self._news = Event()  # what comes from here on is not missed
            to = self._to = self._target  # polled before the table is looked at
            ahead = self._state.intent is None and self._state.position < to
            self._state = await self._ddl.settled(self._state, ahead=ahead)
            done = self._state.intent is None and self._state.position >= to
            if (done and to < self._target) or (self._ddl.waiting and self._ddl.due):
                continue  # there is news since
            if done or self._ddl.waiting:
                if worked and not self._ddl.waiting:
                    self._context.caught_up()
                worked = False
                await self._wait()
                continue
            self._begun.set()
            worked, began = True, current_time()
            await self._take_turn()
            await self._rest(began)

    async def _rest(self, began: float) -> None:
        """Wait until the next window may begin: at once while more than a window is waiting."""
        interval_s = self._context.spec.options.merge_interval_s
        if interval_s is None:
            interval_s = self._context.destination.interval_s()
        if interval_s and not self._full:
            with move_on_after(began + interval_s - current_time()):
                await self._context.drain.wait()

    async def _take_turn(self) -> None:
        """Do one step, giving way to other tables if it stands still for too long.

        Each time it has to, it may stand still for longer the next time: what is slow arrives too.
        """
        turns, patience_s = self._context.turns, self._patience_s
        try:
            async with turns.turn(f"Table {self.table}", patience_s) as turn:
                await self._step(turn)
        except NoProgressError:
            self._patience_s = min(2 * patience_s, self._context.spec.options.no_progress_s)
            raise
        self._patience_s = PATIENCE_S

    async def _why_altered(self, error: DtaasError) -> DtaasError | None:
        """Return what stands in the way of DDL that came between; None when it is followed."""
        try:
            return None if await self._altered() else error
        except SchemaChangeRefusedError as refused:
            return refused

    async def _altered(self) -> bool:
        """Look for DDL behind an error. Returns whether there was some: then it is tried again."""
        before = self._state.stream.tracked
        try:
            self._ddl.look_again()
            self._state = await self._ddl.settled(self._state)
            if not self._ddl.waiting:
                self._state = await self._ddl.follow(self._state)
        except SchemaChangeRefusedError:
            raise
        except DtaasError as error:
            log.warning("ddl_not_followed", table=str(self.table), error=error.detail)
        return bool(self._ddl.waiting) or self._state.stream.tracked != before

    async def _wait(self) -> None:
        """Wait for news or the drain, and for a position on its way."""
        with self._context.drain.extraction():
            self._rests = True
            try:
                await self._news.wait()
                while not self._moving.is_set():
                    await self._moving.wait()
            finally:
                self._rests = False

    async def _step(self, turn: Turn) -> None:
        """Apply the next window, or note that it is empty."""
        context, table = self._context, self.table
        window = self._state.intent
        if window is None and takes_over(self._state):
            self._state, window = await self._ddl.hand_over(self._state, self._committed_at)
        elif window is None:
            window = await context.source.cut(
                self._state.stream.tracked,
                after=self._state.position,
                to=end_of(self._state, self._to),
                most_rows=context.spec.options.window_rows,
            )
            window = self._ddl.filled_by(window, self._state.stream.tracked)
            self._full = window.expected_rows is None or window.to < self._target
            if window.expected_rows == 0 and not self._repairs:
                self._full = True  # nothing was written: no reason to wait
                await self._pass(window)
                return
            await context.streams.intend(self._state.stream.task_id, table, window)
            self._state = replace(self._state, intent=window)
        self._in_flight, repairing = window, self._repairs
        copy = WindowCopy(context, self._state.stream, self._meter, turn)
        try:
            receipt = await copy.run(window, repairing)
        finally:
            self._in_flight = None
        if receipt is not None:
            await self._advance(window, receipt)
            await self._ddl.written(window, self._state.stream.tracked, copy.rows_read_again)
            self._repairs = tuple(k for k in self._repairs if k not in frozenset(repairing))

    async def _advance(self, window: ChangeWindow, receipt: ChangeReceipt) -> None:
        await self._context.streams.advance(self._state.stream.task_id, self.table, window.to)
        self._state = replace(self._state, position=window.to, applied=window.to, intent=None)
        self._behind_since = window.commit_time
        self._meter.stands_at(window.to)
        self._meter.applied(receipt)

    async def _pass(self, window: ChangeWindow) -> None:
        """Leave a window behind that holds nothing: the target does not hear of it."""
        task_id = self._state.stream.task_id
        await self._context.streams.advance_idle(task_id, [self.table], window.to)
        self._state = replace(self._state, position=window.to)
        self._behind_since = window.commit_time
        self._meter.stands_at(window.to)
