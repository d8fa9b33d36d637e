"""The task actor: one life of one task, from its connectors to the end of its execution."""

from collections.abc import Sequence
from functools import partial

import structlog
from anyio import current_time
from msgspec.structs import replace
from structlog.contextvars import bind_contextvars

from dtaas.engine.arrivals import Joined
from dtaas.engine.connected import connected
from dtaas.engine.drift.gate import DriftGate
from dtaas.engine.drift.pausing import pause_for
from dtaas.engine.drift.source import GuardedChangeSource, GuardedMarks, GuardedSource
from dtaas.engine.execution import Attempt, Company, TaskExecution, Workshop
from dtaas.engine.handover import Handover
from dtaas.engine.increment import Increments
from dtaas.engine.life import Ended, Following, Job, Orders
from dtaas.engine.positions import Positions
from dtaas.engine.progress import ExecutionMeter, utc_now
from dtaas.engine.repair import Key
from dtaas.engine.report import Reporter
from dtaas.engine.shaping.task import TaskShaping
from dtaas.engine.stream import TaskStream
from dtaas.engine.table import load_table
from dtaas.engine.table_search import with_tables_found
from dtaas.model.change_ports import ChangeDestination, ChangeRegistry, ChangeSource
from dtaas.model.changes import Capture, capture_of
from dtaas.model.connectors import Connector
from dtaas.model.drift_ports import SchemaHistory
from dtaas.model.errors import DtaasError
from dtaas.model.events import ExecutionChanged, TaskChanged
from dtaas.model.execution import (
    Execution,
    ExecutionProgress,
    ExecutionStatus,
    ExecutionType,
    TablePhase,
    TableProgress,
)
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.load import Owner
from dtaas.model.ports import Destination, Source
from dtaas.model.schema import TableRef
from dtaas.model.spending import NamesWork, spent_at
from dtaas.model.task import Task, TaskMode, TaskStatus

log = structlog.get_logger()
_KINDS = {
    TaskMode.FULL_LOAD: ExecutionType.FULL_LOAD,
    TaskMode.INCREMENTAL: ExecutionType.INCREMENTAL,
    TaskMode.CDC: ExecutionType.CDC,
    TaskMode.FULL_LOAD_THEN_CDC: ExecutionType.CDC,
}


