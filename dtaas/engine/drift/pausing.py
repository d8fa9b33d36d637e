"""A task that pauses until somebody has decided about its tables."""

from dtaas.concurrency.bus import EventBus
from dtaas.engine.progress import utc_now
from dtaas.model.drift import waits
from dtaas.model.drift_ports import SchemaHistory
from dtaas.model.errors import DtaasError
from dtaas.model.events import TaskChanged
from dtaas.model.ids import TaskId
from dtaas.model.store_ports import ExecutionStore
from dtaas.model.task import DesiredState, TaskStatus


async def pause_for(
    store: ExecutionStore,
    bus: EventBus,
    history: SchemaHistory,
    task_id: TaskId,
    error: DtaasError,
) -> None:
    """Pause a task, and say why; it goes on at once if everything is decided by then.

    Who decides looks at the task after the decision is written, and this looks at the decisions
    after the task is: one of them sees the other.
    """
    changed = await store.set_status(
        task_id,
        TaskStatus.PAUSING,
        desired=DesiredState.PAUSED,
        error_code=error.code,
        error=error.detail,
    )
    if not waits(await history.held(task_id)):
        changed = await store.set_status(task_id, TaskStatus.QUEUED, desired=DesiredState.RUNNING)
    bus.publish(TaskChanged(at=utc_now(), task=changed))
