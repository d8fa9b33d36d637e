"""Figures of the service over time: samples in, averages per bucket out."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select

from dtaas.model.errors import ValidationFailedError
from dtaas.model.ids import TaskId
from dtaas.store.database import Database
from dtaas.store.metric_tables import system_metrics
from dtaas.store.rollups import add, forget, grains

MAX_BUCKETS: Final = 10_000
_DELETED_AT_ONCE_ROWS: Final = 10_000


class MetricSample(Struct, frozen=True, kw_only=True):
    """One value of one figure. The name carries the unit: `memory_rss_bytes`.

    Attributes:
        task_id: of one task, None of the whole service.
    """

    name: str
    value: float
    at: datetime
    task_id: TaskId | None = None


class MetricBucket(Struct, frozen=True, kw_only=True):
    """The samples of one figure from `at` on, for the length of a bucket."""

    name: str
    at: datetime
    average: float
    least: float
    most: float
    samples: int


class MetricsRepository:
    """Stores samples."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, samples: Sequence[MetricSample]) -> None:
        """Store samples and add them to what is summed up, all or none."""
        if not samples:
            return
        rows = [
            {
                "metric_name": s.name,
                "metric_value": s.value,
                "recorded_at": s.at,
                "task_id": s.task_id,
            }
            for s in samples
        ]

        def work(connection: Connection) -> None:
            connection.execute(insert(system_metrics), rows)
            add(connection, rows)

        await self._database.write(work)

    async def buckets(
        self, names: Collection[str], *, since: datetime, until: datetime, bucket_s: int
    ) -> tuple[MetricBucket, ...]:
        """Return the buckets that hold a sample, by name, then time.

        Buckets begin at whole multiples of `bucket_s` since 1970, so that the same question asked
        later gives the same buckets. All are whole, the one that `since` lies in and the one that
        goes on at `until` too.

        Raises:
            ValidationFailedError: no positive bucket, or more than 10,000 of them.
        """
        if bucket_s < 1 or (until - since).total_seconds() / bucket_s > MAX_BUCKETS:
            raise ValidationFailedError(
                f"A bucket of {bucket_s} s is too short for this time.",
                hint=f"Ask for at most {MAX_BUCKETS} buckets of at least one second.",
                field="$.bucket_s",
            )
        first, end = int(since.timestamp()) // bucket_s, -(-until.timestamp() // bucket_s)
        times_s = (first * bucket_s, int(end) * bucket_s)

        def work(connection: Connection) -> tuple[MetricBucket, ...]:
            found = grains(connection, names, *times_s, bucket_s).c
            samples = func.sum(found.samples)
            rows = connection.execute(
                select(
                    found.name,
                    found.bucket,
                    (func.sum(found.total) / samples).label("average"),
                    func.min(found.least).label("least"),
                    func.max(found.most).label("most"),
                    samples.label("samples"),
                )
                .group_by(found.name, found.bucket)
                .order_by(found.name, found.bucket)
            )
            return tuple(
                MetricBucket(
                    name=row.name,
                    at=datetime.fromtimestamp(row.bucket * bucket_s, UTC),
                    average=row.average,
                    least=row.least,
                    most=row.most,
                    samples=row.samples,
                )
                for row in rows
            )

        return await self._database.read(work)

    async def delete_before(self, moment: datetime) -> int:
        """Remove the samples before `moment` and the sums of them; return how many samples.

        Goes in short transactions, so that tasks do not wait for it.
        """
        oldest = (
            select(system_metrics.c.id)
            .where(system_metrics.c.recorded_at < moment)
            .limit(_DELETED_AT_ONCE_ROWS)
        )
        statement = delete(system_metrics).where(system_metrics.c.id.in_(oldest))
        deleted = 0
        while True:
            done = await self._database.write(lambda c: c.execute(statement).rowcount)
            deleted += done
            if done < _DELETED_AT_ONCE_ROWS:
                break
        while await self._database.write(lambda c: forget(c, moment)):
            pass
        return deleted
