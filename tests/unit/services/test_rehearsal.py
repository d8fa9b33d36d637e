"""What rules would have found: timelines drawn by hand, and once over a real store."""

from datetime import UTC, datetime, timedelta

import pytest

from dtaas.model.alerts import AlertKind, AlertRuleSpec
from dtaas.model.errors import SourceQueryError
from dtaas.model.execution import ExecutionStatus
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.schema import TableRef
from dtaas.model.task import DesiredState, Task, TaskAction, TaskSpec, TaskStatus
from dtaas.services.alerting.rehearsal import Firing, Past, rehearse
from dtaas.store.alert_past import EndedExecution, SeenChange
from dtaas.store.metrics import MetricBucket
from tests.fakes.services_at_work import ORDERS, AtWork

NOW = datetime(2026, 5, 8, tzinfo=UTC)
FAILED, PARTIAL, DONE = ExecutionStatus.FAILED, ExecutionStatus.PARTIAL, ExecutionStatus.COMPLETED
ONE, OTHER = TaskId(1), TaskId(2)


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def task(number: TaskId = ONE, **changed: object) -> Task:
    spec = TaskSpec(
        name=f"task {number}",
        source_connector_id=ConnectorId(1),
        destination_connector_id=ConnectorId(2),
        source_tables=(TableRef("dbo", "t"),),
    )
    fields = {"status": TaskStatus.IDLE, "created_at": ago(1000)} | changed
    return Task(
        id=number,
        spec=spec,
        desired=DesiredState.STOPPED,
        current_progress_percent=0,
        updated_at=NOW,
        **fields,  # type: ignore[arg-type]
    )


def ended(
    hours: float, status: ExecutionStatus, number: TaskId = ONE, **changed: object
) -> EndedExecution:
    fields = {"error_code": None, "schema_changes": 0} | changed
    return EndedExecution(task_id=number, at=ago(hours), status=status, **fields)  # type: ignore[arg-type]


def past(*executions: EndedExecution, **changed: object) -> Past:
    fields = {
        "since": ago(168),
        "until": NOW,
        "tasks": {ONE: task(), OTHER: task(OTHER)},
        "executions": executions,
        "changes": (),
        "figure": (),
        "bucket_s": 3600,
    }
    return Past(**fields | changed)  # type: ignore[arg-type]


def found(kind: AlertKind, what: Past, **changed: object) -> list[tuple[float, float | None]]:
    """Return from how many hours ago to how many hours ago it would have fired."""
    spec = AlertRuleSpec(name="r", kind=kind, **changed)  # type: ignore[arg-type]
    return [hours(one) for one in rehearse(spec, what)]


def hours(one: Firing) -> tuple[float, float | None]:
    over = None if one.until is None else (NOW - one.until).total_seconds() / 3600
    return ((NOW - one.at).total_seconds() / 3600, over)


def test_failures_in_a_row_are_one_firing_until_another_end() -> None:
    what = past(
        ended(100, DONE),
        ended(90, FAILED),
        ended(80, FAILED),
        ended(70, PARTIAL),
        ended(10, FAILED),
    )
    assert found(AlertKind.EXECUTION_FAILED, what) == [(90, 70), (10, None)]
    assert found(AlertKind.EXECUTION_PARTIAL, what) == [(70, 10)]


def test_what_is_soon_over_is_not_told_when_the_rule_waits() -> None:
    what = past(ended(90, FAILED), ended(89, DONE), ended(50, FAILED), ended(40, DONE))
    assert found(AlertKind.EXECUTION_FAILED, what, for_seconds=7200) == [(48, 40)]


def test_what_began_before_the_days_looked_at_does_not_count() -> None:
    what = past(ended(180, FAILED), ended(100, DONE))
    assert found(AlertKind.EXECUTION_FAILED, what) == []


def test_a_rule_about_one_task_looks_at_no_other() -> None:
    what = past(ended(20, FAILED, ONE), ended(10, FAILED, OTHER))
    assert found(AlertKind.EXECUTION_FAILED, what, task_id=OTHER) == [(10, None)]
    assert len(found(AlertKind.EXECUTION_FAILED, what)) == 2


