"""SQL Server as a source of changes by Change Tracking: every edition has it, Express too.

It tells which rows changed, not how: windows hold the last state of each row that changed, and
rows deleted. What a row was in between is not known. Everything is read under SNAPSHOT isolation
where the database allows it, so that versions, keys and values are those of one instant.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import anyio
import pyarrow as pa
import structlog
from anyio import CapacityLimiter

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.sqlserver import queries
from dtaas.connectors.sqlserver.catalog import Catalog
from dtaas.connectors.sqlserver.chunk_query import matching_columns
from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.connectors.sqlserver.driver import find_driver
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.isolation import (
    Isolation,
    choose_isolation,
    in_isolation,
    isolation_statement,
)
from dtaas.connectors.sqlserver.native import NativeReader
from dtaas.connectors.sqlserver.quoting import table_name
from dtaas.connectors.sqlserver.rate_limit import RateLimit
from dtaas.connectors.sqlserver.tracking.polling import TrackingPoller, lost, position_of
from dtaas.connectors.sqlserver.tracking.rows import METADATA, TrackedRows, window_query
from dtaas.connectors.sqlserver.tracking.tables import TrackedTables, identity_of
from dtaas.connectors.sqlserver.types import SqlColumn
from dtaas.model.change_ports import ChangeSource
from dtaas.model.changes import ChangeWindow, SourceState, TrackedTable
from dtaas.model.connectors import SqlServerConfig
from dtaas.model.errors import CaptureGapError, DriverMissingError
from dtaas.model.execution import ReadBy
from dtaas.model.ports import BatchReader
from dtaas.model.schema import TableRef
from dtaas.tds.library import why_missing

_NEXT: Final = """
DECLARE @after bigint = ?, @to bigint = ?, @below bigint = ?;
SELECT COUNT(*), MAX(q.v) FROM (SELECT TOP ({rows}) c.SYS_CHANGE_VERSION AS v
  FROM CHANGETABLE(CHANGES {table}, @after) AS c
  WHERE c.SYS_CHANGE_VERSION <= @to ORDER BY c.SYS_CHANGE_VERSION) AS q WHERE q.v < @below"""
_KEPT: Final = """
DECLARE @object_id int = OBJECT_ID(?);
SELECT @object_id AS object_id, CHANGE_TRACKING_MIN_VALID_VERSION(@object_id) AS low,
  (SELECT k.begin_version FROM sys.change_tracking_tables AS k WHERE k.object_id = @object_id)"""
_BEYOND: Final = (1 << 63) - 1
_READERS: Final = 4
_MEGABYTE: Final = 1_000_000
_SNAPSHOT_ON: Final = 1

log = structlog.get_logger()


class SqlServerTrackingSource:
    """Reads the net changes of one database for one task."""

    def __init__(
        self, config: SqlServerConfig, *, application: str = "dtaas", driver: str = ""
    ) -> None:
        """Prepare; connects when first used.

        Raises:
            DriverMissingError: there is no ODBC driver, or no native reader.
        """
        missing = why_missing()
        if missing:
            raise DriverMissingError(
                f"Changes are read by the native reader, and there is none: {missing}.",
                hint="Install DTaaS where there is a C compiler.",
            )
        self._endpoint = Endpoint(config, driver=find_driver(driver), application=application)
        self._pool = ControlPool(self._endpoint)
        self._catalog = Catalog(self._pool)
        self._tables = TrackedTables(self._pool, self._catalog)
        self._poller = TrackingPoller(self._pool)
        self._rate = RateLimit(config.read_rate_limit_mb_s * _MEGABYTE)
        self._turns = CapacityLimiter(_READERS)
        self._blocking = Blocking(_READERS)
        self._deciding = anyio.Lock()
        self._isolation: Isolation | None = None
        self._polled_at: datetime | None = None

    async def track(
        self, tables: Sequence[TableRef], *, keys: Mapping[TableRef, tuple[str, ...]], enable: bool
    ) -> Sequence[TrackedTable]:
        """Find, or with `enable` switch on, what tracks tables."""
        return await self._tables.track(tables, keys=keys, enable=enable)

    async def untrack(self, tracked: TrackedTable) -> None:
        """Leave Change Tracking on: nothing tells whether others read it too."""

    async def anchor(self, tracked: Sequence[TrackedTable]) -> bytes:
        """Return the present version: tracking is part of each commit, so nothing is awaited."""
        return (await self.poll(tracked)).position

    async def poll(self, tracked: Sequence[TrackedTable]) -> SourceState:
        """Ask once, for all tables, what is new."""
        state = await self._poller.poll(tracked, await self._level())
        self._polled_at = state.polled_at
        return state

    async def cut(
        self, tracked: TrackedTable, *, after: bytes, to: bytes, most_rows: int
    ) -> ChangeWindow:
        """Return the next window: whole versions, which are transactions.

        Raises:
            CaptureGapError: nothing tells any more what happened, as after a TRUNCATE.
            CaptureLostError: tracking is off, or was switched off and on again.
        """
        # One more than wanted: its version is the one that goes too far.
        count, last = await self._next(tracked, after, to, most_rows + 1, _BEYOND)
        if count <= most_rows:
            window = self._window(tracked, after, to, count)
            if not count:  # nobody reads it, which would look
                await self.require_kept(tracked, window)
            return window
        kept, before = await self._next(tracked, after, to, most_rows + 1, last)
        if kept:
            return self._window(tracked, after, position_of(before), kept)
        return self._window(tracked, after, position_of(last), None)  # one is larger alone

    @asynccontextmanager
    async def changes(
        self, tracked: TrackedTable, window: ChangeWindow, *, batch_rows: int, batch_bytes: int
    ) -> AsyncIterator[BatchReader]:
        """Open a reader over a window."""
        await self.require_kept(tracked, window)
        columns = matching_columns(await self._catalog.table(tracked.table), tracked.schema)
        rows = TrackedRows(tracked.schema)
        async with self._turns:
            reader = NativeReader(
                self._endpoint,
                window_query(tracked.schema, columns, window),
                rows.raw,
                [*(_metadata(c.name) for c in METADATA), *columns],
                batch_rows=batch_rows,
                batch_bytes=batch_bytes,
                rate=self._rate,
            )
            try:
                await reader.open(isolation_statement(await self._level()))
                await reader.start()
                yield _WindowReader(self, reader, rows, tracked, window)
            finally:
                await reader.aclose()

    async def convert(self, rows: TrackedRows, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return a batch as change rows."""
        return await self._blocking(rows.convert, batch)

    async def require_kept(self, tracked: TrackedTable, window: ChangeWindow) -> None:
        """Refuse a window of which changes may be gone.

        Raises:
            CaptureGapError: they are.
            CaptureLostError: tracking is off, or was switched off and on again.
        """
        what = f"Reading changes of {tracked.table}"
        found = await self._pool.fetch(what, _KEPT, table_name(tracked.table))
        object_id, low, begun = found[0]
        if low is None or identity_of(object_id, begun) != tracked.instance_id:
            raise lost([tracked.table], "is off or began anew, or the login may not see it")
        after = int.from_bytes(window.after)
        if low > after:
            raise CaptureGapError(
                f"Changes of {tracked.table} after version {after} are not kept any more: "
                f"they are complete from {low} on.",
                hint="Load the table anew. Unless it was truncated, keep changes longer: ALTER "
                "DATABASE CURRENT SET CHANGE_TRACKING (CHANGE_RETENTION = 14 DAYS);",
            )

    async def aclose(self) -> None:
        """Close every session. Idempotent."""
        await self._pool.aclose()

    async def _next(
        self, tracked: TrackedTable, after: bytes, to: bytes, rows: int, below: int
    ) -> tuple[int, int]:
        """Count at most `rows` changes up to `to` and below `below`, and return the last."""
        sql = _NEXT.format(table=table_name(tracked.table), rows=int(rows))
        found = await self._pool.fetch(
            f"Looking for changes of {tracked.table}",
            in_isolation(await self._level(), sql),
            int.from_bytes(after),
            int.from_bytes(to),
            below,
        )
        return int(found[0][0]), int(found[0][1] or 0)

    def _window(
        self, tracked: TrackedTable, after: bytes, to: bytes, rows: int | None
    ) -> ChangeWindow:
        return ChangeWindow(
            table=tracked.table, after=after, to=to, expected_rows=rows, commit_time=self._polled_at
        )

    async def _level(self) -> Isolation:
        """Return the level of every read, decided at the first."""
        async with self._deciding:
            if self._isolation is None:
                rows = await self._pool.fetch("Asking for the isolation level", queries.DATABASE)
                snapshot = bool(rows) and rows[0][2] == _SNAPSHOT_ON
                self._isolation = Isolation.SNAPSHOT
                if not snapshot:
                    self._isolation = choose_isolation(
                        rcsi=bool(rows and rows[0][3]), snapshot_state=0
                    )
                    log.warning(
                        "tracking_without_snapshot",
                        isolation=self._isolation.value,
                        hint="ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON;",
                    )
            return self._isolation


class _WindowReader:
    """Reads the change rows of one window."""

    def __init__(
        self,
        source: SqlServerTrackingSource,
        reader: NativeReader,
        rows: TrackedRows,
        tracked: TrackedTable,
        window: ChangeWindow,
    ) -> None:
        self._source = source
        self._reader = reader
        self._rows = rows
        self._tracked = tracked
        self._window = window

    @property
    def read_by(self) -> ReadBy | None:
        """What reads the rows."""
        return self._reader.read_by

    async def next(self) -> pa.RecordBatch | None:
        """Return the next batch; after the last row make sure that none was cleaned away."""
        batch = await self._reader.next()
        if batch is None:
            await self._source.require_kept(self._tracked, self._window)
            return None
        return await self._source.convert(self._rows, batch)


def _metadata(name: str) -> SqlColumn:
    return SqlColumn(
        name=name,
        base_type="bigint",
        max_length=8,
        precision=19,
        scale=0,
        collation=None,
        nullable=False,
    )


_: type[ChangeSource] = SqlServerTrackingSource
