"""The watermarks of SQL Server tables: how far a table may be read, and in which windows."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from dtaas.connectors.sqlserver.bounds import literal, text_expression
from dtaas.connectors.sqlserver.catalog import Catalog
from dtaas.connectors.sqlserver.control import ControlPool, Row
from dtaas.connectors.sqlserver.driver import find_driver
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.incremental.columns import choose
from dtaas.connectors.sqlserver.incremental.values import (
    is_moment,
    number_of,
    overlap_of,
    text_of,
)
from dtaas.connectors.sqlserver.quoting import identifier, table_name
from dtaas.connectors.sqlserver.statements import KeyRange
from dtaas.connectors.sqlserver.types import SqlColumn
from dtaas.model.change_ports import WatermarkSource
from dtaas.model.changes import POSITION_BYTES, ChangeWindow, TrackedTable, TrackingMethod
from dtaas.model.connectors import SqlServerConfig
from dtaas.model.errors import SourceRestoredError
from dtaas.model.load import Chunk
from dtaas.model.schema import TableRef, TableSchema
from dtaas.model.watermark import Fence, Watermark, WatermarkKind, position_at, risen, value_at

_IDENTITIES: Final = "SELECT c.name FROM sys.identity_columns AS c WHERE c.object_id = ?"
_INDEXED: Final = """
SELECT COUNT(*) FROM sys.index_columns AS x
JOIN sys.columns AS c ON c.object_id = x.object_id AND c.column_id = x.column_id
WHERE x.object_id = ? AND x.key_ordinal = 1 AND c.name = ?"""
_CLOCK: Final = """
SELECT CONVERT(varchar(27), SYSDATETIME(), 121), CONVERT(varchar(27), SYSUTCDATETIME(), 121)"""
_ACTIVE: Final = "SELECT CONVERT(varchar(18), MIN_ACTIVE_ROWVERSION(), 1)"
_ROWVERSION_BYTES: Final = 8
_LEAST: Final = -(1 << 63)
_UNSEEN: Final = {
    WatermarkKind.ROWVERSION: "Deletes are not seen.",
    WatermarkKind.KEY: "Neither updates nor deletes are seen.",
    WatermarkKind.MODIFIED_AT: "Deletes are not seen, nor updates that leave {column} as it was.",
}


class _Mark(Struct, frozen=True):
    """What is known of a table's watermark.

    Attributes:
        overlap: in the units of `number_of`; 0 for a rowversion, which needs none.
    """

    column: SqlColumn
    kind: WatermarkKind
    overlap: int
    indexed: bool


class SqlServerWatermarks:
    """Knows the watermarks of one database for one task."""

    def __init__(
        self, config: SqlServerConfig, *, application: str = "dtaas", driver: str = ""
    ) -> None:
        """Prepare; connects when first used.

        Raises:
            DriverMissingError: there is no ODBC driver.
        """
        endpoint = Endpoint(config, driver=find_driver(driver), application=application)
        self._pool = ControlPool(endpoint)
        self._catalog = Catalog(self._pool)
        self._marks: dict[TableRef, _Mark] = {}
        self._late: set[TableRef] = set()
        self._read_at: dict[TableRef, datetime] = {}

    async def mark(
        self, table: TableRef, *, key: tuple[str, ...], watermark: Watermark | None, field: str
    ) -> TrackedTable:
        """Choose a table's watermark column, or check the one the user chose."""
        what = f"Describing {table}"
        found = await self._catalog.table(table)
        identities = [r[0] for r in await self._pool.fetch(what, _IDENTITIES, found.object_id)]
        column, kind, chosen = choose(found, watermark, identities=identities, field=field)
        indexed = await self._pool.fetch(what, _INDEXED, found.object_id, column.name)
        overlap = 0
        if kind is not WatermarkKind.ROWVERSION:
            overlap = overlap_of(
                column, overlap_s=chosen.overlap_s, overlap_values=chosen.overlap_values
            )
        self._marks[table] = _Mark(column, kind, overlap, bool(indexed[0][0]))
        schema = found.schema()
        return TrackedTable(
            schema=TableSchema(table=table, columns=schema.columns, key=key or schema.key),
            method=TrackingMethod.WATERMARK,
            instance=column.name,
            instance_id=f"{kind} {found.object_id}",
        )

    async def fence(self, tracked: TrackedTable, *, after: bytes | None, seen: str) -> Fence:
        """Return how far the table may be read; see the port."""
        mark, table = self._marks[tracked.table], tracked.table
        what = f"Reading the watermark of {table}"
        clock = (await self._pool.fetch(what, _CLOCK))[0]
        self._read_at[table] = datetime.fromisoformat(clock[1][:26]).replace(tzinfo=UTC)
        if mark.kind is WatermarkKind.ROWVERSION:
            return await self._active(what, after)
        top = await self._top(what, table, mark, clock)
        before = None if after is None else value_at(after)
        if before is not None:
            top = before if top is None else max(top, before)
        held = await self._held(what, table, mark, top)
        late = before is not None and await self._held(what, table, mark, before) != seen
        if late:
            self._late.add(table)
        return risen(top, held, after=after, seen=seen, late=late)

    async def cut(
        self, tracked: TrackedTable, *, after: bytes, to: bytes, most_rows: int
    ) -> ChangeWindow:
        """Return the next window. All rows of one value are in the same."""
        mark, table = self._marks[tracked.table], tracked.table
        found = await self._nth(table, mark, after, to, most_rows)
        count, end = found if found is not None else (0, to)
        expected: int | None = count
        if count == most_rows and end < to:
            to, expected = end, None  # more rows may have the last value
        reach = None
        if table in self._late:  # only the first window reaches back
            self._late.discard(table)
            reach = position_at(max(_LEAST, (value_at(after) or 0) - mark.overlap))
        return ChangeWindow(
            table=table,
            after=after,
            to=to,
            expected_rows=expected if reach is None else None,
            commit_time=self._read_at.get(table),
            reach=reach,
        )

    def chunk(self, tracked: TrackedTable, window: ChangeWindow) -> Chunk:
        """Return a window's rows as a range of the watermark column."""
        mark = self._marks[tracked.table]
        lower = _text(mark, window.after if window.reach is None else window.reach)
        upper = _text(mark, window.to)
        return Chunk(
            index=0,
            columns=(mark.column.name,),
            lower=None if lower is None else (lower,),
            upper=None if upper is None else (upper,),
            expected_rows=window.expected_rows,
        )

    def notes(self, tracked: TrackedTable) -> str:
        """Return what the watermark cannot see, and what it costs."""
        mark = self._marks[tracked.table]
        name = identifier(mark.column.name)
        text = _UNSEEN[mark.kind].format(column=name)
        if not mark.indexed:
            text += f" No index begins with {name}: every execution scans the table."
        return text

    async def aclose(self) -> None:
        """Close every session. Idempotent."""
        await self._pool.aclose()

    async def _active(self, what: str, after: bytes | None) -> Fence:
        """Return the position below every rowversion that an open transaction drew."""
        rows = await self._pool.fetch(what, _ACTIVE)
        position = (int(rows[0][0], 16) - 1).to_bytes(POSITION_BYTES)
        if after is not None and position < after:
            raise SourceRestoredError(
                f"The database's rowversion {position[-_ROWVERSION_BYTES:].hex()} lies before "
                f"{after[-_ROWVERSION_BYTES:].hex()}, up to which rows were read: it was restored.",
                hint="Start the task with force to load its tables anew.",
            )
        return Fence(position=position)

    async def _top(self, what: str, table: TableRef, mark: _Mark, clock: Row) -> int | None:
        """Return the highest value that is not in the future, None in an empty table."""
        condition = ""
        if is_moment(mark.column):
            cap = max(number_of(mark.column, text) for text in _clocks(mark.column, clock))
            condition = f" WHERE {_name(mark)} <= {literal(mark.column, _must(mark, cap))}"
        rows = await self._pool.fetch(
            what,
            f"SELECT TOP (1) {text_expression(mark.column)} FROM {table_name(table)}{condition}"
            f" ORDER BY {_name(mark)} DESC",
        )
        return number_of(mark.column, rows[0][0]) if rows else None

    async def _held(self, what: str, table: TableRef, mark: _Mark, top: int | None) -> str:
        """Return how many rows the overlap below `top` holds, and the sum of their places in it."""
        if top is None or not mark.overlap:
            return ""
        low = text_of(mark.column, top - mark.overlap)
        rows = KeyRange(table, [mark.column], None if low is None else (low,), (_must(mark, top),))
        highest = literal(mark.column, _must(mark, top))
        place = f"CAST({highest} AS bigint) - CAST({_name(mark)} AS bigint)"
        if is_moment(mark.column):
            place = f"CAST(DATEDIFF(millisecond, {_name(mark)}, {highest}) AS bigint)"
        found = await self._pool.fetch(
            what, rows.select(["COUNT_BIG(*) AS n", f"SUM({place}) AS places"])
        )
        return f"{top} {found[0][0]} {found[0][1] or 0}"

    async def _nth(
        self, table: TableRef, mark: _Mark, after: bytes, to: bytes, most_rows: int
    ) -> tuple[int, bytes] | None:
        """Return how many of at most `most_rows` rows there are, and the position of the last."""
        bounds = [
            None if text is None else (text,) for text in (_text(mark, after), _text(mark, to))
        ]
        name = _name(mark)
        rows = KeyRange(table, [mark.column], *bounds)
        first = rows.select([f"TOP ({int(most_rows)}) {name}"], rows.order())
        found = await self._pool.fetch(
            f"Looking for new rows of {table}",
            f"SELECT TOP (1) COUNT(*) OVER () AS n, {text_expression(mark.column)} AS v"
            f" FROM ({first}) AS q ORDER BY {name} DESC",
        )
        if not found:
            return None
        return int(found[0][0]), _position(mark, found[0][1])


def _name(mark: _Mark) -> str:
    return identifier(mark.column.name)


def _clocks(column: SqlColumn, clock: Row) -> Sequence[str]:
    """Return the moments that may be now: nobody says whether a column is in local time or UTC."""
    return [clock[1]] if column.base_type == "datetimeoffset" else list(clock)


def _must(mark: _Mark, number: int) -> str:
    text = text_of(mark.column, number)
    if text is None:
        raise ValueError(number)
    return text


def _text(mark: _Mark, position: bytes) -> str | None:
    """Return the exact text of a position's value, None below every value."""
    if mark.kind is WatermarkKind.ROWVERSION:
        return f"0x{position[-_ROWVERSION_BYTES:].hex()}"
    value = value_at(position)
    return None if value is None else text_of(mark.column, value)


def _position(mark: _Mark, text: str) -> bytes:
    if mark.kind is WatermarkKind.ROWVERSION:
        return int(text, 16).to_bytes(POSITION_BYTES)
    return position_at(number_of(mark.column, text))


_: type[WatermarkSource] = SqlServerWatermarks
