"""What every metadata database sums up of samples: no more and no less than was sampled."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from dtaas.model.ids import TaskId
from dtaas.services.charts import ChartService
from dtaas.services.history import HistoryService
from dtaas.store.charts import NAMED, TASK_MB, TASK_ROWS
from dtaas.store.metric_tables import metric_rollups, system_metrics
from dtaas.store.metrics import MetricBucket, MetricSample
from dtaas.store.rollups import LEVELS_S
from dtaas.store.store import Store
from tests.contract.store_samples import Clock

SPAN_S: Final = 2 * LEVELS_S[-1]
LAG: Final = "replication_lag_s"

sampled = st.tuples(
    st.integers(0, SPAN_S * 10**6 - 1),  # microseconds
    st.integers(0, 1000),
    st.sampled_from([(LAG, None), *((n, TaskId(i)) for n in (TASK_ROWS, TASK_MB) for i in range(1, 9))]),
)  # fmt: skip


async def forget_samples(store: Store) -> None:
    """Leave only what was summed up."""
    await store.database.write(lambda c: c.execute(delete(system_metrics)))


async def sums(store: Store, start: datetime, bucket_s: int, shown_s: int) -> Counter[Any]:
    """Return what each curve moved in buckets of `shown_s`, read in buckets of `bucket_s`."""
    first = int(start.timestamp())
    found: Counter[Any] = Counter()
    for one in await store.charts.sums(first, first + SPAN_S, bucket_s):
        place = (one.place, one.task_id if one.place <= NAMED else None)
        bucket = one.bucket * bucket_s // shown_s
        found[*place, bucket, "rows"] += int(one.rows)
        found[*place, bucket, "mb"] += int(one.mb)
    return found


class RollupsContract:
    @given(
        samples=st.lists(sampled, max_size=60),
        bucket_s=st.sampled_from((300, 900, 3600, 7200, 14_400)),
    )
    @settings(
        max_examples=20,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )  # fmt: skip
    async def test_a_chart_of_sums_is_the_chart_of_the_samples(
        self, samples: list[Any], bucket_s: int, store: Store, clock: Clock
    ) -> None:
        clock.pass_s(SPAN_S)
        start = datetime.fromtimestamp(clock.now.timestamp() // SPAN_S * SPAN_S, clock.now.tzinfo)
        stored = [
            MetricSample(
                name=name, value=float(value), at=start + timedelta(microseconds=us), task_id=task
            )
            for us, value, (name, task) in samples
        ]
        for part in (stored[::2], stored[1::2]):  # in any order: clocks go back, daemons are late
            await store.metrics.record(part)

        assert await sums(store, start, bucket_s, bucket_s) == await sums(
            store, start, 100, bucket_s
        )
        lags: dict[int, list[float]] = {}
        for one in stored:
            if one.name == LAG:
                lags.setdefault(int(one.at.timestamp()) // bucket_s, []).append(one.value)
        assert await store.metrics.buckets(
            [LAG], since=start, until=start + timedelta(seconds=SPAN_S), bucket_s=bucket_s
        ) == tuple(
            MetricBucket(
                name=LAG,
                at=datetime.fromtimestamp(bucket * bucket_s, start.tzinfo),
                average=sum(values) / len(values),
                least=min(values),
                most=max(values),
                samples=len(values),
            )
            for bucket, values in sorted(lags.items())
        )

    @pytest.mark.parametrize("hours", [24, 7 * 24, 30 * 24])
    async def test_a_long_chart_reads_no_sample(
        self, store: Store, clock: Clock, hours: int
    ) -> None:
        since = clock.now - timedelta(hours=hours)
        await store.metrics.record(
            [
                MetricSample(name=name, value=float(n), at=clock.now - timedelta(hours=n), task_id=task)
                for n in range(hours)
                for name, task in ((LAG, None), (TASK_ROWS, TaskId(1)))
            ]
        )  # fmt: skip
        await forget_samples(store)
        charts = await ChartService(store.charts, store.metrics, clock).read(
            since=since, until=None, points=300
        )
        (curve,) = charts.throughput
        moved = sum(curve.rows_s) * charts.bucket_s / 30
        assert moved == pytest.approx(sum(range(hours)), rel=0.01)  # curves are rounded
        assert max(lag for lag in charts.lag_s if lag is not None) == hours - 1
        history = await HistoryService(store.metrics, clock).read(
            [LAG], since=since, until=None, points=300
        )
        assert max(point.most for point in history.series[0].points) == hours - 1

    async def test_sums_go_when_their_time_is_over(self, store: Store, clock: Clock) -> None:
        start = datetime.fromtimestamp(clock.now.timestamp() // SPAN_S * SPAN_S, clock.now.tzinfo)
        days = 3 * 86_400
        await store.metrics.record(
            [
                MetricSample(name=name, value=1.0, at=start + timedelta(seconds=s), task_id=task)
                for s in range(0, days, 300)
                for name, task in ((LAG, None), (TASK_ROWS, TaskId(1)))
            ]
        )

        async def kept() -> dict[int, int]:
            query = select(metric_rollups.c.level_s, func.count()).group_by(
                metric_rollups.c.level_s
            )
            return {row[0]: row[1] for row in await store.database.read(lambda c: c.execute(query).all())}  # fmt: skip

        assert await kept() == {level: 2 * days // level for level in LEVELS_S}
        await store.metrics.delete_before(start + timedelta(seconds=days - 4500))
        # The hour that the moment lies in, and the four hours, are kept whole.
        assert await kept() == {300: 2 * 15, 3600: 2 * 2, 14_400: 2 * 1}
        await store.metrics.delete_before(start + timedelta(seconds=days))
        assert await kept() == {}
