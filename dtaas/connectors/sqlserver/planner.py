"""Cuts a table into chunks: key ranges that are disjoint, complete and about equally large.

The table is cut by its clustered index, whose order reading a range is sequential; a range of
any other index would fetch row by row, or scan the whole table for every chunk. A heap, and a
table whose index cannot be cut, is one stream.
"""

from collections.abc import Sequence
from itertools import pairwise

from dtaas.connectors.sqlserver import queries
from dtaas.connectors.sqlserver.bounds import bound_text, can_bound, is_integer
from dtaas.connectors.sqlserver.catalog import Catalog, SqlIndex, SqlTable
from dtaas.connectors.sqlserver.control import ControlPool, Row
from dtaas.connectors.sqlserver.isolation import Isolation, in_isolation
from dtaas.connectors.sqlserver.statements import KeyRange, count_rows, extremes, nth_key
from dtaas.connectors.sqlserver.types import SqlColumn
from dtaas.model.load import Chunk

Bound = tuple[str, ...]

_DENSE = 2
"""An integer key is split by arithmetic when at least every second number is used."""
_ARITHMETIC_CHUNKS = 16
"""Below this many chunks walking the index costs little and gives exact sizes."""


class Planner:
    """Plans the chunks of one table."""

    def __init__(
        self, pool: ControlPool, table: SqlTable, isolation: Isolation, *, chunk_rows: int
    ) -> None:
        self._pool = pool
        self._table = table
        self._isolation = isolation
        self._chunk_rows = chunk_rows
        self._what = f"Planning {table.ref}"

    async def plan(self) -> list[Chunk]:
        """Return the chunks in key order; one without columns when the table cannot be cut."""
        rows, partitions = await Catalog(self._pool).size(self._table)
        self._chunk_rows = even_share(rows, self._chunk_rows)
        columns = cut_columns(self._table)
        if partitions > 1:
            by = await self._partition_column()
            if by is not None and by not in [c.name for c in columns[:1]]:
                return await self._by_partitions(by, rows)
        if not columns:
            return [Chunk(index=0, expected_rows=rows)]
        if rows > self._chunk_rows * _ARITHMETIC_CHUNKS and self._is_integer_key(columns):
            lowest, highest = await self._extremes(columns[0])
            if highest - lowest < rows * _DENSE:
                bounds = split_evenly(lowest, highest, rows=rows, chunk_rows=self._chunk_rows)
                return chunks_between(columns, bounds, _shares(rows, len(bounds) + 1))
        return await self._walk(columns)

    async def _walk(self, columns: Sequence[SqlColumn]) -> list[Chunk]:
        """Step through the index: each statement skips one chunk's rows and returns the next key.

        Each reads only its own part of the index, so none runs long however large the table.
        """
        bounds: list[Bound] = []
        counts: list[int] = []
        skip = self._chunk_rows
        while (row := await self._key_after(columns, bounds, skip)) is not None:
            found = [bound_text(value) for value in row]
            bound = tuple(text for text in found if text is not None)
            if len(bound) < len(found) or bound in bounds[-1:]:
                # NULL, or a text without a literal, or one that does not tell this row from the
                # last bound: the chunk goes on behind it.
                skip += self._chunk_rows
                continue
            bounds.append(bound)
            counts.append(skip)
            skip = self._chunk_rows
        counts.append(await self._count_after(columns, bounds))
        return chunks_between(columns, bounds, counts)

    async def _key_after(
        self, columns: Sequence[SqlColumn], bounds: Sequence[Bound], skip: int
    ) -> Row | None:
        rows = await self._fetch(nth_key(self._after(columns, bounds), skip))
        return rows[0] if len(rows) > 1 else None  # the last row needs no chunk behind it

    async def _count_after(self, columns: Sequence[SqlColumn], bounds: Sequence[Bound]) -> int:
        rows = await self._fetch(count_rows(self._after(columns, bounds)))
        count: int = rows[0][0]
        return count

    async def _extremes(self, column: SqlColumn) -> tuple[int, int]:
        lowest, highest = (await self._fetch(extremes(KeyRange(self._table.ref), column)))[0]
        return lowest or 0, highest or 0

    def _after(self, columns: Sequence[SqlColumn], bounds: Sequence[Bound]) -> KeyRange:
        return KeyRange(self._table.ref, columns, bounds[-1] if bounds else None)

    async def _partition_column(self) -> str | None:
        rows = await self._pool.fetch(self._what, queries.PARTITION_COLUMN, self._table.object_id)
        return rows[0][0] if rows else None

    async def _by_partitions(self, name: str, rows: int) -> list[Chunk]:
        column = self._table.column(name)
        if not can_bound(column):
            return [Chunk(index=0, expected_rows=rows)]
        found = await self._pool.fetch(self._what, queries.PARTITIONS, self._table.object_id)
        parts = [(int(row[1]), row[2]) for row in found]
        bounds, counts = merge_partitions(parts, chunk_rows=self._chunk_rows)
        return chunks_between([column], bounds, counts)

    def _is_integer_key(self, columns: Sequence[SqlColumn]) -> bool:
        """Return whether one integer column alone tells rows apart."""
        one = len(columns) == 1 and is_integer(columns[0]) and not columns[0].nullable
        return one and any(
            i.is_unique and not i.is_filtered and i.columns == (columns[0].name,)
            for i in self._table.indexes
        )

    async def _fetch(self, sql: str) -> list[Row]:
        """Run a query over the table's rows at the isolation of the load."""
        return await self._pool.fetch(self._what, in_isolation(self._isolation, sql))


