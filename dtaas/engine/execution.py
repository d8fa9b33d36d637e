"""One execution: the tables of a task side by side, each failing alone."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog
from anyio import (
    CancelScope,
    CapacityLimiter,
    create_task_group,
    current_time,
    fail_after,
    move_on_after,
    sleep,
)
from anyio.abc import TaskGroup
from msgspec import Struct

from dtaas.concurrency.bus import EventBus
from dtaas.engine.backoff import RestartPolicy, Restarts
from dtaas.engine.budget import ByteBudget
from dtaas.engine.drain import Drain
from dtaas.engine.failures import explain
from dtaas.engine.progress import ExecutionMeter, TableMeter, none_rejected
from dtaas.engine.report import Reporter
from dtaas.engine.table import LoadContext, load_table
from dtaas.model.change_ports import StreamStore
from dtaas.model.drift_ports import SchemaHistory
from dtaas.model.errors import (
    ExecutionTimeoutError,
    NoProgressError,
    SchemaChangePendingError,
    StoreCorruptError,
    StoreFullError,
    StoreUnavailableError,
    TablesFailedError,
)
from dtaas.model.execution import (
    FINAL_PHASES,
    SETTLED_PHASES,
    Execution,
    ExecutionProgress,
    ExecutionStatus,
    TablePhase,
    TableProgress,
)
from dtaas.model.load import Owner
from dtaas.model.ports import Destination, Source
from dtaas.model.positions import NO_REVIEWS, PositionReviews
from dtaas.model.schema import TableRef
from dtaas.model.spending import spent_at
from dtaas.model.store_ports import ExecutionStore, LoadLedger
from dtaas.model.task import Task

log = structlog.get_logger()

_MIB = 1024 * 1024
_STORE_ERRORS = (StoreUnavailableError, StoreFullError, StoreCorruptError)
"""Not a table's fault: they end this life of the task, and the supervisor decides."""
_WORKING = frozenset({TablePhase.PLANNING, TablePhase.LOADING, TablePhase.COMMITTING})
Attempt = Callable[[LoadContext, TableRef, TableMeter], Awaitable[None]]
"""Brings one table up to date, or raises; tried again as the task says."""


class Workshop(Struct, frozen=True, kw_only=True):
    """What every execution works with.

    Attributes:
        uniform: the randomness of backoff, `random.uniform`.
        table_retry: attempts and pauses of one table; `most` comes from the task.
        data_dir: where rejected rows are kept.
        history: what is remembered of tables; None does not look for changes of them.
    """

    store: ExecutionStore
    ledger: LoadLedger
    streams: StreamStore
    bus: EventBus
    uniform: Callable[[float, float], float]
    reviews: PositionReviews = NO_REVIEWS
    table_retry: RestartPolicy = RestartPolicy()
    data_dir: Path = Path(".dtaas")
    history: SchemaHistory | None = None


class Company(Struct, frozen=True, kw_only=True):
    """The stream into which a load brings its tables.

    Attributes:
        arrived: called with each table that is loaded; from then on it is the stream's.
        position: where the stream of a table that is now loaded begins; None asks the source.
    """

    meter: ExecutionMeter
    drain: Drain
    arrived: Callable[[TableRef], Awaitable[None]]
    position: Callable[[], Awaitable[str]] | None = None


