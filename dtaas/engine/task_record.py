"""What the store keeps, and everybody is told, of a task's lives: its state, and how they ended."""

import msgspec
import structlog

from dtaas.concurrency.bus import EventBus
from dtaas.engine.life import Ended
from dtaas.engine.progress import utc_now
from dtaas.model.errors import DtaasError, RetryableError, SchemaChangePendingError
from dtaas.model.events import ExecutionChanged, TaskChanged
from dtaas.model.execution import Execution, ExecutionProgress, ExecutionStatus
from dtaas.model.ids import TaskId
from dtaas.model.positions import PositionsDifferError
from dtaas.model.schedule import ScheduleType
from dtaas.model.store_ports import ExecutionStore
from dtaas.model.task import DesiredState, Task, TaskStatus

_ENDING = frozenset(
    {TaskStatus.STOPPING, TaskStatus.RUNNING, TaskStatus.STREAMING, TaskStatus.RETRYING}
)
log = structlog.get_logger()


class TaskRecord:
    """Writes down where tasks stand. Every method raises RetryableError while the store is away."""

    def __init__(self, store: ExecutionStore, bus: EventBus) -> None:
        self._store = store
        self._bus = bus

    async def finish(self, task_id: TaskId, ended: Ended) -> None:
        if ended.status is None or ended.progress is None:
            await self.settle(task_id)
            return
        task = await self._store.task(task_id)
        self._announce(await self._end(ended.progress, ended.status, ended.error))
        at_rest = TaskStatus.FAILED if ended.status is ExecutionStatus.FAILED else _resting(task)
        await self.show(
            task_id,
            at_rest,
            desired=DesiredState.STOPPED,
            error=ended.error,
            percent=ended.progress.percent,
        )

    async def fail(self, task_id: TaskId, error: DtaasError) -> None:
        status, desired = TaskStatus.FAILED, DesiredState.STOPPED
        if isinstance(error, PositionsDifferError):  # it waits for a person's choice
            status, desired = TaskStatus.PAUSED, DesiredState.PAUSED
        else:
            await self._end_running(task_id, ExecutionStatus.FAILED, error)
        await self.show(task_id, status, desired=desired, error=error)

    async def settle(self, task_id: TaskId) -> None:
        """Give a task without an actor the state its user asked for."""
        task = await self._store.task(task_id)
        match task.desired:
            case DesiredState.PAUSED:
                running = await self._store.running_execution(task.id)
                status = TaskStatus.PAUSED if running is not None else _resting(task)
                await self.show(task.id, status, error=_waits_for(task))
            case DesiredState.STOPPED:
                await self._end_running(task.id, ExecutionStatus.STOPPED, None)
                if task.status in _ENDING:
                    await self.show(task.id, TaskStatus.STOPPED)
            case DesiredState.RUNNING:
                await self.show(task.id, TaskStatus.QUEUED)

    async def _end_running(
        self, task_id: TaskId, status: ExecutionStatus, error: DtaasError | None
    ) -> None:
        running = await self._store.running_execution(task_id)
        if running is None:
            return
        tables = await self._store.tables_of(running.id)
        progress = ExecutionProgress(
            task_id=task_id,
            execution_id=running.id,
            status=status,
            rows_done=sum(t.rows_done for t in tables),
            rows_total=running.total_rows,
            bytes=sum(t.bytes for t in tables),
            written_bytes=sum(t.written_bytes for t in tables),
            rows_s=0.0,
            mb_s=0.0,
            eta_s=None,
            percent=running.progress_percent,
            elapsed_s=(utc_now() - running.started_at).total_seconds(),
            tables=tuple(tables),
        )
        self._announce(await self._end(progress, status, error))

    async def _end(
        self, progress: ExecutionProgress, status: ExecutionStatus, error: DtaasError | None
    ) -> Execution:
        return await self._store.end_execution(
            progress.execution_id,
            status,
            progress,
            error_code=error.code if error else None,
            error=error.detail if error else None,
        )

    def _announce(self, execution: Execution) -> None:
        log.info(
            "execution_ended",
            execution_id=execution.id,
            status=execution.status,
            rows=execution.processed_rows,
            duration_s=execution.duration_seconds,
            code=execution.error_code,
            error=execution.error_message,
        )
        self._bus.publish(ExecutionChanged(at=utc_now(), execution=execution))

    async def show(
        self,
        task_id: TaskId,
        status: TaskStatus,
        *,
        desired: DesiredState | None = None,
        error: DtaasError | None = None,
        percent: float | None = None,
    ) -> None:
        """Record a task's state and tell everybody."""
        task = await self._store.set_status(
            task_id,
            status,
            desired=desired,
            error_code=error.code if error else None,
            error=error.detail if error else None,
            progress_percent=percent,
        )
        self._bus.publish(TaskChanged(at=utc_now(), task=task))

    async def show_retrying(self, task_id: TaskId, error: DtaasError) -> None:
        """Show why a task waits, also while the store cannot keep it."""
        try:
            await self.show(task_id, TaskStatus.RETRYING, error=error)
        except RetryableError as exc:
            log.warning("task_state_not_recorded", code=exc.code, error=exc.detail)
            task = msgspec.structs.replace(
                await self._store.task(task_id),
                status=TaskStatus.RETRYING,
                last_error_code=error.code,
                last_error=error.detail,
            )
            self._bus.publish(TaskChanged(at=utc_now(), task=task))


def _waits_for(task: Task) -> DtaasError | None:
    """Return the change of a table that a task paused for, None when its user paused it."""
    if task.last_error_code != SchemaChangePendingError.code:
        return None
    return SchemaChangePendingError(task.last_error or "")


def _resting(task: Task) -> TaskStatus:
    """Return the state of a task that waits for its next start."""
    planned = task.spec.schedule_type is not ScheduleType.MANUAL and task.spec.is_active
    return TaskStatus.SCHEDULED if planned else TaskStatus.IDLE
