"""Watermarks of in-memory tables: the reference implementation, over whole-number columns."""

import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from dtaas.connectors.memory.datasets import MemoryTable, dataset
from dtaas.model.change_ports import WatermarkSource
from dtaas.model.changes import ChangeWindow, TrackedTable, TrackingMethod
from dtaas.model.connectors import MemorySourceConfig
from dtaas.model.errors import TableNotFoundError, WatermarkNeededError
from dtaas.model.load import Chunk
from dtaas.model.schema import TableRef
from dtaas.model.watermark import (
    Fence,
    Watermark,
    WatermarkKind,
    position_at,
    risen,
    value_at,
)


class MemoryWatermarks:
    """Knows the watermarks of one dataset. There is no default: the user names a column."""

    def __init__(self, config: MemorySourceConfig) -> None:
        self._data = dataset(config.dataset)
        self._marks: dict[TableRef, Watermark] = {}
        self._late: set[TableRef] = set()

    async def mark(
        self, table: TableRef, *, key: tuple[str, ...], watermark: Watermark | None, field: str
    ) -> TrackedTable:
        """Take the column the user named."""
        await self._data.hook("mark", table)
        found = self._table(table)
        names = [c.name for c in found.schema.columns]
        if watermark is None or watermark.column not in names:
            raise WatermarkNeededError(
                f"Table {table} needs a watermark column.",
                hint=f"Name one of: {', '.join(names)}.",
                field=field,
            )
        self._marks[table] = watermark
        return TrackedTable(
            schema=replace(found.schema, key=key or found.schema.key),
            method=TrackingMethod.WATERMARK,
            instance=watermark.column,
            instance_id=str(watermark.kind or WatermarkKind.KEY),
        )

    async def fence(self, tracked: TrackedTable, *, after: bytes | None, seen: str) -> Fence:
        """Stand at the highest value there is."""
        table = tracked.table
        await self._data.hook("fence", table)
        values = self._values(tracked)
        before = None if after is None else value_at(after)
        tops = [v for v in (pc.max(values).as_py(), before) if v is not None]
        top = max(tops, default=None)
        held = self._held(tracked, top)
        late = before is not None and self._held(tracked, before) != seen
        if late:
            self._late.add(table)
        return risen(top, held, after=after, seen=seen, late=late)

    async def cut(
        self, tracked: TrackedTable, *, after: bytes, to: bytes, most_rows: int
    ) -> ChangeWindow:
        """Return about `most_rows` rows; those of one value stay together."""
        table = tracked.table
        await self._data.hook("cut", table)
        positions = sorted(position_at(v) for v in self._values(tracked).to_pylist())
        new = [p for p in positions if after < p <= to]
        if len(new) > most_rows:
            to = new[most_rows - 1]
        reach = None
        if table in self._late:
            self._late.discard(table)
            reach = position_at((value_at(after) or 0) - self._overlap(table))
        count = None if reach is not None else sum(p <= to for p in new)
        return ChangeWindow(table=table, after=after, to=to, expected_rows=count, reach=reach)

    def chunk(self, tracked: TrackedTable, window: ChangeWindow) -> Chunk:
        """Return a window's rows as a range of the watermark column."""
        lower = value_at(window.after if window.reach is None else window.reach)
        upper = value_at(window.to)
        return Chunk(
            index=0,
            columns=(tracked.instance,),
            lower=None if lower is None else (str(lower),),
            upper=None if upper is None else (str(upper),),
        )

    def notes(self, tracked: TrackedTable) -> str:
        """Return what is not seen."""
        return f"Deletes are not seen, nor updates that leave {tracked.instance} as it was."

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""

    def _held(self, tracked: TrackedTable, top: int | None) -> str:
        """Return how many rows the overlap below `top` holds, and their sum."""
        overlap = self._overlap(tracked.table)
        if top is None or not overlap:
            return ""
        values = self._values(tracked)
        near = values.filter(pc.and_(pc.greater(values, top - overlap), pc.less_equal(values, top)))
        return f"{top} {len(near)} {pc.sum(near).as_py() or 0}"

    def _overlap(self, table: TableRef) -> int:
        return self._marks[table].overlap_values

    def _values(self, tracked: TrackedTable) -> pa.ChunkedArray:
        return self._table(tracked.table).rows[tracked.instance].cast(pa.int64())

    def _table(self, ref: TableRef) -> MemoryTable:
        table = self._data.tables.get(ref)
        if table is None:
            raise TableNotFoundError(
                f"There is no table {ref}.", hint="List the source's tables to see their names."
            )
        return table


_: type[WatermarkSource] = MemoryWatermarks
