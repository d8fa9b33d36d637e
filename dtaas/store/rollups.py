"""Samples summed up as they are stored: a chart of a week reads hours, not seconds.

Each sample is added to one row of each level in the transaction that stores it. So a level is what
its samples add up to, whoever sampled, however late, and whatever the clock did meanwhile.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Subquery,
    and_,
    case,
    cast,
    delete,
    extract,
    func,
    literal,
    select,
)

from dtaas.store.metric_tables import metric_rollups, system_metrics
from dtaas.store.upsert import insert_of

LEVELS_S: Final = (300, 3600, 14_400)
"""Lengths of the buckets that are kept, each a whole multiple of the one before."""
_SAMPLES_LAST: Final = timedelta(hours=3)
"""As much is read sample by sample; a longer time in buckets that are made of kept ones."""
_MOST_IN_ONE: Final = 4
"""A bucket is made of so many kept ones, or of the longest."""
_KEY: Final = ("level_s", "metric_name", "bucket", "task_id")
_FORGOTTEN_AT_ONCE_S: Final = 86_400


def bucket_length_s(since: datetime, until: datetime, points: int, *, least_s: int) -> int:
    """Return the length of at most `points` equal buckets that is cheap to read.

    Over more than three hours it is a small multiple of a length that is kept.
    """
    wanted_s = max(least_s, -(-int((until - since).total_seconds()) // points))
    if until - since <= _SAMPLES_LAST:
        return wanted_s
    fitting = (one for one in LEVELS_S if wanted_s <= _MOST_IN_ONE * one)
    level_s = next(fitting, LEVELS_S[-1])
    return -(-wanted_s // level_s) * level_s


def add(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add samples, as `system_metrics` has them, to every level.

    Daemons that do so at once take the rows in the same order.
    """
    sums: dict[tuple[int, str, int, int], tuple[float, float, float, int]] = {}
    for row in rows:
        name, value, second = (
            row["metric_name"],
            row["metric_value"],
            row["recorded_at"].timestamp(),
        )
        for level_s in LEVELS_S:
            key = (level_s, name, int(second) // level_s, row["task_id"] or 0)
            total, least, most, count = sums.get(key, (0.0, value, value, 0))
            sums[key] = (total + value, min(least, value), max(most, value), count + 1)
    insert = insert_of(connection, metric_rollups)
    kept, new = metric_rollups.c, insert.excluded
    statement = insert.on_conflict_do_update(
        index_elements=_KEY,
        set_={
            "total": kept.total + new.total,
            "least": case((new.least < kept.least, new.least), else_=kept.least),
            "most": case((new.most > kept.most, new.most), else_=kept.most),
            "samples": kept.samples + new.samples,
        },
    )
    columns = [column.name for column in metric_rollups.columns]
    connection.execute(
        statement,
        [dict(zip(columns, (*key, *sums[key]), strict=True)) for key in sorted(sums)],
    )


def grains(
    connection: Connection, names: Collection[str], since_s: int, until_s: int, bucket_s: int
) -> Subquery:
    """Return the least rows that make up the buckets of `since_s <= at < until_s`.

    Both are whole multiples of `bucket_s` since 1970. Columns: `name`, `task_id` (0 or null for the
    whole service), `bucket` (how many lengths since 1970), `total`, `least`, `most`, `samples`.
    """
    level_s = max((one for one in LEVELS_S if bucket_s % one == 0), default=0)
    if not level_s:
        return _samples(connection, names, since_s, until_s, bucket_s)
    kept = metric_rollups.c
    return (
        select(
            kept.metric_name.label("name"),
            kept.task_id,
            (kept.bucket // (bucket_s // level_s)).label("bucket"),
            kept.total,
            kept.least,
            kept.most,
            kept.samples,
        )
        .where(
            kept.level_s == level_s,
            kept.metric_name.in_(list(names)),
            kept.bucket >= since_s // level_s,
            kept.bucket < until_s // level_s,
        )
        .subquery("grains")
    )


def _samples(
    connection: Connection, names: Collection[str], since_s: int, until_s: int, bucket_s: int
) -> Subquery:
    found = system_metrics.c
    return (
        select(
            found.metric_name.label("name"),
            found.task_id,
            (unix_s(connection, found.recorded_at) // bucket_s).label("bucket"),
            found.metric_value.label("total"),
            found.metric_value.label("least"),
            found.metric_value.label("most"),
            literal(1).label("samples"),
        )
        .where(
            found.metric_name.in_(list(names)),
            found.recorded_at >= datetime.fromtimestamp(since_s, UTC),
            found.recorded_at < datetime.fromtimestamp(until_s, UTC),
        )
        .subquery("grains")
    )


def forget(connection: Connection, moment: datetime) -> int:
    """Remove buckets that ended by `moment`, a day of each level at most; return how many."""
    kept = metric_rollups.c
    # Every figure is in the longest level, which is the shortest to read.
    names = connection.scalars(
        select(kept.metric_name).where(kept.level_s == LEVELS_S[-1]).distinct()
    ).all()
    gone = 0
    for level_s in LEVELS_S:
        end = int(moment.timestamp()) // level_s
        for name in names:
            mine = and_(kept.level_s == level_s, kept.metric_name == name)
            first = connection.scalar(select(func.min(kept.bucket)).where(mine))
            if first is not None and first < end:
                until = min(end, first + _FORGOTTEN_AT_ONCE_S // level_s)
                gone += connection.execute(
                    delete(metric_rollups).where(mine, kept.bucket < until)
                ).rowcount
    return gone


def unix_s(connection: Connection, time: ColumnElement[datetime]) -> ColumnElement[Any]:
    """Return whole seconds since 1970, in the database's own words."""
    if connection.dialect.name == "sqlite":
        # Without the fraction: SQLite rounds it to milliseconds, and so up to the next second.
        return extract("epoch", func.substr(time, 1, 19))
    return cast(func.floor(extract("epoch", time)), BigInteger)
