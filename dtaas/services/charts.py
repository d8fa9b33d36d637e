"""The charts of the first page: one grid of time under all of them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

from msgspec import Struct

from dtaas.model.errors import ValidationFailedError
from dtaas.model.execution import ExecutionStatus
from dtaas.model.ids import TaskId
from dtaas.store.charts import NAMED, ChartRepository, TaskSum
from dtaas.store.metrics import MetricsRepository
from dtaas.store.rollups import bucket_length_s

MOST_POINTS: Final = 300
TASK_SAMPLE_S: Final = 30
"""Seconds between two samples of what a task moves, and the shortest bucket."""
_LAG: Final = "replication_lag_s"
_LONGEST: Final = timedelta(days=366)


class TaskCurve(Struct, frozen=True, kw_only=True):
    """What a task moved, a value a bucket.

    Attributes:
        task_id: null for all other tasks together.
        name: null when the task is gone, and for the others.
        rows_s: rows a second, over the whole bucket.
        mb_s: megabytes (10^6) of Arrow data a second.
    """

    task_id: TaskId | None
    name: str | None
    rows_s: tuple[float, ...]
    mb_s: tuple[float, ...]


class EndedRuns(Struct, frozen=True, kw_only=True):
    """How many executions ended so in each bucket."""

    completed: tuple[int, ...]
    partial: tuple[int, ...]
    failed: tuple[int, ...]
    stopped: tuple[int, ...]


class DashboardCharts(Struct, frozen=True, kw_only=True):
    """Three charts with a value a bucket.

    Attributes:
        since: where the first bucket begins, a whole multiple of `bucket_s` since 1970.
        throughput: of the five tasks that moved most rows, then of all others if there are any.
        lag_s: the worst lag of all streaming tables in each bucket, null where none streamed.
    """

    since: datetime
    bucket_s: int
    buckets: int
    throughput: tuple[TaskCurve, ...]
    lag_s: tuple[float | None, ...]
    runs: EndedRuns


class _Grid(Struct, frozen=True):
    """Buckets of equal length, the first at `first * bucket_s` since 1970."""

    first: int
    bucket_s: int
    count: int

    @property
    def since_s(self) -> int:
        return self.first * self.bucket_s

    @property
    def until_s(self) -> int:
        return (self.first + self.count) * self.bucket_s

    @property
    def since(self) -> datetime:
        return datetime.fromtimestamp(self.since_s, UTC)

    @property
    def until(self) -> datetime:
        return datetime.fromtimestamp(self.until_s, UTC)


class ChartService:
    """Reads the charts."""

    def __init__(
        self, charts: ChartRepository, metrics: MetricsRepository, now: Callable[[], datetime]
    ) -> None:
        self._charts = charts
        self._metrics = metrics
        self._now = now

    async def read(
        self, *, since: datetime | None, until: datetime | None, points: int
    ) -> DashboardCharts:
        """Return the charts in at most `points` buckets.

        Args:
            since: by default 15 minutes before `until`, which is now by default.

        Raises:
            ValidationFailedError: nothing, or over a year, between the two moments.
        """
        until = until or self._now()
        since = since or until - timedelta(minutes=15)
        grid = _grid(since, until, points)
        lags = await self._metrics.buckets(
            [_LAG], since=grid.since, until=grid.until, bucket_s=grid.bucket_s
        )
        worst = {int(b.at.timestamp()) // grid.bucket_s - grid.first: b.most for b in lags}
        return DashboardCharts(
            since=grid.since,
            bucket_s=grid.bucket_s,
            buckets=grid.count,
            throughput=_curves(
                await self._charts.sums(grid.since_s, grid.until_s, grid.bucket_s), grid
            ),
            lag_s=tuple(worst.get(i) for i in range(grid.count)),
            runs=await self._runs(grid),
        )

    async def tasks_at_work(self, since: datetime, until: datetime) -> Sequence[TaskId]:
        """Return the tasks an execution of which ran at some moment of `since <= at < until`."""
        return await self._charts.tasks_at_work(since, until)

    async def _runs(self, grid: _Grid) -> EndedRuns:
        counts = {status: [0] * grid.count for status in ExecutionStatus}
        for one in await self._charts.ended(grid.since, grid.until, grid.bucket_s):
            counts[one.status][one.bucket - grid.first] = one.count
        return EndedRuns(
            completed=tuple(counts[ExecutionStatus.COMPLETED]),
            partial=tuple(counts[ExecutionStatus.PARTIAL]),
            failed=tuple(counts[ExecutionStatus.FAILED]),
            stopped=tuple(counts[ExecutionStatus.STOPPED]),
        )


def _grid(since: datetime, until: datetime, points: int) -> _Grid:
    length_s = (until - since).total_seconds()
    if length_s <= 0 or until - since > _LONGEST:
        raise ValidationFailedError(
            "since must lie before until, by a year at most.",
            hint="Ask for less time.",
            field="$.since",
        )
    # One more bucket than the time is long: both ends lie within one.
    bucket_s = bucket_length_s(since, until, max(1, points - 1), least_s=TASK_SAMPLE_S)
    first = int(since.timestamp()) // bucket_s
    return _Grid(first, bucket_s, int(until.timestamp()) // bucket_s - first + 1)


def _curves(sums: Sequence[TaskSum], grid: _Grid) -> tuple[TaskCurve, ...]:
    return tuple(
        _curve(place, tuple(found), grid) for place, found in groupby(sums, lambda one: one.place)
    )


def _curve(place: int, found: Sequence[TaskSum], grid: _Grid) -> TaskCurve:
    """Return one curve. A task that rests has no samples: sums, not means."""
    share = TASK_SAMPLE_S / grid.bucket_s
    rows, mb = [0.0] * grid.count, [0.0] * grid.count
    for one in found:
        rows[one.bucket - grid.first] = round(one.rows * share, 1)
        mb[one.bucket - grid.first] = round(one.mb * share, 3)
    named = place <= NAMED
    return TaskCurve(
        task_id=found[0].task_id if named else None,
        name=found[0].task_name or None if named else None,
        rows_s=tuple(rows),
        mb_s=tuple(mb),
    )
