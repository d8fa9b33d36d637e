"""What a rule would have found in days gone by. Pure: the past is given, the firings are returned.

A rule fires when what it looks for begins to be so; what goes on is one firing, however long.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final, TypeVar

from msgspec import Struct

from dtaas.model.alerts import KINDS, AlertKind, AlertRuleSpec
from dtaas.model.execution import ExecutionStatus
from dtaas.model.ids import TaskId
from dtaas.model.task import Task, TaskStatus
from dtaas.services.alerting.rules import CONNECTION_CODES, FEWEST_EXECUTIONS, WINDOW
from dtaas.store.alert_past import EndedExecution, SeenChange
from dtaas.store.metrics import MetricBucket

SERIES: Final[Mapping[AlertKind, str]] = {
    AlertKind.LAG: "replication_lag_s",
    AlertKind.RETENTION_MARGIN: "retention_margin_h",
}
"""Kinds that look at a figure of which samples are kept: of the worst task only."""
_BAD: Final = (ExecutionStatus.FAILED, ExecutionStatus.PARTIAL)
T = TypeVar("T", EndedExecution, SeenChange)
Point = tuple[datetime, bool]
"""From a moment on it is so, or is not."""


class Firing(Struct, frozen=True, kw_only=True):
    """What would have been told. Without `until` it would still be so."""

    title: str
    task_id: TaskId | None
    at: datetime
    until: datetime | None


class Past(Struct, frozen=True, kw_only=True):
    """What is known of the days looked at; by time, from a day and the rule's limit before `since`.

    Attributes:
        bucket_s: length of a bucket of `figure` in seconds.
    """

    since: datetime
    until: datetime
    tasks: Mapping[TaskId, Task]
    executions: Sequence[EndedExecution]
    changes: Sequence[SeenChange]
    figure: Sequence[MetricBucket]
    bucket_s: int


def unknown(spec: AlertRuleSpec) -> str:
    """Return why nothing can be said of such a rule, '' when something can."""
    match spec.kind:
        case AlertKind.BACKLOG | AlertKind.RESOURCES:
            return "What it looks at is not kept, so nothing can be said of days gone by."
        case AlertKind.LAG | AlertKind.RETENTION_MARGIN if spec.task_id is not None:
            return "Only the figure of the worst task is kept, not that of each."
        case _:
            return ""


def rehearse(spec: AlertRuleSpec, past: Past) -> list[Firing]:
    """Return when a rule would have fired, by time."""
    found: list[Firing] = []
    for title, task_id, points in _timelines(spec, past):
        for at, until in _spans(points, timedelta(seconds=spec.for_seconds), past.until):
            if at >= past.since:
                found.append(Firing(title=title, task_id=task_id, at=at, until=until))
    return sorted(found, key=lambda one: one.at)


def _timelines(
    spec: AlertRuleSpec, past: Past
) -> Iterator[tuple[str, TaskId | None, Iterable[Point]]]:
    """Return when it was so, of each thing the rule looks at."""
    title = KINDS[spec.kind].title
    if spec.kind in SERIES:
        yield title, None, _figure(spec, past)
        return
    ended, changed = _by_task(past.executions), _by_task(past.changes)
    for task_id, task in past.tasks.items():
        if spec.task_id in {None, task_id}:
            points = _of_task(spec, task, ended[task_id], changed[task_id], past.until)
            yield f"{task.spec.name}: {title}", task_id, points


def _of_task(
    spec: AlertRuleSpec,
    task: Task,
    ended: Sequence[EndedExecution],
    changed: Sequence[SeenChange],
    now: datetime,
) -> Iterable[Point]:
    match spec.kind:
        case AlertKind.EXECUTION_FAILED:
            return [(one.at, one.status is ExecutionStatus.FAILED) for one in ended]
        case AlertKind.EXECUTION_PARTIAL:
            return [(one.at, one.status is ExecutionStatus.PARTIAL) for one in ended]
        case AlertKind.CONNECTION_FAILED:
            return [(one.at, one.error_code in CONNECTION_CODES) for one in ended]
        case AlertKind.DRIFT:
            return _drift(ended, changed)
        case AlertKind.ERROR_RATE:
            return _error_rate(_limit(spec), ended, now)
        case _:
            return _no_success(_limit(spec), task, ended, now)


def _drift(ended: Sequence[EndedExecution], changed: Sequence[SeenChange]) -> list[Point]:
    """Each change is one of its own: it was told of for a day at least."""
    points = [(one.at, True) for one in changed]
    points += [(one.at, True) for one in ended if one.schema_changes]
    return sorted(points + [(at + WINDOW, False) for at, _ in points])


def _error_rate(limit: float, ended: Sequence[EndedExecution], now: datetime) -> list[Point]:
    ends = [one.at for one in ended if one.status in {*_BAD, ExecutionStatus.COMPLETED}]
    marks = [
        one.status in _BAD for one in ended if one.status in {*_BAD, ExecutionStatus.COMPLETED}
    ]
    bad = [0, *accumulate(int(mark) for mark in marks)]

    def high(at: datetime) -> bool:
        low, top = bisect_right(ends, at - WINDOW), bisect_right(ends, at)
        count = top - low
        return count >= FEWEST_EXECUTIONS and 100 * (bad[top] - bad[low]) / count > limit

    moments = sorted({*ends, *(at + WINDOW for at in ends if at + WINDOW <= now)})
    return [(at, high(at)) for at in moments]


def _no_success(
    limit_h: float, task: Task, ended: Sequence[EndedExecution], now: datetime
) -> list[Point]:
    if not task.spec.is_active or task.status in {TaskStatus.DRAFT, TaskStatus.STREAMING}:
        return []
    good = [one.at for one in ended if one.status is ExecutionStatus.COMPLETED]
    starts = [task.created_at, *good]
    late = [at + timedelta(hours=limit_h) for at in starts]
    points: list[Point] = []
    for at, (moment, after) in enumerate(zip(late, [*good, now], strict=True)):
        if moment < after:
            points.append((moment, True))
        if at < len(good):
            points.append((good[at], False))
    return points


def _figure(spec: AlertRuleSpec, past: Past) -> list[Point]:
    """Return a timeline of samples; where there are none nothing ran, so nothing was late."""
    limit, length = _limit(spec), timedelta(seconds=past.bucket_s)
    points: list[Point] = []
    for bucket in past.figure:
        below = spec.kind is AlertKind.RETENTION_MARGIN
        points.append((bucket.at, bucket.least < limit if below else bucket.most > limit))
    gaps = [
        (one.at + length, False)
        for one, after in zip(past.figure, past.figure[1:], strict=False)
        if after.at - one.at > length
    ]
    return sorted(points + gaps, key=lambda point: point[0])


def _spans(
    points: Iterable[Point], wait: timedelta, now: datetime
) -> Iterator[tuple[datetime, datetime | None]]:
    """Return from when to when it was told, of everything that lasted long enough."""
    began: datetime | None = None
    for at, so in points:
        if so and began is None:
            began = at
        elif not so and began is not None:
            if at - began >= wait:
                yield began + wait, at
            began = None
    if began is not None and now - began >= wait:
        yield began + wait, None


def _limit(spec: AlertRuleSpec) -> float:
    return KINDS[spec.kind].default if spec.threshold is None else spec.threshold


def _by_task(found: Sequence[T]) -> defaultdict[TaskId, list[T]]:
    grouped: defaultdict[TaskId, list[T]] = defaultdict(list)
    for one in found:
        grouped[one.task_id].append(one)
    return grouped