def cut_columns(table: SqlTable) -> list[SqlColumn]:
    """Return the columns to cut the table by, empty when it cannot be cut.

    They are the first columns of the clustered index as long as all run in the same direction
    (an index can be read from either end, but not in a mixture) and have an exact text.
    """
    for index in table.indexes:
        if index.is_clustered and not index.is_disabled:
            return _leading(table, index)
    return []


def even_share(rows: int, chunk_rows: int) -> int:
    """Return the size of chunks that share `rows` evenly, so that none ends long after the rest."""
    return -(-rows // max(1, -(-rows // chunk_rows))) or chunk_rows


def split_evenly(lowest: int, highest: int, *, rows: int, chunk_rows: int) -> list[Bound]:
    """Return inner bounds of ranges of numbers that hold about `chunk_rows` rows each."""
    span = highest - lowest + 1
    step = max(1, span * chunk_rows // max(1, rows))
    return [(str(bound),) for bound in range(lowest + step - 1, highest, step)]


def merge_partitions(
    parts: Sequence[tuple[int, str | None]], *, chunk_rows: int
) -> tuple[list[Bound], list[int]]:
    """Return inner bounds and rows of runs of partitions of at most about `chunk_rows` rows.

    Args:
        parts: rows of each partition and the boundary above it, None for the last.
    """
    bounds: list[Bound] = []
    counts = [0]
    for (rows, boundary), (following, _) in pairwise([*parts, (0, None)]):
        counts[-1] += rows
        if boundary is not None and counts[-1] + following > chunk_rows:
            bounds.append((boundary,))
            counts.append(0)
    return bounds, counts


def chunks_between(
    columns: Sequence[SqlColumn], bounds: Sequence[Bound], counts: Sequence[int]
) -> list[Chunk]:
    """Return the chunks that `bounds` cut the table into."""
    names = tuple(c.name for c in columns)
    if not bounds:
        return [Chunk(index=0, expected_rows=sum(counts))]
    edges: list[Bound | None] = [None, *bounds, None]
    return [
        Chunk(index=i, columns=names, lower=lower, upper=upper, expected_rows=count)
        for i, ((lower, upper), count) in enumerate(zip(pairwise(edges), counts, strict=True))
    ]


def _leading(table: SqlTable, index: SqlIndex) -> list[SqlColumn]:
    found: list[SqlColumn] = []
    for name, descending in zip(index.columns, index.descending, strict=True):
        column = table.column(name)
        if descending is not index.descending[0] or not can_bound(column):
            break
        found.append(column)
    return found


def _shares(rows: int, chunks: int) -> list[int]:
    """Return `rows` in nearly equal parts: the statistics' count, spread over the chunks."""
    each, left = divmod(rows, chunks)
    return [each + (1 if i < left else 0) for i in range(chunks)]