class TaskExecution:
    """One life of an execution. After a crash, pause or retry another one goes on from the store.

    `run` returns the final status, or None when the drain came first and work is left.
    """

    def __init__(
        self,
        workshop: Workshop,
        *,
        task: Task,
        execution: Execution,
        tables: Sequence[TableProgress],
        source: Source,
        destination: Destination,
        owner: Owner,
        restart: bool,
        company: Company | None = None,
        attempt: Attempt = load_table,
        rejected: Callable[[TableRef], int] = none_rejected,
    ) -> None:
        self._workshop = workshop
        self._task = task
        self._execution = execution
        self._company = company
        self._try = attempt
        self._tables = [t.table for t in tables]
        options = task.spec.options
        if company is None:
            self.drain = Drain()
            self._meter = ExecutionMeter(
                task.id,
                execution.id,
                self._tables,
                current_time,
                rejected,
                spent=spent_at(destination),
                recorded=tables,
            )
            for recorded in tables:
                if recorded.phase in SETTLED_PHASES:
                    self._meter.tables[recorded.table].recall(recorded)
        else:
            self.drain, self._meter = company.drain, company.meter
        self._reporter = Reporter(workshop.store, workshop.bus, execution.id, self._meter)
        self._context = LoadContext(
            spec=task.spec,
            execution_id=execution.id,
            owner=owner,
            source=source,
            destination=destination,
            ledger=workshop.ledger,
            budget=ByteBudget(options.in_flight_mb * _MIB),
            chunks=CapacityLimiter(options.concurrent_chunks),
            drain=self.drain,
            restart=restart,
            anew=company is not None,
            position=None if company is None else company.position,
        )
        self._queue: deque[TableRef] = deque()
        self._workers = 0
        self._group: TaskGroup | None = None
        self._lives: dict[TableRef, CancelScope] = {}
        self._attempts: dict[TableRef, CancelScope] = {}
        self._stalled: set[TableRef] = set()

    def snapshot(self) -> ExecutionProgress:
        """Return the figures as of now."""
        return self._reporter.snapshot()

    async def run(self) -> ExecutionStatus | None:
        """Load every table that has no final state yet.

        Raises:
            ExecutionTimeoutError: the task's time limit passed.
            StoreUnavailableError, StoreFullError, StoreCorruptError: progress cannot be recorded.
        """
        limit_s = self._task.spec.options.time_limit_s or None
        try:
            with fail_after(limit_s):
                async with create_task_group() as group:
                    if self._company is None:
                        group.start_soon(self._reporter.serve, name="report")
                    group.start_soon(self._watch, name="watch")
                    await self._load_tables()
                    group.cancel_scope.cancel()
        except TimeoutError as exc:
            raise ExecutionTimeoutError(
                f"The execution ran longer than its limit of {limit_s} s.",
                hint="Raise options.time_limit_s, or give the task more concurrent chunks.",
            ) from exc
        await self._reporter.record()
        return self._outcome()

    async def skip(self, table: TableRef) -> bool:
        """Leave a table out from now on; what it has is kept. Returns whether it was under way."""
        scope = self._lives.get(table)
        if table in self._queue:
            self._queue.remove(table)
            self._meter.tables[table].skip()
            await self._reporter.record()
        elif scope is not None and self._meter.tables[table].phase is not TablePhase.COMMITTING:
            scope.cancel()
        else:
            return False
        return True

    async def retry(self, table: TableRef) -> bool:
        """Let a table that failed or was left out go on. Returns whether it does."""
        if self._group is None or self.drain.requested or table not in self._tables:
            return False
        meter = self._meter.tables[table]
        if meter.phase not in {TablePhase.FAILED, TablePhase.SKIPPED}:
            return False
        meter.recovered()
        meter.enter(TablePhase.WAITING)
        self._queue.append(table)
        self._hire(self._group)
        return True

    async def _load_tables(self) -> None:
        phases = self._meter.tables
        self._queue.extend(t for t in self._tables if phases[t].phase not in FINAL_PHASES)
        try:
            async with create_task_group() as self._group:
                self._hire(self._group)
        finally:
            self._group = None

    def _hire(self, group: TaskGroup) -> None:
        """Have as many at work as there are tables waiting and the task allows."""
        free = self._task.spec.options.concurrent_tables - self._workers
        for _ in range(min(len(self._queue), free)):
            self._workers += 1
            group.start_soon(self._work, name="tables")

    async def _work(self) -> None:
        while self._queue:
            table = self._queue.popleft()
            meter = self._meter.tables[table]
            if self.drain.requested:
                meter.enter(TablePhase.STOPPED)
            else:
                log.info("table_begun", table=str(table))
                with self._life(table) as scope:
                    await self._load_table(table, meter)
                if scope.cancelled_caught:
                    meter.skip()
                _log_end(meter.snapshot())
                if self._company is not None and meter.phase is TablePhase.COMPLETED:
                    await self._company.arrived(table)
                await self._reporter.record()
        self._workers -= 1

    @contextmanager
    def _life(self, table: TableRef) -> Iterator[CancelScope]:
        """Run a table in a scope that whoever leaves it out cancels."""
        with CancelScope() as scope:
            self._lives[table] = scope
            try:
                yield scope
            finally:
                del self._lives[table]

    async def _load_table(self, table: TableRef, meter: TableMeter) -> None:
        policy = self._workshop.table_retry
        restarts = Restarts(
            RestartPolicy(
                base_s=policy.base_s,
                cap_s=policy.cap_s,
                most=self._task.spec.options.max_attempts,
                healthy_s=policy.healthy_s,
            ),
            self._workshop.uniform,
        )
        while True:
            began = current_time()
            try:
                with self._attempt(table):
                    await self._try(self._context, table, meter)
                return  # noqa: TRY300 - the attempt decides, the rest is its failure
            except Exception as exc:
                error = explain(exc)
                if isinstance(error, _STORE_ERRORS):
                    raise error from exc
            meter.failed(error)
            if isinstance(error, SchemaChangePendingError) and self.drain.requested:
                meter.enter(TablePhase.STOPPED)  # the task pauses for it
                return
            delay_s = restarts.next_delay_s(error, ran_s=current_time() - began)
            log.warning(
                "table_attempt_failed",
                table=str(table),
                code=error.code,
                error=error.detail,
                retry_in_s=delay_s,
                exc_info=error if error.code == "internal" else None,
            )
            if delay_s is None:
                meter.enter(TablePhase.FAILED)
                return
            meter.retried()
            meter.enter(TablePhase.RETRYING)
            with move_on_after(delay_s):
                await self.drain.wait()
            if self.drain.requested:
                meter.enter(TablePhase.STOPPED)
                return

    @contextmanager
    def _attempt(self, table: TableRef) -> Iterator[None]:
        """Let the watchdog end the attempt, which then fails as one that made no progress."""
        with CancelScope() as scope:
            self._attempts[table] = scope
            try:
                yield
            finally:
                del self._attempts[table]
        if scope.cancelled_caught and table in self._stalled:
            self._stalled.discard(table)
            state = self._meter.tables[table].snapshot()
            raise NoProgressError(
                f"Table {table} moved nothing for {self._task.spec.options.no_progress_s} s"
                f" while {state.phase} ({state.chunks_done} of {state.chunks_total} chunks done).",
                hint="Look for blocking sessions at the source and for a stalled destination.",
            )

    async def _watch(self) -> None:
        limit_s = self._task.spec.options.no_progress_s
        while True:
            await sleep(min(1.0, limit_s / 4))
            now = current_time()
            for table, scope in list(self._attempts.items()):
                meter = self._meter.tables[table]
                if meter.phase in _WORKING and now - meter.moved_at > limit_s:
                    self._stalled.add(table)
                    scope.cancel()

    def _outcome(self) -> ExecutionStatus | None:
        phases = [self._meter.tables[table].phase for table in self._tables]
        if any(phase not in SETTLED_PHASES for phase in phases):
            return None
        whole = phases.count(TablePhase.COMPLETED)
        if whole == len(phases):
            return ExecutionStatus.COMPLETED
        failed = phases.count(TablePhase.FAILED)
        return ExecutionStatus.FAILED if failed and not whole else ExecutionStatus.PARTIAL

    def first_error(self) -> TablesFailedError | None:
        """Return how many tables failed and why the first did, None when none did."""
        tables = self.snapshot().tables
        failed = [t for t in tables if t.phase is TablePhase.FAILED]
        if not failed:
            return None
        first = failed[0]
        return TablesFailedError(
            f"{len(failed)} of {len(tables)} tables failed; {first.table}: {first.error}",
            hint=first.hint or "",
        )


def _log_end(table: TableProgress) -> None:
    log.info(
        "table_ended",
        table=str(table.table),
        phase=table.phase,
        rows=table.rows_done,
        written_bytes=table.written_bytes,
        chunks=table.chunks_done,
        retries=table.retries,
        code=table.error_code,
        location=table.location,
    )
