from dtaas.model.task import TaskAction, TaskStatus
from dtaas.services.guards import Guards
from dtaas.settings import GuardSettings
from tests.fakes.services_at_work import AtWork, Gate


def guards(work: AtWork, measured: dict[str, float]) -> Guards:
    return Guards(
        control=work.services.control,
        tasks=work.services.tasks,
        measure=lambda: dict(measured),
        settings=lambda: GuardSettings(disk_percent=90, memory_percent=95),
    )


async def test_running_tasks_pause_before_the_disk_is_full_and_go_on_after(work: AtWork) -> None:
    gate = Gate(work.source, "read")
    task = await work.task()
    await work.services.control.act(task.id, TaskAction.START)
    await gate.reached.wait()
    measured = {"disk": 89.0, "memory": 10.0}
    guard = guards(work, measured)
    await guard.look()
    assert (await work.services.tasks.get(task.id)).status is TaskStatus.RUNNING
    measured["disk"] = 90.0
    await guard.look()
    gate.open()
    await work.until_task_is(TaskStatus.PAUSED)
    measured["disk"] = 88.0
    await guard.look()  # not enough room yet
    assert (await work.services.tasks.get(task.id)).status is TaskStatus.PAUSED
    measured["disk"] = 85.0
    await guard.look()
    assert (await work.until_ended()).status == "completed"


async def test_what_a_person_paused_stays_paused(work: AtWork) -> None:
    gate = Gate(work.source, "read")
    task = await work.task()
    await work.services.control.act(task.id, TaskAction.START)
    await gate.reached.wait()
    await work.services.control.act(task.id, TaskAction.PAUSE)
    gate.open()
    await work.until_task_is(TaskStatus.PAUSED)
    measured = {"disk": 99.0}
    guard = guards(work, measured)
    await guard.look()
    measured["disk"] = 10.0
    await guard.look()
    assert (await work.services.tasks.get(task.id)).status is TaskStatus.PAUSED
