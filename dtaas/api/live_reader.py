"""Reads the picture of a topic."""

from dtaas.api.live import DashboardTopic, TasksTopic, TaskTopic
from dtaas.model.errors import ValidationFailedError
from dtaas.model.execution import ExecutionProgress
from dtaas.model.ids import TaskId
from dtaas.services.dashboard import DashboardService
from dtaas.services.tasks import TaskService
from dtaas.store.page import Window

DASHBOARD_EVERY_S = 1.0
_DIGITS = 18


class LiveReader:
    """Opens topics by name: `tasks`, `task:ID`, `dashboard`."""

    def __init__(self, tasks: TaskService, dashboard: DashboardService) -> None:
        self._tasks = tasks
        self._dashboard = dashboard

    async def open(self, name: str) -> TasksTopic | TaskTopic | DashboardTopic:
        """Return the present picture of a topic.

        Raises:
            ValidationFailedError: there is no such topic.
            NotFoundError: there is no such task.
        """
        kind, _, number = name.partition(":")
        if name == "tasks":
            return await self._all()
        if name == "dashboard":
            return DashboardTopic(await self._dashboard.metrics(max_age_s=DASHBOARD_EVERY_S / 2))
        if kind == "task" and number.isascii() and number.isdigit() and len(number) <= _DIGITS:
            return await self._one(TaskId(int(number)))
        raise ValidationFailedError(
            f"There is no topic {name!r}.", hint="There are: tasks, task:ID, dashboard."
        )

    async def _all(self) -> TasksTopic:
        tasks = await self._tasks.every()
        found = (self._tasks.progress(task.id) for task in tasks)
        return TasksTopic(tasks, [progress for progress in found if progress is not None])

    async def _one(self, task_id: TaskId) -> TaskTopic:
        task = await self._tasks.get(task_id)
        latest = await self._tasks.executions(task_id, frozenset(), Window(limit=1, sort="-id"))
        if not latest.items:
            return TaskTopic(task, None, None, ())
        execution, tables = await self._tasks.execution(latest.items[0].id)
        live: ExecutionProgress | None = self._tasks.progress(task_id)
        if live is not None and live.execution_id != execution.id:
            live = None
        return TaskTopic(task, execution, live, tables)
