"""The figures of the first page."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from anyio import Lock, current_time
from msgspec import Struct

from dtaas.model.execution import Execution
from dtaas.services.ports import TaskRunner
from dtaas.services.troubles import Trouble, TroubleFinder
from dtaas.store.dashboard import DashboardFigures, DashboardRepository
from dtaas.store.executions import ExecutionFilter, ExecutionRepository
from dtaas.store.page import Window
from dtaas.store.tasks import TaskRepository

_RECENT: Final = 20


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
        troubles: TroubleFinder,
        executions: ExecutionRepository,
        runner: TaskRunner,
        now: Callable[[], datetime],
    ) -> None:
        self._dashboard = dashboard
        self._tasks = tasks
        self._troubles = troubles
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
            needs_attention=await self._troubles.find(),
        )

    async def _recent(self) -> tuple[RecentExecution, ...]:
        page = await self._executions.list(ExecutionFilter(), Window(limit=_RECENT, sort="-id"))
        names = await self._tasks.names({execution.task_id for execution in page.items})
        return tuple(
            RecentExecution(task_name=names[e.task_id], execution=e)
            for e in page.items
            if e.task_id in names  # deleted since the list was read, and its executions with it
        )
