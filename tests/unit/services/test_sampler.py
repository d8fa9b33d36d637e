from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dtaas.model.ids import TaskId
from dtaas.services.sampler import Sampler
from dtaas.store.charts import TASK_MB, TASK_ROWS
from dtaas.store.metrics import MetricSample
from tests.unit.services.test_troubles import stream

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Runner:
    """What runs, look by look."""

    def __init__(self, *looks: list[tuple[int, float, float]]) -> None:
        self.looks = list(looks)

    def running(self) -> list[Any]:
        return [
            stream(TaskId(i), rows_s=rows_s, mb_s=mb_s) for i, rows_s, mb_s in self.looks.pop(0)
        ]


def test_what_a_task_moves_is_told_every_half_minute_and_nothing_of_rest(tmp_path: Path) -> None:
    runner = Runner(
        [(1, 300.0, 3.0), (2, 0.0, 0.0)], [(1, 600.0, 6.0)], [(3, 30.0, 3.0)], [], [], []
    )
    sampler = Sampler(
        None,  # type: ignore[arg-type] - nothing is stored here
        runner,  # type: ignore[arg-type]
        data_dir=tmp_path,
        now=lambda: NOW,
        take_lag_s=lambda: 0.0,
    )

    def told() -> list[MetricSample]:
        return [one for one in sampler.samples(0.0) if one.task_id is not None]

    assert told() == []
    assert told() == []
    assert told() == [
        MetricSample(name=name, value=value, at=NOW, task_id=TaskId(task_id))
        for task_id, rows, mb in ((1, 300.0, 3.0), (3, 10.0, 1.0))
        for name, value in ((TASK_ROWS, rows), (TASK_MB, mb))
    ]
    assert [told(), told(), told()] == [[], [], []]
