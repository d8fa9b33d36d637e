"""`/api/dashboard/`."""

from litestar import Controller, get
from litestar.di import NamedDependency

from dtaas.services.dashboard import DashboardMetrics, DashboardService


class DashboardController(Controller):
    """The first page."""

    path = "/api/dashboard"
    tags = ("Dashboard",)

    @get("/metrics", summary="Read the figures of the first page")
    async def metrics(self, dashboard: NamedDependency[DashboardService]) -> DashboardMetrics:
        """Counts, rates now, the last 24 hours, recent executions and what needs attention."""
        return await dashboard.metrics()
