"""Comparing one table at both ends while everything goes on.

First both ends are read once, each into a digest of fixed size. Only when these differ are the rows
of the differing buckets looked at again, then single keys: bisecting without an order that both
ends would have to share.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

import numpy as np
import pyarrow as pa
from anyio import create_task_group, current_time
from msgspec import Struct
from msgspec.structs import replace

from dtaas.concurrency.blocking import Blocking
from dtaas.engine.failures import explain
from dtaas.engine.verification.digest import (
    I64,
    KeyedRows,
    TableDigest,
    Wanted,
    differing_buckets,
    of_buckets,
    of_keys,
)
from dtaas.engine.verification.fence import Fence
from dtaas.engine.verification.rows import Comparison, FoundRows
from dtaas.engine.verification.sides import Visit, scan_source
from dtaas.model.fingerprint import U64
from dtaas.model.load import TargetTable
from dtaas.model.ports import Destination, Source
from dtaas.model.schema import TableSchema
from dtaas.model.verification import KeyDifference, TableVerification, Verdict

_READERS: Final = 2
_ROUNDS: Final = 5
"""Looks at rows that keep changing, before they are called unsettled."""
_ROWS_AT_ONCE: Final = 2_000_000
"""Rows of differing buckets looked at in one round: 32 bytes each and side."""
_SHOWN: Final = 1_000
"""Keys told, compared column by column and offered for repair."""


class Ends(Struct, frozen=True, kw_only=True):
    """Both ends of one table.

    Attributes:
        schema: columns compared.
        key: columns that tell rows apart, empty when nothing does.
        fence: of its stream, None when it has none.
        shape: what the task does to rows on their way; the columns then are those at the target.
    """

    source: Source
    destination: Destination
    target: TargetTable
    read: TableSchema
    schema: TableSchema
    key: tuple[str, ...]
    fence: Fence | None
    blocking: Blocking
    shape: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None

    async def scan(self, left: Visit, right: Visit) -> None:
        """Visit every row of both sides, side by side."""
        shape = self.shape

        def shaped(batch: pa.RecordBatch) -> None:
            left(batch if shape is None else shape(batch))

        async def read_source() -> None:
            await scan_source(self.source, self.read, shaped, readers=_READERS)

        async with create_task_group() as group:
            group.start_soon(read_source)
            group.start_soon(self.destination.scan, self.target, self.schema, right)


class _Rows(Struct, frozen=True):
    """Key hashes of rows that differ: for good, and perhaps only because they moved."""

    different: U64
    moving: U64


async def verify_table(ends: Ends) -> TableVerification:
    """Compare one table. A failure is told in the result, not raised."""
    began = current_time()
    result = TableVerification(table=ends.read.table, verdict=Verdict.RUNNING)
    try:
        result = await _verified(ends, result)
    except Exception as exc:  # noqa: BLE001 - told in the result
        error = explain(exc)
        result = replace(
            result,
            verdict=Verdict.FAILED,
            error_code=error.code,
            error=error.detail,
            hint=error.hint,
        )
    return replace(result, seconds=round(current_time() - began, 3))


async def _verified(ends: Ends, result: TableVerification) -> TableVerification:
    position = None if ends.fence is None else await ends.fence.position()
    left, right = (TableDigest(ends.schema.arrow_schema(), ends.key) for _ in range(2))
    await ends.scan(left.add, right.add)
    a, b = left.result(), right.result()
    through = None if position is None else position.hex()
    result = replace(result, source_rows=a.rows, destination_rows=b.rows, fence=through)
    differences = a.differences(b)
    if not differences:
        return replace(result, verdict=Verdict.EQUAL, verified_through=through)
    if not ends.key:
        return await _without_key(ends, replace(result, differences=differences), position)
    buckets = differing_buckets(left, right)
    some = _at_once(buckets, left.counts + right.counts)
    found = await _settled(ends, await _look(ends, of_buckets(some)))
    if len(some) < len(buckets):
        differences = (
            *differences,
            f"{len(buckets)} groups of keys, of which {len(some)} were seen",
        )
    elif not len(found.different) and not len(found.moving):
        return replace(result, verdict=Verdict.EQUAL, verified_through=through)
    return await _told(ends, replace(result, differences=differences), found)


async def _without_key(
    ends: Ends, result: TableVerification, position: bytes | None
) -> TableVerification:
    """Judge a table whose rows cannot be told apart: any change meanwhile leaves it open."""
    if ends.fence is not None and position is not None:
        until = await ends.fence.raised()
        state = await ends.fence.state()
        window = await ends.fence.source.cut(
            state.stream.tracked, after=position, to=until, most_rows=1
        )
        if window.expected_rows != 0 or window.to < until:
            return replace(result, verdict=Verdict.UNSETTLED)
    return replace(result, verdict=Verdict.DIFFERENT)


def _at_once(buckets: U64, counts: I64) -> U64:
    """Return as many of the buckets as are looked at in one round, at least one."""
    rows = np.cumsum(counts[buckets])
    return buckets[: max(1, int(np.searchsorted(rows, _ROWS_AT_ONCE, side="right")))]


async def _look(ends: Ends, wanted: Wanted) -> _Rows:
    """Compare the rows of the keys wanted, and tell those that changed meanwhile from the rest."""
    fence = ends.fence
    position = b"" if fence is None else await fence.position()
    left, right = (KeyedRows(ends.key, wanted) for _ in range(2))
    await ends.scan(left.add, right.add)
    differing = await ends.blocking(lambda: left.by_key().differing(right.by_key()))
    nothing = np.zeros(0, dtype=np.uint64)
    if fence is None or not len(differing):
        return _Rows(differing, nothing)
    until = await fence.raised()
    moving = await fence.moved(position, until, differing)
    if len(moving):
        await fence.arrived(until)
    return _Rows(np.setdiff1d(differing, moving), moving)


async def _settled(ends: Ends, found: _Rows) -> _Rows:
    """Look again at what moved, until it stands or keeps moving for too long."""
    for _ in range(_ROUNDS - 1):
        if not len(found.moving):
            break
        again = await _look(ends, of_keys(found.moving))
        found = _Rows(np.union1d(found.different, again.different), again.moving)
    return found


async def _told(ends: Ends, result: TableVerification, found: _Rows) -> TableVerification:
    """Say in words and keys what differs."""
    shown: list[KeyDifference] = []
    if len(found.different):
        wanted = found.different[:_SHOWN]
        rows = Comparison(FoundRows(ends.key, wanted), FoundRows(ends.key, wanted))
        await ends.scan(rows.source.add, rows.destination.add)
        shown = rows.differences(ends.key)
    kinds = Counter(one.difference.value for one in shown)
    words = tuple(f"{count} rows {kind}" for kind, count in sorted(kinds.items()))
    return replace(
        result,
        verdict=Verdict.DIFFERENT if len(found.different) else Verdict.UNSETTLED,
        differences=(*result.differences, *words),
        keys=tuple(shown),
        different_rows=len(found.different),
        unsettled_rows=len(found.moving),
    )
