"""When the demo's changes arrived: what the lake's own records say of each change file."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
from msgspec import Struct

from dtaas.cli.demo_changes import CHANGED
from dtaas.cli.demo_files import opened_store
from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.lake.changes import PublishedChanges
from dtaas.model.changes import COMMIT_TIME
from dtaas.model.load import TargetTable

_PERCENTILE: Final = 99


class Arrival(Struct, frozen=True, kw_only=True):
    """How the changes arrived.

    Attributes:
        changes: change rows in files that count.
        last: when the last of them was durable.
        lag_p99_ms: 99th percentile, over the rows, from commit at the source to durable.
    """

    changes: int
    last: datetime
    lag_p99_ms: float


def arrival_as_seen(changes: int, lags: Sequence[float]) -> Arrival:
    """Return what the daemon told meanwhile, for destinations that keep no times of their own.

    Args:
        lags: of single tables in seconds, asked for again and again.
    """
    p99_ms = float(np.percentile(lags, _PERCENTILE)) * 1000 if lags else 0.0
    return Arrival(changes=changes, last=datetime.now(UTC), lag_p99_ms=round(p99_ms, 1))


async def arrival(request: dict[str, Any]) -> Arrival:
    """Read when the changes of the demo's tables were committed, and when they were durable.

    Args:
        request: the request to the API that described the destination.
    """
    lags, last = [np.zeros(0)], datetime.fromtimestamp(0, UTC)
    blocking = Blocking(1)
    async with opened_store(request) as store:
        for table in CHANGED:
            published = PublishedChanges(store, TargetTable(path=(table.schema, table.name)))
            head = await published.head()
            for segment in [] if head is None else await published.segments(head):
                last = max(last, segment.published_at)
                durable = np.datetime64(segment.published_at.replace(tzinfo=None), "us")
                for file in segment.files:
                    async with store.fetch(file.key) as path:
                        rows = await blocking(pq.read_table, path, columns=[COMMIT_TIME])
                    commits = rows.column(COMMIT_TIME).to_numpy().astype("datetime64[us]")
                    lags.append((durable - commits).astype(np.float64) / 1000)
    every = np.concatenate(lags)
    return Arrival(
        changes=len(every),
        last=last,
        lag_p99_ms=round(float(np.percentile(every, _PERCENTILE)), 1) if len(every) else 0.0,
    )
