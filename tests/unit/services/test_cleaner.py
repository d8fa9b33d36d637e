from datetime import timedelta

from dtaas.engine.progress import utc_now
from dtaas.model.task import TaskAction, TaskStatus
from dtaas.services.cleaner import Cleaner
from dtaas.settings import RetentionSettings
from dtaas.store.executions import ExecutionFilter
from tests.fakes.services_at_work import AtWork


async def test_old_executions_go_but_the_newest_stay(work: AtWork) -> None:
    task = await work.task()
    ids = []
    for _ in range(4):
        await work.services.control.act(task.id, TaskAction.START)
        ids.append((await work.until_ended()).id)
        await work.until_task_is(TaskStatus.IDLE)
    later = utc_now() + timedelta(days=400)
    cleaner = Cleaner(
        metrics=work.store.metrics,
        retention=work.store.retention,
        alerts=work.store.alert_events,
        settings=lambda: RetentionSettings(executions_per_task=2),
        now=lambda: later,
    )
    await cleaner.clean()
    left = await work.store.executions.list(ExecutionFilter(task_id=task.id))
    assert [execution.id for execution in left.items] == [ids[3], ids[2]]


async def test_young_executions_stay(work: AtWork) -> None:
    task = await work.task()
    await work.services.control.act(task.id, TaskAction.START)
    await work.until_ended()
    cleaner = Cleaner(
        metrics=work.store.metrics,
        retention=work.store.retention,
        alerts=work.store.alert_events,
        settings=lambda: RetentionSettings(executions_per_task=1),
        now=utc_now,
    )
    await cleaner.clean()
    assert (await work.store.executions.list(ExecutionFilter(task_id=task.id))).total == 1
