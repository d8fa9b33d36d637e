"""Figures of a running execution: rows, bytes, rates over ten seconds, time to the end."""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from dtaas.engine.lag import Lag
from dtaas.engine.pace import Pace
from dtaas.model.changes import ChangeReceipt
from dtaas.model.errors import DtaasError
from dtaas.model.execution import (
    FINAL_PHASES,
    ExecutionProgress,
    ExecutionStatus,
    ReadBy,
    TablePhase,
    TableProgress,
)
from dtaas.model.ids import ExecutionId, LoadId, TaskId
from dtaas.model.load import ChunkReceipt, CommitResult, TableLoad
from dtaas.model.schema import TableRef
from dtaas.model.spending import NOTHING, Spending, SpentOn, nothing_spent

_WINDOW_S = 10.0
_MOVING = frozenset({TablePhase.LOADING, TablePhase.STREAMING})
_MB = 1_000_000.0
Clock = Callable[[], float]
"""Monotonic seconds."""


def utc_now() -> datetime:
    """Return the time of day, in UTC."""
    return datetime.now(UTC)


class Rate:
    """Amounts a second over the last ten seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._began: float | None = None

    def add(self, amount: int) -> None:
        """Count `amount` as of now."""
        now = self._clock()
        if self._began is None:
            self._began = now
        self._samples.append((now, amount))
        self._sum += amount

    def per_second(self) -> float:
        """Return the rate, 0 before the first amount and after ten idle seconds."""
        now = self._clock()
        while self._samples and self._samples[0][0] < now - _WINDOW_S:
            self._sum -= self._samples.popleft()[1]
        if self._began is None:
            return 0.0
        span_s = min(_WINDOW_S, now - self._began)
        return self._sum / max(span_s, 0.25)


class TableMeter:
    """Counts what one table does. Everything runs on the event loop, so nothing locks."""

    def __init__(self, table: TableRef, clock: Clock) -> None:
        self._clock = clock
        self._rows = Rate(clock)
        self._bytes = Rate(clock)
        self._state = TableProgress(table=table, phase=TablePhase.WAITING)
        self._unfinished: dict[int, int] = {}
        self.pace = Pace(clock)
        self.moved_at = clock()
        self.began_at: str | None = None

    @property
    def phase(self) -> TablePhase:
        """Return where the table stands."""
        return self._state.phase

    def _set(self, **changes: object) -> None:
        self._state = msgspec.structs.replace(self._state, **changes)
        self.moved_at = self._clock()

    def enter(self, phase: TablePhase) -> None:
        """Move to another phase."""
        started_at = self._state.started_at or utc_now()
        if phase in FINAL_PHASES:
            self._set(phase=phase, started_at=started_at, completed_at=utc_now())
        else:
            self._set(phase=phase, started_at=started_at, completed_at=None)
        if phase is TablePhase.LOADING and self._state.loading_at is None:
            self._set(loading_at=utc_now())

    def skip(self) -> None:
        """Show that the table is left out: nothing is known any more of how far it is behind."""
        self._set(
            lag_s=None, source_lag_s=None, read_lag_s=None, destination_lag_s=None, warning=None
        )
        self.enter(TablePhase.SKIPPED)

    def recall(self, recorded: TableProgress) -> None:
        """Take over the final state an earlier life of the execution recorded."""
        self._state = recorded

    def planned(self, load: TableLoad, done: list[ChunkReceipt], total: int | None) -> None:
        """Take the totals of a load, of which `done` is already durable."""
        expected = [chunk.expected_rows for chunk in load.chunks]
        known = [rows for rows in expected if rows is not None]
        if total is None and len(known) == len(expected):
            total = sum(known)
        self._unfinished.clear()
        self._set(
            load_id=LoadId(load.load_id),
            rows_total=total,
            rows_done=sum(r.rows for r in done),
            written_bytes=sum(r.bytes for r in done),
            chunks_done=len(done),
            chunks_total=len(load.chunks),
        )

    def read(self, chunk_index: int, rows: int, size_bytes: int) -> None:
        """Count a batch that was read."""
        self._rows.add(rows)
        self._bytes.add(size_bytes)
        self._unfinished[chunk_index] = self._unfinished.get(chunk_index, 0) + rows
        self._set(bytes=self._state.bytes + size_bytes)

    def read_by(self, way: ReadBy | None) -> None:
        """Show what reads the table."""
        if way is not None and (way.reader, way.reason or None) != (
            self._state.reader,
            self._state.reader_reason,
        ):
            self._set(reader=way.reader, reader_reason=way.reason or None)

    def touch(self) -> None:
        """Note that something moved which is not counted in rows."""
        self.moved_at = self._clock()

    def chunk_done(self, receipt: ChunkReceipt) -> None:
        """Count a chunk that is durable."""
        self._unfinished.pop(receipt.chunk_index, None)
        self._set(
            rows_done=self._state.rows_done + receipt.rows,
            written_bytes=self._state.written_bytes + receipt.bytes,
            chunks_done=self._state.chunks_done + 1,
        )

    def chunk_lost(self, chunk_index: int) -> None:
        """Take back the rows of a chunk that must be read again."""
        self._unfinished.pop(chunk_index, None)

    def committed(self, result: CommitResult) -> None:
        """Take the final figures: what readers see."""
        self._unfinished.clear()
        self._set(
            rows_done=result.rows,
            rows_total=result.rows,
            total_is_estimate=False,
            written_bytes=result.bytes,
            location=result.location,
            loaded_at=utc_now(),
            error_code=None,
            error=None,
            hint=None,
        )

    def changed(self, rows: int, size_bytes: int) -> None:
        """Count a batch of changes that was read."""
        self._rows.add(rows)
        self._bytes.add(size_bytes)
        self._set(bytes=self._state.bytes + size_bytes)

    def applied(self, receipt: ChangeReceipt) -> None:
        """Count a window of changes that is durable."""
        self._set(
            changes=self._state.changes + receipt.rows,
            inserts=self._state.inserts + receipt.inserts,
            updates=self._state.updates + receipt.updates,
            deletes=self._state.deletes + receipt.deletes,
            written_bytes=self._state.written_bytes + receipt.bytes,
        )

    def stands_at(self, position: bytes) -> None:
        """Show what of a stream is durable."""
        self.began_at = self.began_at or position.hex()
        self._set(position=position.hex())

    def lags(self, lag: Lag, warning: str) -> None:
        """Show how far a stream is behind, and what is wrong with it."""
        self._set(
            lag_s=lag.total_s,
            source_lag_s=lag.source_s,
            read_lag_s=lag.read_s,
            destination_lag_s=lag.destination_s,
            retention_margin_h=lag.margin_h,
            warning=warning or None,
        )

    def warns(self, text: str) -> None:
        """Show what the way a table is read cannot see."""
        self._set(warning=text or None)

    def caught_up(self) -> None:
        """Take the final figures of an increment: the rows that were new."""
        rows = self._state.changes
        self._set(rows_done=rows, rows_total=rows, total_is_estimate=False)

    def recovered(self) -> None:
        """Take back what an error showed."""
        self._set(error_code=None, error=None, hint=None)

    def failed(self, error: DtaasError) -> None:
        """Show an error."""
        self._set(error_code=error.code, error=error.detail, hint=error.hint)

    def retried(self) -> None:
        """Count another attempt."""
        self._set(retries=self._state.retries + 1)

    def snapshot(self) -> TableProgress:
        """Return the figures as of now."""
        state = self._state
        rows = state.rows_done + sum(self._unfinished.values())
        moving = state.phase in _MOVING
        rows_s = self._rows.per_second() if moving else 0.0
        eta_s = None
        loading = state.phase is TablePhase.LOADING
        if loading and rows_s > 0 and state.rows_total is not None:
            eta_s = max(0.0, (state.rows_total - rows) / rows_s)
        shares = self.pace.overall() if state.phase in FINAL_PHASES else self.pace.recent()
        if shares is not None:
            state = msgspec.structs.replace(
                state,
                read_share=shares.read,
                transform_share=shares.transform,
                write_share=shares.write,
                queued_batches=self.pace.queued,
            )
        return msgspec.structs.replace(
            state,
            rows_done=rows,
            rows_s=rows_s,
            mb_s=self._bytes.per_second() / _MB if moving else 0.0,
            eta_s=eta_s,
        )


def _spent_by(recorded: TableProgress) -> Spending:
    return Spending(
        queries=recorded.queries,
        credits=recorded.credits,
        appended_windows=recorded.appended_windows,
        merged_windows=recorded.merged_windows,
    )


def none_rejected(_: TableRef) -> int:
    """Return 0: nothing is transformed."""
    return 0


class ExecutionMeter:
    """The tables of one execution, and their sum."""

    def __init__(
        self,
        task_id: TaskId,
        execution_id: ExecutionId,
        tables: list[TableRef],
        clock: Clock,
        rejected: Callable[[TableRef], int] = none_rejected,
        *,
        spent: SpentOn = nothing_spent,
        recorded: Sequence[TableProgress] = (),
    ) -> None:
        """Count from here on.

        Args:
            recorded: what earlier lives of the execution have recorded of its tables. What they
                spent is spent.
        """
        self._clock = clock
        self._rejected = rejected
        self._spent = spent
        self._spent_before = {one.table: _spent_by(one) for one in recorded}
        self._began = clock()
        self._task_id = task_id
        self._execution_id = execution_id
        self.head: bytes | None = None
        """Up to where the source had captured when it was last asked."""
        self.tables = {table: TableMeter(table, clock) for table in tables}

    def add(self, table: TableRef) -> None:
        """Count one more table."""
        self.tables.setdefault(table, TableMeter(table, self._clock))

    def _with_others_figures(self, table: TableRef, state: TableProgress) -> TableProgress:
        count = self._rejected(table)
        spent = self._spent_before.get(table, NOTHING).plus(self._spent(table))
        if count:
            state = msgspec.structs.replace(state, rejected=count)
        if spent.queries:
            state = msgspec.structs.replace(
                state,
                queries=spent.queries,
                credits=spent.credits,
                appended_windows=spent.appended_windows,
                merged_windows=spent.merged_windows,
            )
        return state

    def snapshot(self, status: ExecutionStatus) -> ExecutionProgress:
        """Return the totals as of now."""
        tables = tuple(
            self._with_others_figures(table, meter.snapshot())
            for table, meter in self.tables.items()
        )
        totals = [t.rows_total for t in tables]
        known = [t for t in totals if t is not None]
        rows_total = sum(known) if len(known) == len(totals) else None
        rows_done = sum(t.rows_done for t in tables)
        rows_s = sum(t.rows_s for t in tables)
        left = max(0, (rows_total or 0) - rows_done)
        return ExecutionProgress(
            task_id=self._task_id,
            execution_id=self._execution_id,
            status=status,
            rows_done=rows_done,
            rows_total=rows_total,
            bytes=sum(t.bytes for t in tables),
            written_bytes=sum(t.written_bytes for t in tables),
            rows_s=rows_s,
            mb_s=sum(t.mb_s for t in tables),
            eta_s=left / rows_s if rows_total is not None and rows_s > 0 else None,
            percent=_percent(tables, rows_done, rows_total),
            elapsed_s=self._clock() - self._began,
            tables=tables,
            cdc_lsn_start=min(
                filter(None, (m.began_at for m in self.tables.values())), default=None
            ),
            cdc_lsn_head=None if self.head is None else self.head.hex(),
            cdc_lsn_end=min(filter(None, (t.position for t in tables)), default=None),
        )


def _percent(tables: tuple[TableProgress, ...], done: int, total: int | None) -> float:
    """Return progress in percent; 100 only when every table is in a final phase."""
    if all(t.phase in FINAL_PHASES or t.phase is TablePhase.STREAMING for t in tables):
        return 100.0
    if not total:
        return 0.0
    return min(99.9, 100.0 * done / total)
