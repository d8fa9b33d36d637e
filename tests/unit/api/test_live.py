"""The law of the live topics: the last snapshot and the messages after it are the present."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from dtaas.api.live import Due, TasksTopic, TaskTopic
from dtaas.model.events import (
    ConnectorChanged,
    Event,
    ExecutionChanged,
    ProgressMade,
    TaskChanged,
    TaskRemoved,
)
from dtaas.model.execution import (
    Execution,
    ExecutionProgress,
    ExecutionStatus,
    ExecutionType,
    TablePhase,
    TableProgress,
)
from dtaas.model.ids import ConnectorId, ExecutionId, TaskId
from dtaas.model.schema import TableRef
from dtaas.model.task import ACTIVE_STATUSES, DesiredState, Task, TaskSpec, TaskStatus
from tests.fakes.live_copy import LiveCopy

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TABLES = tuple(TableRef("dbo", name) for name in "abc")
IDS = st.integers(1, 4)


def task(task_id: int, status: TaskStatus = TaskStatus.RUNNING, version: int = 0) -> Task:
    return Task(
        id=TaskId(task_id),
        spec=TaskSpec(
            name=f"task {task_id}",
            source_connector_id=ConnectorId(1),
            destination_connector_id=ConnectorId(2),
            source_tables=TABLES,
        ),
        status=status,
        desired=DesiredState.RUNNING,
        current_progress_percent=0.0,
        created_at=NOW,
        updated_at=NOW + timedelta(seconds=version),
    )


def execution(task_id: int, status: ExecutionStatus, execution_id: int = 1) -> Execution:
    return Execution(
        id=ExecutionId(execution_id),
        task_id=TaskId(task_id),
        execution_type=ExecutionType.FULL_LOAD,
        status=status,
        total_rows=None,
        processed_rows=0,
        failed_rows=0,
        progress_percent=0.0,
        rows_per_second=0.0,
        data_size_mb=0.0,
        started_at=NOW,
        created_at=NOW,
    )


def progress(task_id: int, rows: int, execution_id: int = 1) -> ExecutionProgress:
    return ExecutionProgress(
        task_id=TaskId(task_id),
        execution_id=ExecutionId(execution_id),
        status=ExecutionStatus.RUNNING,
        rows_done=rows,
        rows_total=None,
        bytes=rows,
        written_bytes=0,
        rows_s=0.0,
        mb_s=0.0,
        eta_s=None,
        percent=0.0,
        elapsed_s=0.0,
        tables=tuple(
            TableProgress(
                table=table,
                phase=TablePhase.STREAMING if n else TablePhase.LOADING,
                rows_done=rows // (n + 1),
                lag_s=float(rows // (n + 1) * 9) if n else None,
                retention_margin_h=72.0 - rows // (n + 1) if n else None,
                warning="changes will be lost" if n == 2 and rows > 2 else None,
            )
            for n, table in enumerate(TABLES)
        ),
    )


EVENTS = st.one_of(
    st.builds(task, IDS, st.sampled_from(TaskStatus), st.integers(0, 9)).map(
        lambda t: TaskChanged(at=NOW, task=t)
    ),
    IDS.map(lambda i: TaskRemoved(at=NOW, task_id=TaskId(i))),
    st.builds(execution, IDS, st.sampled_from(ExecutionStatus)).map(
        lambda e: ExecutionChanged(at=NOW, execution=e)
    ),
    st.builds(progress, IDS, st.integers(0, 5)).map(lambda p: ProgressMade(at=NOW, progress=p)),
    st.just(ConnectorChanged(at=NOW, connector_id=ConnectorId(1))),
)
STEPS = st.lists(st.one_of(EVENTS, st.sampled_from(["at_once", "figures"])), max_size=40)


def message(seq: int, topic: str, due: Due) -> dict[str, Any]:
    data = msgspec.json.decode(msgspec.json.encode(due.data))
    return {"v": 1, "seq": seq, "topic": topic, "type": due.type.value, "data": data}


def plain(value: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


class Client:
    """Sends what is due to a copy."""

    def __init__(self, name: str, topic: TasksTopic | TaskTopic) -> None:
        self.name = name
        self.topic = topic
        self.copy = LiveCopy()
        self.take("snapshot")

    def take(self, step: str) -> list[Due]:
        match step:
            case "snapshot":
                first = {"type": "snapshot", "data": plain(self.topic.snapshot())}
                self.copy.apply({"v": 1, "seq": 1, "topic": self.name, **first})
                return []
            case "at_once":
                due = list(self.topic.at_once())
            case _:
                due = list(self.topic.figures())
        for one in due:
            self.copy.apply(message(self.copy.seq + 1, self.name, one))
        return due


@given(st.sets(IDS), STEPS)
@settings(deadline=None)
def test_a_copy_of_all_tasks_is_true_once_everything_due_was_sent(known: set[int], steps):
    client = Client("tasks", TasksTopic(map(task, sorted(known)), []))
    told: list[Execution] = []
    for step in [*steps, "at_once", "figures"]:
        if isinstance(step, str):
            client.take(step)
        else:
            client.topic.apply(step)
            told += [step.execution] if isinstance(step, ExecutionChanged) else []
    expected = {live["task"]["id"]: live for live in plain(client.topic.snapshot())["tasks"]}
    assert client.copy.topics["tasks"] == expected
    assert client.copy.executions == plain(told)
    assert expected == replayed(known, [s for s in steps if not isinstance(s, str)])


def replayed(known: set[int], events: list[Event]) -> dict[int, Any]:
    """Return what the events mean, found another way: the last word on each task."""
    picture: dict[int, Any] = {i: {"task": task(i), "progress": None} for i in known}
    for event in events:
        match event:
            case TaskChanged(task=changed):
                kept = picture.get(changed.id, {}).get("progress")
                working = changed.status in ACTIVE_STATUSES
                picture[changed.id] = {"task": changed, "progress": kept if working else None}
            case TaskRemoved(task_id=gone):
                picture.pop(gone, None)
            case ExecutionChanged(execution=one) if one.task_id in picture:
                if one.status is not ExecutionStatus.RUNNING:
                    picture[one.task_id]["progress"] = None
            case ProgressMade(progress=made) if made.task_id in picture:
                picture[made.task_id]["progress"] = made
            case _:
                continue
    topic = TasksTopic([p["task"] for p in picture.values()], [])
    tasks = {live["task"]["id"]: live for live in plain(topic.snapshot())["tasks"]}
    for i, p in picture.items():
        if p["progress"] is not None:
            tasks[i]["progress"] = plain(p["progress"]) | of_all_tables(p["progress"])
            del tasks[i]["progress"]["tables"]
    return tasks


def of_all_tables(made: ExecutionProgress) -> dict[str, Any]:
    """Return what the totals say of the worst table: here the second is behind most."""
    _, second, last = made.tables
    return {
        "lag_s": second.lag_s,
        "retention_margin_h": second.retention_margin_h,
        "warning": last.warning and f"dbo.c: {last.warning}",
    }


@given(STEPS)
@settings(deadline=None)
def test_a_copy_of_one_task_is_true_until_the_topic_says_it_is_stale(steps):
    topic = TaskTopic(task(1), execution(1, ExecutionStatus.RUNNING), progress(1, 0), ())
    client = Client("task:1", topic)
    for step in [*steps, "at_once", "figures"]:
        if isinstance(step, str):
            client.take(step)
        else:
            client.topic.apply(step)
        if client.topic.stale or client.copy.topics["task:1"].get("removed"):
            return
    copy = client.copy.topics["task:1"]
    if not copy.pop("removed", False):
        truth = plain(topic.snapshot())
        key = lambda t: t["table"]["name"]  # noqa: E731
        assert sorted(copy.pop("tables"), key=key) == sorted(truth.pop("tables"), key=key)
        assert copy == truth


def test_states_are_due_at_once_and_figures_are_not():
    topic = TasksTopic([task(1)], [])
    topic.apply(ProgressMade(at=NOW, progress=progress(1, 5)))
    assert not topic.at_once()
    assert topic.has_figures()
    topic.apply(TaskChanged(at=NOW, task=task(1, TaskStatus.PAUSING)))
    (due,) = topic.at_once()
    assert plain(due.data)["changed"][0]["progress"]["rows_done"] == 5
    assert not topic.has_figures()  # they went along
    assert not topic.figures()


def test_only_tables_that_moved_are_sent():
    topic = TaskTopic(task(1), execution(1, ExecutionStatus.RUNNING), None, ())
    topic.apply(ProgressMade(at=NOW, progress=progress(1, 1)))
    topic.figures()
    topic.apply(ProgressMade(at=NOW, progress=progress(1, 2)))
    (due,) = topic.figures()
    assert [t["table"]["name"] for t in plain(due.data)["tables"]] == ["a", "b"]


def test_the_end_of_an_execution_makes_a_task_stale():
    topic = TaskTopic(task(1), execution(1, ExecutionStatus.RUNNING), None, ())
    topic.apply(ExecutionChanged(at=NOW, execution=execution(2, ExecutionStatus.COMPLETED)))
    assert not topic.stale
    topic.apply(ExecutionChanged(at=NOW, execution=execution(1, ExecutionStatus.COMPLETED)))
    assert topic.stale


def test_another_execution_makes_a_task_stale():
    topic = TaskTopic(task(1), execution(1, ExecutionStatus.RUNNING), None, ())
    topic.apply(ProgressMade(at=NOW, progress=progress(1, 1, execution_id=2)))
    assert topic.stale