def test_a_rate_rises_and_falls_by_the_latest_day() -> None:
    good = [ended(60 - n, DONE) for n in range(3)]
    bad = [ended(50, FAILED), ended(49, FAILED), ended(48, FAILED)]
    # The fifth end makes it a rate: 2 of 5. A day later too few are left.
    assert found(AlertKind.ERROR_RATE, past(*good, *bad), threshold=30) == [(49, 35)]
    assert found(AlertKind.ERROR_RATE, past(*good, *bad), threshold=60) == []


def test_no_success_is_told_after_the_limit_and_is_over_with_the_next() -> None:
    what = past(ended(120, DONE), ended(60, FAILED), ended(50, DONE))
    assert found(AlertKind.NO_SUCCESS, what, threshold=24, task_id=ONE) == [(96, 50), (26, None)]
    asleep = past(tasks={ONE: task(status=TaskStatus.STREAMING)})
    assert found(AlertKind.NO_SUCCESS, asleep, threshold=24) == []


def test_connections_and_changed_columns() -> None:
    what = past(
        ended(30, FAILED, error_code="connection_lost"),
        ended(29, FAILED, error_code="source_query"),
        ended(100, DONE, schema_changes=2),
        changes=(SeenChange(task_id=ONE, at=ago(50)), SeenChange(task_id=ONE, at=ago(49))),
    )
    assert found(AlertKind.CONNECTION_FAILED, what) == [(30, 29)]
    assert [at for at, _ in found(AlertKind.DRIFT, what)] == [100, 50]


def test_figures_count_where_there_are_samples() -> None:
    def bucket(hours: float, value: float) -> MetricBucket:
        return MetricBucket(
            name="x", at=ago(hours), average=value, least=value, most=value, samples=1
        )

    # Late from 10 to 8 hours ago; at 5 hours late again, then nothing ran.
    what = past(figure=[bucket(10, 400), bucket(9, 500), bucket(8, 1), bucket(5, 900)])
    assert found(AlertKind.LAG, what, threshold=300) == [(10, 8), (5, None)]
    gone = past(figure=[bucket(10, 400), bucket(5, 1)])
    assert found(AlertKind.LAG, gone) == [(10, 9)]
    kept = past(figure=[bucket(10, 20), bucket(9, 3), bucket(8, 20)])
    assert found(AlertKind.RETENTION_MARGIN, kept) == [(9, 8)]


async def test_a_real_failure_is_found_and_what_is_not_kept_is_said(work: AtWork) -> None:
    async def fail(_step: str, _table: object) -> None:
        raise SourceQueryError("The query is wrong.")

    made = await work.task(ORDERS)
    work.source.hook = fail
    await work.services.control.act(made.id, TaskAction.START)
    await work.until_task_is(TaskStatus.FAILED)
    look = work.services.rehearsals.rehearse
    told = await look(AlertRuleSpec(name="r", kind=AlertKind.EXECUTION_FAILED), 7)
    assert (told.known, told.times, told.note) == (True, 1, "")
    assert told.firings[0].task_id == made.id
    assert told.firings[0].until is None
    assert told.until - told.since == timedelta(days=7)
    none = await look(AlertRuleSpec(name="r", kind=AlertKind.LAG), 7)
    assert (none.known, none.times) == (True, 0)
    assert none.note.startswith("Of the worst task")


@pytest.mark.parametrize(
    ("kind", "task_id"),
    [(AlertKind.BACKLOG, None), (AlertKind.RESOURCES, None), (AlertKind.LAG, 1)],
)
async def test_what_cannot_be_known_is_not_said_to_be_nothing(
    work: AtWork, kind: AlertKind, task_id: TaskId | None
) -> None:
    told = await work.services.rehearsals.rehearse(
        AlertRuleSpec(name="r", kind=kind, task_id=task_id), 7
    )
    assert (told.known, told.times) == (False, 0)
    assert "kept" in told.note