class TaskActor:
    """One incarnation; the supervisor keeps the orders and decides about the next one."""

    def __init__(self, workshop: Workshop, registry: ChangeRegistry, orders: Orders) -> None:
        self._workshop = workshop
        self._registry = registry
        self._orders = orders
        self._shaping: TaskShaping | None = None
        self._gate: DriftGate | None = None
        self._execution: TaskExecution | TaskStream | None = None
        self._arriving: TaskExecution | None = None
        self._leaving = False

    def drain(self) -> None:
        """Ask for the end: nothing new is read, what was read is finished. Idempotent."""
        self._leaving = True
        if self._execution is not None:
            self._execution.drain.request()

    async def reload(self, tables: Sequence[TableRef]) -> None:
        """Load tables of a task that streams anew, while the others stream on."""
        if isinstance(self._execution, TaskStream):
            if self._gate is not None:
                await self._gate.fresh(tables)
            await self._execution.reload(tables)

    def repair(self, table: TableRef, keys: Sequence[Key]) -> bool:
        """Write some rows of a table that streams anew. Returns whether it does."""
        return isinstance(self._execution, TaskStream) and self._execution.repair(table, keys)

    def works(self) -> Sequence[TaskExecution | TaskStream]:
        """Return what is under way; a load that brings tables into the stream comes first."""
        return [work for work in (self._arriving, self._execution) if work is not None]

    async def change(self, task_id: TaskId) -> None:
        """Look at which tables the task names now, if it streams."""
        if isinstance(self._execution, TaskStream):
            task = await self._workshop.store.task(task_id)
            if self._shaping is not None:
                self._shaping.follow(task.spec)
            await self._execution.change(task)

    def snapshot(self) -> ExecutionProgress | None:
        """Return the live figures, None before the execution began."""
        return None if self._execution is None else self._execution.snapshot()

    async def run(self, task_id: TaskId) -> Ended:
        """Run the task's execution to its end, or until drained."""
        store = self._workshop.store
        task = await store.task(task_id)
        connector = await self._connector(task.spec.source_connector_id)
        source = self._registry.source(connector)
        async with connected(source):
            destination = self._registry.destination(
                await self._connector(task.spec.destination_connector_id),
                task_name=task.spec.name,
                database=getattr(connector.config, "database", ""),
            )
            async with connected(destination):
                return await self._execute(task, connector, source, destination)

    async def _connector(self, connector_id: ConnectorId) -> Connector:
        return await self._registry.resolved(await self._workshop.store.connector(connector_id))

    async def _execute(
        self, task: Task, connector: Connector, source: Source, destination: Destination
    ) -> Ended:
        store = self._workshop.store
        task = await with_tables_found(task, source, self._workshop)
        task.spec.places(destination.target_of)  # refuses clashes
        owner = Owner(
            installation=await store.installation(),
            task_id=task.id,
            task_name=task.spec.name,
            epoch=self._orders.epoch,
        )
        await self._settle_positions(task, owner, destination)
        if not task.spec.mode.streams:
            return await self._begin(task, connector, source, destination, owner=owner)
        streams = await self._workshop.streams.streams(task.id)
        capture = capture_of(task.spec.options.capture, streams)
        changes = self._registry.change_source(connector, capture, beside=source)
        async with connected(changes):  # while the execution is being written down
            following = Following(changes, capture)
            return await self._begin(
                task, connector, source, destination, owner=owner, following=following
            )

    async def _begin(
        self,
        task: Task,
        connector: Connector,
        source: Source,
        destination: Destination,
        *,
        owner: Owner,
        following: Following | None = None,
    ) -> Ended:
        """Write down that the execution begins, or goes on, and work through it."""
        execution = await self._workshop.store.begin_execution(task.id, _KINDS[task.spec.mode])
        bind_contextvars(execution_id=execution.id)  # of this task's context, which ends with it
        if isinstance(destination, NamesWork):
            destination.works_for(execution.id)
        tables = await self._tables(task, execution)
        log.info("execution_begun", tables=len(tables), execution_type=execution.execution_type)
        self._workshop.bus.publish(ExecutionChanged(at=utc_now(), execution=execution))
        shaping = await TaskShaping.of_execution(
            task.spec, self._workshop.data_dir, task.id, execution.id
        )
        self._shaping = shaping
        gate = await self._guard(task, execution, source, destination)
        guarded = source if gate is None else GuardedSource(source, gate)
        job = Job(
            task,
            execution,
            tuple(tables),
            owner,
            shaping.source(guarded),
            destination,
            shaping,
            shaping.source(source),
        )
        if following is not None:
            changes = following.changes
            changes = changes if gate is None else GuardedChangeSource(changes, gate)
            return await self._load_and_stream(job, shaping.changes(changes), following.capture)
        if task.spec.mode is TaskMode.INCREMENTAL:
            return await self._increment(job, tables, connector)
        return await self._load(job, tables)

    async def _guard(
        self, task: Task, execution: Execution, source: Source, destination: Destination
    ) -> DriftGate | None:
        """Return who looks at tables before they are read; what is loaded anew by order passes."""
        history = self._workshop.history
        if history is None:
            return None
        gate = self._gate = DriftGate(
            history=history,
            bus=self._workshop.bus,
            task=task,
            execution_id=execution.id,
            source=source,
            destination=destination,
            pause=partial(self._pause_for, task.id, history),
        )
        ordered = self._orders.tables if task.spec.mode.streams else ()
        if self._orders.restart or ordered:
            await gate.fresh(self._orders.tables or task.spec.source_tables)
        return gate

    async def _pause_for(self, task_id: TaskId, history: SchemaHistory, error: DtaasError) -> None:
        await pause_for(self._workshop.store, self._workshop.bus, history, task_id, error)
        self.drain()

    async def _settle_positions(self, task: Task, owner: Owner, destination: Destination) -> None:
        """Compare positions with the target's where that was ordered; see `Positions.settle`."""
        workshop = self._workshop
        positions = Positions(
            task=task,
            owner=owner,
            destination=destination,
            ledger=workshop.ledger,
            streams=workshop.streams,
            reviews=workshop.reviews,
            now=utc_now,
        )
        await positions.settle()

    async def _increment(
        self, job: Job, tables: Sequence[TableProgress], connector: Connector
    ) -> Ended:
        """Read what is new above each table's watermark; what is not known yet in full."""
        if not isinstance(job.destination, ChangeDestination):
            raise TypeError(job.destination)
        marks = self._registry.watermark_source(connector)
        marks = job.shaping.marks(marks if self._gate is None else GuardedMarks(marks, self._gate))
        async with connected(marks):
            increments = Increments(
                marks=marks,
                destination=job.destination,
                streams=self._workshop.streams,
                shaping=job.shaping,
                uniform=self._workshop.uniform,
                gate=self._gate,
            )
            return await self._load(job, tables, increments.attempt)

    async def _load(
        self, job: Job, tables: Sequence[TableProgress], attempt: Attempt = load_table
    ) -> Ended:
        """Load tables in full, or as `attempt` does."""
        load = TaskExecution(
            self._workshop,
            task=job.task,
            execution=job.execution,
            tables=tables,
            source=job.source,
            destination=job.destination,
            owner=job.owner,
            restart=self._orders.restart,
            attempt=attempt,
            rejected=job.shaping.rejected,
        )
        self._work_on(load)
        status = await load.run()
        if job.task.spec.options.take_over and status is ExecutionStatus.COMPLETED:
            await self._workshop.store.clear_take_over(job.task.id)
        return Ended(status=status, progress=load.snapshot(), error=load.first_error())

    async def _load_and_stream(self, job: Job, changes: ChangeSource, capture: Capture) -> Ended:
        """Stream what streams already; capture and load the rest meanwhile; until drained."""
        if not isinstance(job.destination, ChangeDestination):
            raise TypeError(job.destination)
        task, workshop = job.task, self._workshop
        handover = Handover(
            task=task,
            owner=job.owner,
            source=changes,
            destination=job.destination,
            ledger=workshop.ledger,
            streams=workshop.streams,
            capture=capture,
        )
        known = await handover.take_up()
        skipped = {t.table for t in job.tables if t.phase is TablePhase.SKIPPED}
        missing = [t for t in task.spec.source_tables if t not in known and t not in skipped]
        meter = ExecutionMeter(
            task.id,
            job.execution.id,
            list(task.spec.source_tables),
            current_time,
            job.shaping.rejected,
            spent=spent_at(job.destination),
            recorded=job.tables,
        )
        for recorded in job.tables:
            if recorded.table in known or recorded.table in skipped:
                meter.tables[recorded.table].recall(recorded)
        stream = TaskStream(
            task=task,
            source=changes,
            rows=job.rows,
            destination=job.destination,
            streams=workshop.streams,
            meter=meter,
            reporter=Reporter(workshop.store, workshop.bus, job.execution.id, meter),
            uniform=workshop.uniform,
            streaming=partial(self._show_streaming, task.id),
            gate=self._gate,
        )
        self._work_on(stream)

        async def bring(tables: Sequence[TableRef], joined: Joined) -> None:
            now = stream.task  # its tables may have changed since
            present = replace(job, task=now), replace(handover, task=now)
            await self._bring(*present, stream, tables, joined)

        going_on = [state for table, state in known.items() if table not in skipped]
        status = await stream.run(going_on, missing, bring)
        return Ended(status=status, progress=stream.snapshot(), error=stream.first_error())

    async def _bring(
        self,
        job: Job,
        handover: Handover,
        stream: TaskStream,
        tables: Sequence[TableRef],
        joined: Joined,
    ) -> None:
        """Capture tables, load them where the mode says so, and hand each over when it is ready."""
        for table in tables:
            stream.meter.tables[table].enter(TablePhase.WAITING)
        captured = await handover.track(tables)

        async def version() -> str:
            return (await handover.source.anchor(list(captured.tables.values()))).hex()

        async def arrived(table: TableRef) -> None:
            await joined(await handover.open(captured, table))

        if job.task.spec.mode is TaskMode.CDC:
            await self._claim(job, tables)
            for table in tables:
                await arrived(table)
            return
        load = TaskExecution(
            self._workshop,
            task=job.task,
            execution=job.execution,
            tables=[TableProgress(table=t, phase=TablePhase.WAITING) for t in tables],
            source=job.source,
            destination=job.destination,
            owner=job.owner,
            restart=self._orders.restart,
            company=Company(
                meter=stream.meter,
                drain=stream.drain,
                arrived=arrived,
                position=version if captured.by_version else None,
            ),
        )
        self._arriving = load
        if await load.run() is not None and job.task.spec.options.take_over:
            await self._workshop.store.clear_take_over(job.task.id)

    async def _show_streaming(self, task_id: TaskId) -> None:
        if self._leaving:
            return
        changed = await self._workshop.store.set_status(task_id, TaskStatus.STREAMING)
        self._workshop.bus.publish(TaskChanged(at=utc_now(), task=changed))
        log.info("streaming_begun")

    async def _claim(self, job: Job, tables: Sequence[TableRef]) -> None:
        """Take the targets of new streams; a full load claims its own."""
        spec = job.task.spec
        for table in tables:
            target = job.destination.target_of(table, spec.mapped_target(table))
            take_over = job.task.spec.options.take_over
            await job.destination.claim(target, job.owner, take_over=take_over)

    def _work_on(self, work: TaskExecution | TaskStream) -> None:
        """Make `work` what is shown and drained."""
        self._execution = work
        if self._leaving:
            work.drain.request()

    async def _tables(self, task: Task, execution: Execution) -> list[TableProgress]:
        """Return the execution's tables: those it began with, or the orders' for a new one."""
        recorded = await self._workshop.store.tables_of(execution.id)
        if recorded:
            return list(recorded)
        wanted = () if task.spec.mode.streams else self._orders.tables
        tables = [
            TableProgress(table=t, phase=TablePhase.WAITING)
            for t in wanted or task.spec.source_tables
        ]
        await self._workshop.store.record_tables(execution.id, tables)
        return tables
