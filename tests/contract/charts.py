"""What every metadata database tells of a time, in buckets."""

from datetime import timedelta

from dtaas.model.execution import ExecutionStatus, ExecutionType
from dtaas.model.ids import TaskId
from dtaas.services.charts import ChartService
from dtaas.store.charts import TASK_MB, TASK_ROWS
from dtaas.store.metrics import MetricSample
from dtaas.store.store import Store
from tests.contract.store_samples import Clock, NewTask, progress

FULL = ExecutionType.FULL_LOAD
GONE = TaskId(9_999)


class ChartsContract:
    async def test_the_busiest_tasks_are_named_and_the_rest_is_one(
        self, store: Store, clock: Clock, new_task: NewTask
    ) -> None:
        start = clock.now.replace(minute=0, second=0, microsecond=0)
        tasks = [await new_task() for _ in range(6)]
        samples = [
            MetricSample(name=TASK_ROWS, value=100.0 * (n + 1), at=start, task_id=task.id)
            for n, task in enumerate(tasks)
        ]
        samples += [
            MetricSample(name=TASK_ROWS, value=5_000.0, at=start, task_id=GONE),
            MetricSample(name=TASK_MB, value=6.0, at=start, task_id=GONE),
            MetricSample(
                name=TASK_ROWS, value=1.0, at=start - timedelta(seconds=1), task_id=tasks[0].id
            ),
            MetricSample(name="rows_per_second", value=9e9, at=start),
        ]
        await store.metrics.record(samples)
        charts = ChartService(store.charts, store.metrics, lambda: start)
        found = await charts.read(since=start, until=start + timedelta(seconds=119), points=3)
        assert (found.since, found.bucket_s, found.buckets) == (start, 60, 2)
        assert [curve.task_id for curve in found.throughput] == [
            GONE, *(task.id for task in reversed(tasks[2:])), None,
        ]  # fmt: skip
        gone, busiest, *_, others = found.throughput
        assert gone.name is None
        assert gone.rows_s == (2500.0, 0.0)  # one sample of half a minute in a minute
        assert gone.mb_s == (3.0, 0.0)
        assert busiest.name == tasks[-1].spec.name
        assert busiest.mb_s == (0.0, 0.0)
        assert others.rows_s == (150.0, 0.0)

    async def test_lags_are_the_worst_and_missing_where_nothing_streamed(
        self, store: Store, clock: Clock
    ) -> None:
        start = clock.now.replace(minute=0, second=0, microsecond=0)
        await store.metrics.record(
            [
                MetricSample(name="replication_lag_s", value=value, at=start + timedelta(seconds=s))
                for value, s in ((1.0, 0), (7.5, 29), (2.0, 65))
            ]
        )
        charts = ChartService(store.charts, store.metrics, lambda: start + timedelta(seconds=65))
        found = await charts.read(since=start, until=None, points=300)
        assert found.bucket_s == 30
        assert found.lag_s == (7.5, None, 2.0)
        assert found.throughput == ()

    async def test_executions_are_counted_where_they_ended_and_found_while_they_ran(
        self, store: Store, clock: Clock, new_task: NewTask
    ) -> None:
        start = clock.now = clock.now.replace(minute=0, second=0, microsecond=0)
        done, running = await new_task(), await new_task()
        for seconds, status in ((30, ExecutionStatus.COMPLETED), (70, ExecutionStatus.FAILED)):
            clock.now = start + timedelta(seconds=seconds)
            execution = await store.engine.begin_execution(done.id, FULL)
            clock.now += timedelta(seconds=20)
            await store.engine.end_execution(execution.id, status, progress(done.id, execution.id))
        await store.engine.begin_execution(running.id, FULL)
        charts = ChartService(store.charts, store.metrics, lambda: clock.now)
        found = await charts.read(since=start, until=start + timedelta(seconds=179), points=4)
        assert found.runs.completed == (1, 0, 0)
        assert found.runs.failed == (0, 1, 0)
        assert found.runs.partial == found.runs.stopped == (0, 0, 0)

        async def at_work(since: int, until: int) -> list[TaskId]:
            begin, end = (start + timedelta(seconds=s) for s in (since, until))
            return list(await charts.tasks_at_work(begin, end))

        assert await at_work(0, 30) == []
        assert await at_work(40, 41) == [done.id]
        assert await at_work(51, 69) == []
        assert await at_work(60, 120) == [done.id, running.id]
        assert await at_work(600, 660) == [running.id]
