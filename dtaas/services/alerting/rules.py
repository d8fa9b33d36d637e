"""What each kind of rule sees. Pure: the situation is given, the findings are returned."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from dtaas.concurrency.figures import Figure, Reading
from dtaas.model.alerts import AlertKind, AlertRule, Finding
from dtaas.model.connectors import Connector, TestStatus
from dtaas.model.execution import ExecutionStatus
from dtaas.model.ids import TaskId
from dtaas.model.task import Task, TaskStatus
from dtaas.store.alert_facts import AlertFacts, ExecutionCounts

WINDOW: Final = timedelta(hours=24)
FEWEST_EXECUTIONS: Final = 5
"""Below this many, one failure would be a rate of its own."""
_HOUR_S: Final = 3600.0
CONNECTION_CODES: Final = frozenset(
    {
        "connection_lost",
        "authentication_failed",
        "host_not_found",
        "certificate",
        "destination_unavailable",
        "timed_out",
    }
)


class Situation(Struct, frozen=True, kw_only=True):
    """All that rules look at, of one moment.

    Attributes:
        resources: how full something of the machine is, in percent, by its name.
    """

    now: datetime
    tasks: Mapping[TaskId, Task]
    connectors: Sequence[Connector]
    facts: AlertFacts
    readings: Sequence[Reading]
    resources: Mapping[str, float]


def findings(rule: AlertRule, situation: Situation) -> list[Finding]:
    """Return what a rule sees, each thing once."""
    tasks = _tasks(rule, situation)
    return list(_LOOKS[rule.spec.kind](rule, situation, tasks))


def _tasks(rule: AlertRule, situation: Situation) -> list[Task]:
    wanted = rule.spec.task_id
    return [task for task in situation.tasks.values() if wanted in {None, task.id}]


def _ended_as(status: ExecutionStatus, title: str) -> Callable[..., Iterator[Finding]]:
    def look(rule: AlertRule, situation: Situation, tasks: Sequence[Task]) -> Iterator[Finding]:
        del rule
        for task in tasks:
            latest = situation.facts.latest.get(task.id)
            if latest is not None and latest.status is status:
                yield _about(task, title, latest.error_message or "", str(latest.id))

    return look


def _error_rate(rule: AlertRule, situation: Situation, tasks: Sequence[Task]) -> Iterator[Finding]:
    nothing = ExecutionCounts(ended=0, bad=0)
    for task in tasks:
        counts = situation.facts.counts.get(task.id, nothing)
        if counts.ended < FEWEST_EXECUTIONS:
            continue
        percent = 100 * counts.bad / counts.ended
        if percent > rule.limit:
            yield _about(
                task,
                "Many executions fail",
                f"{counts.bad} of {counts.ended} executions of the last 24 hours"
                f" ({percent:.0f} %) did not complete.",
            )


def _figure(
    figure: Figure,
    title: str,
    say: Callable[[Reading], str],
    *,
    below: bool = False,
    per: float = 1,
) -> Callable[..., Iterator[Finding]]:
    """Return a look at the worst table of each task."""

    def look(rule: AlertRule, situation: Situation, tasks: Sequence[Task]) -> Iterator[Finding]:
        for task in tasks:
            readings = [
                r for r in situation.readings if r.figure is figure and r.task_id == task.id
            ]
            if not readings:
                continue
            worst = sorted(readings, key=lambda r: r.value, reverse=not below)[0]
            limit = rule.limit * per
            if (worst.value < limit) if below else (worst.value > limit):
                yield _about(task, title, say(worst))

    return look


def _resources(rule: AlertRule, situation: Situation, tasks: Sequence[Task]) -> Iterator[Finding]:
    del tasks
    for name, percent in situation.resources.items():
        if percent > rule.limit:
            yield Finding(
                fingerprint=f"resource:{name}",
                title=f"{name.capitalize()} runs out",
                detail=f"{percent:.0f} % of {name} is in use.",
            )


def _connection_failed(
    rule: AlertRule, situation: Situation, tasks: Sequence[Task]
) -> Iterator[Finding]:
    del rule
    for connector in situation.connectors:
        if connector.is_active and connector.test_status is TestStatus.FAILED:
            steps = connector.test_report.steps if connector.test_report else ()
            bad = next((step for step in steps if step.code is not None), None)
            yield Finding(
                fingerprint=f"connector:{connector.id}",
                title=f"Connector {connector.name!r} cannot connect",
                detail=bad.detail if bad else "Its last test failed.",
            )
    for task in tasks:
        trying = task.status in {TaskStatus.RETRYING, TaskStatus.FAILED}
        if trying and task.last_error_code in CONNECTION_CODES:
            yield _about(task, "A connection fails", task.last_error or "")


def _drift(rule: AlertRule, situation: Situation, tasks: Sequence[Task]) -> Iterator[Finding]:
    del rule
    for task in tasks:
        change = situation.facts.drift.get(task.id)
        if change is not None:
            what = f"{change.table}: {change.kind} {change.column or ''}".strip()
            said = f"{what} is {change.state}. {change.note}".strip()
            yield _about(task, "The columns of a source table changed", said, f"change {change.id}")
            continue
        latest = situation.facts.latest.get(task.id)
        if latest is None:
            continue
        if latest.schema_changes_detected or latest.error_code == "schema_changed":
            said = latest.error_message or f"{latest.schema_changes_detected} changes were found."
            yield _about(task, "The columns of a source table changed", said, str(latest.id))


def _no_success(rule: AlertRule, situation: Situation, tasks: Sequence[Task]) -> Iterator[Finding]:
    for task in tasks:
        if not task.spec.is_active or task.status in {TaskStatus.DRAFT, TaskStatus.STREAMING}:
            continue
        since = situation.facts.succeeded_at.get(task.id)
        began = since or task.created_at
        if situation.now - began <= timedelta(hours=rule.limit):
            continue
        hours = (situation.now - began).total_seconds() / _HOUR_S
        ever = f"The last one completed {hours:.0f} hours ago."
        yield _about(task, "No execution completed", ever if since else "None ever completed.")


def _about(task: Task, title: str, detail: str, mark: str = "") -> Finding:
    return Finding(
        fingerprint=f"task:{task.id}",
        title=f"{task.spec.name}: {title}",
        detail=detail,
        task_id=task.id,
        mark=mark,
    )


_LOOKS: Final[Mapping[AlertKind, Callable[..., Iterator[Finding]]]] = {
    AlertKind.EXECUTION_FAILED: _ended_as(ExecutionStatus.FAILED, "The execution failed"),
    AlertKind.EXECUTION_PARTIAL: _ended_as(ExecutionStatus.PARTIAL, "Tables were left out"),
    AlertKind.ERROR_RATE: _error_rate,
    AlertKind.BACKLOG: _figure(
        Figure.BACKLOG_ROWS, "Many changes wait", lambda r: f"{r.value:,.0f} rows of {r.table}."
    ),
    AlertKind.LAG: _figure(
        Figure.LAG_S, "Changes arrive late", lambda r: f"{r.table} is {r.value:,.0f} s behind."
    ),
    AlertKind.RETENTION_MARGIN: _figure(
        Figure.RETENTION_MARGIN_S,
        "The source will soon drop changes that are needed",
        lambda r: f"Changes of {r.table} are kept for {r.value / _HOUR_S:.1f} more hours.",
        below=True,
        per=_HOUR_S,
    ),
    AlertKind.RESOURCES: _resources,
    AlertKind.CONNECTION_FAILED: _connection_failed,
    AlertKind.DRIFT: _drift,
    AlertKind.NO_SUCCESS: _no_success,
}
