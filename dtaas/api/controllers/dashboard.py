"""`/api/dashboard/`."""

from datetime import datetime
from typing import Annotated

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from dtaas.model.errors import ValidationFailedError
from dtaas.services.charts import MOST_POINTS, ChartService, DashboardCharts
from dtaas.services.dashboard import DashboardMetrics, DashboardService
from dtaas.services.history import History, HistoryService


class DashboardController(Controller):
    """The first page."""

    path = "/api/dashboard"
    tags = ("Dashboard",)

    @get("/metrics", summary="Read the figures of the first page")
    async def metrics(self, dashboard: NamedDependency[DashboardService]) -> DashboardMetrics:
        """Counts, rates now, the last 24 hours, recent executions and what needs attention."""
        return await dashboard.metrics()

    @get("/charts", summary="Read what happened over time")
    async def read_charts(
        self,
        *,
        charts: NamedDependency[ChartService],
        since: FromQuery[datetime | None] = None,
        until: FromQuery[datetime | None] = None,
        points: Annotated[int, QueryParameter(ge=2, le=MOST_POINTS)] = MOST_POINTS,
    ) -> DashboardCharts:
        """Rows by task, lag and results of executions, all in the same buckets of time."""
        return await charts.read(
            since=moment("since", since), until=moment("until", until), points=points
        )

    @get("/history", summary="Read the daemon's figures over time")
    async def read_history(
        self,
        *,
        history: NamedDependency[HistoryService],
        names: FromQuery[list[str] | None] = None,
        since: FromQuery[datetime | None] = None,
        until: FromQuery[datetime | None] = None,
        points: Annotated[int, QueryParameter(ge=1, le=1000)] = 300,
    ) -> History:
        """In equal stretches of time, the last hour unless asked otherwise."""
        return await history.read(
            names or (), since=moment("since", since), until=moment("until", until), points=points
        )


def moment(name: str, value: datetime | None) -> datetime | None:
    """Return a moment given in an address.

    Raises:
        ValidationFailedError: it has no time zone.
    """
    if value is not None and value.tzinfo is None:
        raise ValidationFailedError(
            f"{name} has no time zone.", hint="Write it as 2026-01-31T12:00:00Z.", field=f"$.{name}"
        )
    return value
