"""Rehearses a rule that is not stored yet over the days gone by."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from dtaas.model.alerts import AlertKind, AlertRuleSpec
from dtaas.services.alerting.rehearsal import SERIES, Firing, Past, rehearse, unknown
from dtaas.services.alerting.rules import WINDOW
from dtaas.services.every_task import every_task
from dtaas.store.alert_past import MOST, AlertPastRepository
from dtaas.store.metrics import MetricBucket, MetricsRepository
from dtaas.store.rollups import LEVELS_S
from dtaas.store.tasks import TaskFilter, TaskRepository

MOST_DAYS: Final = 30
_SHOWN: Final = 50
_BUCKETS: Final = 5_000
_LEAST_BUCKET_S: Final = 60
_DAY_S: Final = 86_400
_WORST: Final = "Of the worst task: with several late at once it would fire for each."
_NOTES: Final = {
    AlertKind.LAG: _WORST,
    AlertKind.RETENTION_MARGIN: _WORST,
    AlertKind.CONNECTION_FAILED: "Of executions: how tests of connectors ended is not kept.",
}


class Rehearsal(Struct, frozen=True, kw_only=True):
    """What a rule would have found.

    Attributes:
        note: what the answer leaves out, or why there is none; '' when it is whole.
        known: whether anything could be said; `times` is 0 otherwise.
        times: how often it would have fired.
        firings: the latest of them, by time.
    """

    since: datetime
    until: datetime
    known: bool
    note: str
    times: int
    firings: tuple[Firing, ...] = ()


class RehearsalService:
    """Reads what is kept and looks at it as the rule would have."""

    def __init__(
        self,
        *,
        tasks: TaskRepository,
        past: AlertPastRepository,
        metrics: MetricsRepository,
        now: Callable[[], datetime],
    ) -> None:
        self._tasks = tasks
        self._past = past
        self._metrics = metrics
        self._now = now

    async def rehearse(self, spec: AlertRuleSpec, days: int) -> Rehearsal:
        """Return what a rule would have found in the latest days."""
        until = self._now()
        since = until - timedelta(days=days)
        if why := unknown(spec):
            return Rehearsal(since=since, until=until, known=False, note=why, times=0)
        # What had begun before must not count as begun within.
        earliest = since - max(WINDOW, timedelta(hours=min(spec.threshold or 0, 24.0 * MOST_DAYS)))
        executions = await self._past.executions(earliest, spec.task_id)
        note = _NOTES.get(spec.kind, "")
        if len(executions) == MOST:
            since = max(since, executions[0].at)
            note = f"Of the latest {MOST:,} executions only."
        bucket_s = max(_LEAST_BUCKET_S, -(-days * _DAY_S // _BUCKETS))
        if bucket_s > LEVELS_S[0]:  # what is summed up is read at once
            bucket_s = -(-bucket_s // LEVELS_S[0]) * LEVELS_S[0]
        past = Past(
            since=since,
            until=until,
            tasks={task.id: task for task in await every_task(self._tasks, TaskFilter())},
            executions=executions,
            changes=await self._past.changes(earliest),
            figure=await self._figure(spec, since, until, bucket_s),
            bucket_s=bucket_s,
        )
        firings = rehearse(spec, past)
        return Rehearsal(
            since=since,
            until=until,
            known=True,
            note=note,
            times=len(firings),
            firings=tuple(firings[-_SHOWN:]),
        )

    async def _figure(
        self, spec: AlertRuleSpec, since: datetime, until: datetime, bucket_s: int
    ) -> tuple[MetricBucket, ...]:
        name = SERIES.get(spec.kind)
        if name is None:
            return ()
        return await self._metrics.buckets([name], since=since, until=until, bucket_s=bucket_s)
