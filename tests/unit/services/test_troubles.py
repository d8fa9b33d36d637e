from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dtaas.model.execution import ExecutionProgress, ExecutionStatus, TablePhase, TableProgress
from dtaas.model.ids import ExecutionId, TaskId
from dtaas.model.schema import TableRef
from dtaas.services.troubles import Trouble, TroubleFinder, TroubleKind
from tests.fakes.services_at_work import ORDERS, AtWork

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Watched:
    """A machine and its streams, as a test wants them."""

    def __init__(self, work: AtWork) -> None:
        self.now = NOW
        self.streams: list[ExecutionProgress] = []
        self.percent: Mapping[str, float] = {"disk": 85.0}
        self.finder = TroubleFinder(
            tasks=work.store.tasks,
            connectors=work.store.connectors,
            drift=work.store.schema_history,
            runner=self,  # type: ignore[arg-type] - all it asks of one is below
            measure=lambda: self.percent,
            now=lambda: self.now,
        )

    def running(self) -> Sequence[ExecutionProgress]:
        return self.streams

    async def told(self) -> list[tuple[TroubleKind, int]]:
        return [(one.kind, one.id) for one in await self.finder.find()]

    async def only(self) -> Trouble:
        (one,) = await self.finder.find()
        return one


def stream(task_id: TaskId, *, rows_s: float = 0.0, mb_s: float = 0.0, **last: Any) -> Any:
    return ExecutionProgress(
        task_id=task_id, execution_id=ExecutionId(1), status=ExecutionStatus.RUNNING, rows_done=0,
        rows_total=None, bytes=0, written_bytes=0, rows_s=rows_s, mb_s=mb_s, eta_s=None,
        percent=0.0, elapsed_s=0.0,
        tables=(
            TableProgress(table=TableRef("dbo", "calm"), phase=TablePhase.STREAMING, lag_s=0.0),
            TableProgress(table=ORDERS, phase=TablePhase.STREAMING, **last),
        ),
    )  # fmt: skip


@pytest.fixture
def watched(work: AtWork) -> Watched:
    return Watched(work)


async def test_a_stream_lags_from_a_minute_on_since_it_was_first_seen(
    watched: Watched, work: AtWork
):
    task = await work.task()
    watched.streams = [stream(task.id, lag_s=60.0)]
    assert await watched.told() == []
    watched.streams = [stream(task.id, lag_s=61.0)]
    assert (await watched.only()).since == NOW
    watched.now = NOW + timedelta(minutes=5)
    late = await watched.only()
    assert (late.kind, late.name, late.since) == (
        TroubleKind.TASK_LAGGING, task.spec.name, NOW,
    )  # fmt: skip
    assert late.detail == f"{ORDERS} is 61 s behind."
    watched.streams = []
    assert await watched.told() == []
    watched.streams = [stream(task.id, lag_s=99.0)]
    assert (await watched.only()).since == watched.now


async def test_changes_at_risk_are_worse_than_a_lag_and_a_full_disk_comes_last(
    watched: Watched, work: AtWork
):
    late, warned = await work.task(), await work.task()
    watched.percent = {"disk": 86.0}
    watched.streams = [
        stream(late.id, lag_s=900.0),
        stream(warned.id, lag_s=900.0, warning="The capture job is stopped."),
        stream(TaskId(404), lag_s=900.0),
    ]
    assert await watched.told() == [
        (TroubleKind.CHANGES_AT_RISK, warned.id),
        (TroubleKind.TASK_LAGGING, late.id),
        (TroubleKind.DISK_FULL, 0),
    ]
    first, *_, disk = await watched.finder.find()
    assert first.detail == f"{ORDERS}: The capture job is stopped."
    assert disk.detail == "The disk of the data folder is 86 % full."
