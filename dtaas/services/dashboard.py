"""The figures of the first page."""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from anyio import Lock, current_time
from msgspec import Struct

from dtaas.model.connectors import Connector, TestStatus
from dtaas.model.errors import NotFoundError
from dtaas.model.execution import Execution
from dtaas.model.ids import TaskId
from dtaas.model.task import Task, TaskStatus
from dtaas.services.ports import TaskRunner
from dtaas.store.connectors import ConnectorFilter, ConnectorRepository
from dtaas.store.dashboard import DashboardFigures, DashboardRepository
from dtaas.store.executions import ExecutionFilter, ExecutionRepository
from dtaas.store.page import Window
from dtaas.store.tasks import TaskFilter, TaskRepository

_RECENT: Final = 20
_SHOWN_TROUBLES: Final = 50
_TROUBLED: Final = frozenset({TaskStatus.FAILED, TaskStatus.RETRYING})


class TroubleKind(StrEnum):
    """What needs attention."""

    TASK_FAILED = "task_failed"
    TASK_RETRYING = "task_retrying"
    CONNECTOR_FAILING = "connector_failing"


class Trouble(Struct, frozen=True, kw_only=True):
    """Something a person should look at.

    Attributes:
        id: of the task or connector.
        since: when it got that way.
        code: error code of the vocabulary.
    """

    kind: TroubleKind
    id: int
    name: str
    since: datetime
    code: str
    detail: str


class RecentExecution(Struct, frozen=True, kw_only=True):
    """An execution with the name of its task."""

    task_name: str
    execution: Execution


class DashboardMetrics(Struct, frozen=True, kw_only=True):
    """What the first page shows.

    Attributes:
        rows_s: rows a second now, over all running tasks.
        mb_s: megabytes (10^6) of Arrow data a second now.
        needs_attention: worst first.
    """

    at: datetime
    figures: DashboardFigures
    rows_s: float
    mb_s: float
    recent: tuple[RecentExecution, ...]
    needs_attention: tuple[Trouble, ...]


class DashboardService:
    """Reads the figures; many readers within a second cost one reading."""

    def __init__(
        self,
        *,
        dashboard: DashboardRepository,
        tasks: TaskRepository,
        connectors: ConnectorRepository,
        executions: ExecutionRepository,
        runner: TaskRunner,
        now: Callable[[], datetime],
    ) -> None:
        self._dashboard = dashboard
        self._tasks = tasks
        self._connectors = connectors
        self._executions = executions
        self._runner = runner
        self._now = now
        self._reading = Lock()
        self._read: tuple[float, DashboardMetrics] | None = None

    async def metrics(self, *, max_age_s: float = 0.0) -> DashboardMetrics:
        """Return the figures, not older than `max_age_s`."""
        asked_at = current_time()
        async with self._reading:
            if self._read is not None and self._read[0] >= asked_at - max_age_s:
                return self._read[1]
            began_at = current_time()
            metrics = await self._metrics()
            self._read = (began_at, metrics)
            return metrics

    async def _metrics(self) -> DashboardMetrics:
        running = self._runner.running()
        return DashboardMetrics(
            at=self._now(),
            figures=await self._dashboard.figures(),
            rows_s=sum(progress.rows_s for progress in running),
            mb_s=sum(progress.mb_s for progress in running),
            recent=await self._recent(),
            needs_attention=await self._troubles(),
        )

    async def _recent(self) -> tuple[RecentExecution, ...]:
        page = await self._executions.list(ExecutionFilter(), Window(limit=_RECENT, sort="-id"))
        names: dict[TaskId, str] = {}
        for task_id in {execution.task_id for execution in page.items}:
            try:
                names[task_id] = (await self._tasks.get(task_id)).spec.name
            except NotFoundError:  # deleted since the list was read, and its executions with it
                continue
        return tuple(
            RecentExecution(task_name=names[e.task_id], execution=e)
            for e in page.items
            if e.task_id in names
        )

    async def _troubles(self) -> tuple[Trouble, ...]:
        window = Window(limit=_SHOWN_TROUBLES, sort="-updated_at")
        tasks = await self._tasks.list(TaskFilter(statuses=_TROUBLED), window)
        connectors = await self._connectors.list(
            ConnectorFilter(test_status=TestStatus.FAILED, is_active=True), window
        )
        found = [*map(_of_task, tasks.items), *map(_of_connector, connectors.items)]
        return _worst_first(found)[:_SHOWN_TROUBLES]


def _of_task(task: Task) -> Trouble:
    failed = task.status is TaskStatus.FAILED
    return Trouble(
        kind=TroubleKind.TASK_FAILED if failed else TroubleKind.TASK_RETRYING,
        id=task.id,
        name=task.spec.name,
        since=task.updated_at,
        code=task.last_error_code or "internal",
        detail=task.last_error or "",
    )


def _of_connector(connector: Connector) -> Trouble:
    steps = connector.test_report.steps if connector.test_report is not None else ()
    bad = next((step for step in steps if step.code is not None), None)
    return Trouble(
        kind=TroubleKind.CONNECTOR_FAILING,
        id=connector.id,
        name=connector.name,
        since=connector.last_tested_at or connector.updated_at,
        code=(bad.code if bad else None) or "failed",
        detail=bad.detail if bad else "The last test failed.",
    )


def _worst_first(troubles: Sequence[Trouble]) -> tuple[Trouble, ...]:
    order = list(TroubleKind)
    return tuple(sorted(troubles, key=lambda t: (order.index(t.kind), t.since)))
