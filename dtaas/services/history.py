"""The daemon's own figures over time."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from dtaas.model.errors import ValidationFailedError
from dtaas.store.metrics import MetricsRepository
from dtaas.store.rollups import bucket_length_s

NAMES: Final = (
    "running_tasks",
    "rows_per_second",
    "mb_per_second",
    "memory_mb",
    "memory_peak_mb",
    "cpu_s",
    "host_cpu_percent",
    "event_loop_lag_s",
    "disk_free_mb",
    "replication_lag_s",
    "capture_lag_s",
    "retention_margin_h",
    "credits",
)
"""What is sampled; the last four only while something streams or spends."""
SAMPLE_S: Final = 10
"""Seconds between two samples."""


class HistoryPoint(Struct, frozen=True, kw_only=True):
    """The samples of one stretch of time."""

    at: datetime
    average: float
    least: float
    most: float


class HistorySeries(Struct, frozen=True, kw_only=True):
    """One figure; stretches without a sample are missing."""

    name: str
    points: tuple[HistoryPoint, ...]


class History(Struct, frozen=True, kw_only=True):
    """Figures over time. `bucket_s` is the length of one stretch in seconds."""

    since: datetime
    until: datetime
    bucket_s: int
    series: tuple[HistorySeries, ...]


class HistoryService:
    """Reads the samples."""

    def __init__(self, metrics: MetricsRepository, now: Callable[[], datetime]) -> None:
        self._metrics = metrics
        self._now = now

    async def read(
        self,
        names: Sequence[str],
        *,
        since: datetime | None,
        until: datetime | None,
        points: int,
    ) -> History:
        """Return figures in at most `points` stretches of equal length.

        Args:
            names: of `NAMES`; empty is all.
            since: by default an hour before `until`, which is now by default.

        Raises:
            ValidationFailedError: an unknown name, or nothing between the two moments.
        """
        for index, name in enumerate(names):
            if name not in NAMES:
                raise ValidationFailedError(
                    f"There is no figure {name!r}.",
                    hint=f"There are: {', '.join(NAMES)}.",
                    field=f"$.names[{index}]",
                )
        until = until or self._now()
        since = since or until - timedelta(hours=1)
        if until <= since:
            raise ValidationFailedError(
                "since must lie before until.", hint="Swap them.", field="$.since"
            )
        bucket_s = bucket_length_s(since, until, points, least_s=SAMPLE_S)
        wanted = tuple(dict.fromkeys(names)) or NAMES
        found = await self._metrics.buckets(wanted, since=since, until=until, bucket_s=bucket_s)
        series = tuple(
            HistorySeries(
                name=name,
                points=tuple(
                    HistoryPoint(at=b.at, average=b.average, least=b.least, most=b.most)
                    for b in found
                    if b.name == name
                ),
            )
            for name in wanted
        )
        return History(since=since, until=until, bucket_s=bucket_s, series=series)
