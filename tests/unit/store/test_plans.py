"""How much of the store the page's questions read, and by which way SQLite goes to it."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from dtaas.services.charts import ChartService
from dtaas.services.history import HistoryService
from dtaas.store.rollups import LEVELS_S, bucket_length_s
from dtaas.store.store import Store
from tests.contract.store_samples import Clock, spec
from tests.contract.stored import connect

BY_KEY = "SEARCH metric_rollups USING PRIMARY KEY (level_s=? AND metric_name=? AND bucket>? AND bucket<?)"
BY_NAME = (
    "SEARCH system_metrics USING INDEX ix_system_metrics_metric_name_recorded_at"
    " (metric_name=? AND recorded_at>? AND recorded_at<?)"
)
BY_END = "SEARCH task_executions USING INDEX ix_task_executions_completed_at (completed_at>? AND completed_at<?)"


@given(
    hours=st.floats(0.01, 366 * 24),
    points=st.integers(1, 1000),
    least_s=st.sampled_from((10, 30)),
)
def test_a_chart_reads_few_rows_of_a_curve(hours: float, points: int, least_s: int) -> None:
    until = datetime.fromisoformat("2026-03-01T12:00:00Z")
    since = until - timedelta(hours=hours)
    bucket_s = bucket_length_s(since, until, points, least_s=least_s)
    length_s = (until - since).total_seconds()
    assert length_s <= bucket_s * points + 1
    level_s = max((one for one in LEVELS_S if bucket_s % one == 0), default=least_s)
    if length_s <= 3 * 3600:
        assert length_s / level_s <= 3 * 3600 / least_s
    else:
        assert level_s in LEVELS_S
        assert length_s / level_s <= max(4 * points + 1, 366 * 6 if level_s == LEVELS_S[-1] else 0)


@pytest.fixture
def plans(store: Store) -> Iterator[list[str]]:
    """How SQLite goes to the tables of each query made."""
    found: list[str] = []
    file = store.database.place.file
    assert file is not None

    def note(_c: object, _k: object, statement: str, given: Sequence[object], *_: object) -> None:
        with closing(sqlite3.connect(file)) as link:
            rows = link.execute(f"EXPLAIN QUERY PLAN {statement}", given).fetchall()
        tables = ("metric_rollups", "system_metrics", "task_executions")
        found.extend(row[3] for row in rows if any(table in row[3] for table in tables))

    engine = store.database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


async def test_long_charts_seek_the_sums_and_short_ones_the_samples(
    store: Store, clock: Clock, plans: list[str]
) -> None:
    charts = ChartService(store.charts, store.metrics, clock)
    for hours, way in ((1, BY_NAME), (24, BY_KEY), (168, BY_KEY), (720, BY_KEY)):
        plans.clear()
        await charts.read(since=clock.now - timedelta(hours=hours), until=None, points=300)
        assert plans == [way, way, BY_END]
    plans.clear()
    history = HistoryService(store.metrics, clock)
    await history.read((), since=clock.now - timedelta(days=30), until=None, points=300)
    assert plans == [BY_KEY]


async def test_executions_are_sought_by_when_they_ended_or_by_their_task(
    store: Store, clock: Clock, plans: list[str]
) -> None:
    by_end = "SEARCH task_executions USING INDEX ix_task_executions_completed_at"
    ended_or_running = [f"{by_end} (completed_at>?)", f"{by_end} (completed_at=?)"]
    await store.dashboard.figures()
    assert plans == ended_or_running
    plans.clear()
    await store.charts.tasks_at_work(clock.now - timedelta(hours=9), clock.now - timedelta(hours=8))
    assert plans == ended_or_running
    source, target = await connect(store)
    where = {"source_connector_id": source.id, "destination_connector_id": target.id}
    await store.tasks.create(spec("t", **where))
    plans.clear()
    await store.executions.newest_of_each(14)
    by_task = "USING {}INDEX ix_task_executions_task_id_id (task_id=?{})"
    assert plans == [
        f"SEARCH older {by_task.format('COVERING ', '')}",
        f"SEARCH task_executions {by_task.format('', ' AND id>?')}",
    ]
    plans.clear()
    await store.alert_facts.read(clock.now - timedelta(hours=1))
    assert all(
        "INTEGER PRIMARY KEY" in plan or "ix_task_executions_task_id_id" in plan
        for plan in plans[:-1]
    )
    assert plans[-1] == f"{by_end} (completed_at>?)"
    assert not any(plan.startswith("SCAN") for plan in plans)
