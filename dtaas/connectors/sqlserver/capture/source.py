"""SQL Server as a source of changes: capture instances, polled and read directly."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import anyio
import pyarrow as pa
import structlog
from anyio import CapacityLimiter
from msgspec.structs import replace

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.sqlserver.capture.instances import Instances
from dtaas.connectors.sqlserver.capture.lost import lost
from dtaas.connectors.sqlserver.capture.retention import Retention
from dtaas.connectors.sqlserver.capture.rights import Rights
from dtaas.connectors.sqlserver.capture.rows import ChangeRows
from dtaas.connectors.sqlserver.capture.survey import CaptureSurveyor
from dtaas.connectors.sqlserver.capture.windows import (
    WindowQuery,
    WindowReading,
    change_function,
    change_table,
    spelled_ordinals,
)
from dtaas.connectors.sqlserver.catalog import Catalog
from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.connectors.sqlserver.driver import find_driver
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.rate_limit import RateLimit
from dtaas.connectors.sqlserver.source import SqlServerSource, why_not_natively
from dtaas.model.captures import CaptureInstance, CaptureSurvey
from dtaas.model.change_ports import ChangeSource, FollowsDdl, PreparesWindows, ShowsCaptures
from dtaas.model.changes import ChangeWindow, SourceState, TrackedTable
from dtaas.model.connectors import SqlServerConfig
from dtaas.model.errors import (
    CaptureGapError,
    CaptureStoppedError,
    DtaasError,
    RequestError,
)
from dtaas.model.execution import ReadBy
from dtaas.model.ports import BatchReader, ConnectsAhead
from dtaas.model.schema import TableRef

log = structlog.get_logger()
_LOW: Final = "SELECT sys.fn_cdc_get_min_lsn(?)"
_NEXT: Final = """
SELECT s.changes, s.lsn, (SELECT MAX(m.tran_end_time) FROM cdc.lsn_time_mapping AS m
  WHERE m.start_lsn = s.lsn) AS ended
FROM (SELECT COUNT(*) AS changes, MAX(t.lsn) AS lsn
  FROM (SELECT TOP ({rows}) ct.[__$start_lsn] AS lsn FROM {table} AS ct
    WHERE ct.[__$start_lsn] > ? AND ct.[__$start_lsn] <= ? ORDER BY ct.[__$start_lsn]) AS t
  WHERE t.lsn < ?) AS s"""
_NEXT_BY_FUNCTION: Final = """
SELECT COUNT(*), MAX(t.lsn), sys.fn_cdc_map_lsn_to_time(MAX(t.lsn))
FROM (SELECT TOP ({rows}) ct.[__$start_lsn] AS lsn FROM {call} AS ct
  ORDER BY ct.[__$start_lsn]) AS t
WHERE t.lsn < ?"""
_BEYOND: Final = b"\xff" * 10
_ANCHOR_LIMIT_S: Final = 120.0
_ANCHOR_PAUSE_S: Final = 0.2
_READERS: Final = 16
"""As many as the engine has places: a reader whose destination is stuck must not stop others."""
_THREADS: Final = 4
_MEGABYTE: Final = 1_000_000


class SqlServerChangeSource:
    """Reads the changes of one database for one task."""

    def __init__(
        self,
        config: SqlServerConfig,
        *,
        application: str = "dtaas",
        driver: str = "",
        beside: SqlServerSource | None = None,
    ) -> None:
        """Prepare; connects when first used.

        Args:
            beside: reads rows of the same database for the same task: each takes the sessions the
                other is done with.

        Raises:
            DriverMissingError: there is no ODBC driver, or no native reader where it is demanded.
        """
        self._config = config
        self._endpoint = Endpoint(config, driver=find_driver(driver), application=application)
        self._pool = ControlPool(self._endpoint, shelf=beside.shelf if beside else None)
        self._alone = beside is None
        self._catalog = Catalog(self._pool)
        self._rights = Rights(self._pool, self._catalog)
        described = None if beside is None else beside.catalog
        self._instances = Instances(self._pool, self._catalog, self._rights, described)
        self._retention = Retention(self._pool)
        rate = RateLimit(config.read_rate_limit_mb_s * _MEGABYTE)
        self._reading = WindowReading(
            self._endpoint, self._pool, rate, why_odbc=why_not_natively(config)
        )
        self._turns = CapacityLimiter(_READERS)
        self._blocking = Blocking(_THREADS)
        self._zone_s = 0.0
        # A readable secondary cannot be changed: what is missing there is for the primary's DBA.
        self._on_replica = config.application_intent_read_only

    async def connect_ahead(self) -> None:
        """Connect, and ask what every first poll asks; it does not fail."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._ask_ahead)
            group.start_soon(self._reading.connect_ahead)

    async def _ask_ahead(self) -> None:
        if self._alone:
            await self._pool.shelf.fill()
        try:
            await self._rights.gated()
            if self._rights.known and not self._on_replica:
                await self._retention.seconds()
        except DtaasError as error:  # the poll asks again, and is told the same
            log.info("not_asked_ahead", code=error.code, error=error.detail)

    async def prepare(self, tracked: TrackedTable) -> None:
        """Learn what the first window of a table needs, ahead of it."""
        await self._instances.logged(tracked)

    async def track(
        self, tables: Sequence[TableRef], *, keys: Mapping[TableRef, tuple[str, ...]], enable: bool
    ) -> Sequence[TrackedTable]:
        """Find, or with `enable` make, the capture instances of tables."""
        enable = enable and not self._on_replica
        return await self._instances.track(tables, keys=keys, enable=enable)

    async def follow_ddl(self, tracked: TrackedTable, *, enable: bool) -> TrackedTable:
        """Return a table as it is after DDL, with the newer instance that takes over, if any."""
        enable = enable and not self._on_replica
        return await self._instances.follow_ddl(tracked, enable=enable)

    async def untrack(self, tracked: TrackedTable) -> None:
        """Drop a capture instance that we made; on a readable secondary nothing can be dropped."""
        if self._on_replica:
            return
        await self._instances.untrack(tracked)

    async def survey(self) -> CaptureSurvey:
        """Return all capture instances the login may see, and how the capture job does."""
        return await CaptureSurveyor(self._pool).survey()

    async def drop_capture(self, instance: CaptureInstance) -> None:
        """Drop a capture instance."""
        if self._on_replica:
            raise RequestError(
                "On a readable secondary nothing can be dropped.",
                hint="Ask the primary's DBA, or use a connector to the primary.",
            )
        await CaptureSurveyor(self._pool).drop(instance)

    async def anchor(self, tracked: Sequence[TrackedTable]) -> bytes:
        """Return the highest captured LSN, once every instance is captured up to there."""
        with anyio.move_on_after(_ANCHOR_LIMIT_S):
            while True:
                state = await self.poll(tracked)
                if state.position and all(
                    state.low.get(t.table, b"") and state.position >= state.low[t.table]
                    for t in tracked
                ):
                    return state.position
                await anyio.sleep(_ANCHOR_PAUSE_S)
        raise CaptureStoppedError(
            f"The capture job did not reach the new tables within {_ANCHOR_LIMIT_S:.0f} s.",
            hint="Start SQL Server Agent, and the job: EXEC sys.sp_cdc_start_job N'capture';",
        )

    async def poll(self, tracked: Sequence[TrackedTable]) -> SourceState:
        """Ask once, for all tables, what is new."""
        state = await (await self._rights.metadata()).poll(tracked)
        self._zone_s = state.zone_s
        # The jobs of a readable secondary are not those that clean what is read here.
        kept_s = None if self._on_replica else await self._retention.seconds()
        return replace(state, replica=self._on_replica, retention_s=kept_s)

    async def cut(
        self, tracked: TrackedTable, *, after: bytes, to: bytes, most_rows: int
    ) -> ChangeWindow:
        """Return the next window of whole transactions."""
        # One more than wanted: its transaction is the one that goes too far.
        count, last, at = await self._next(tracked, after, to, most_rows + 1, _BEYOND)
        if count <= most_rows:
            return self._window(tracked, after, to, count, at)
        kept, before, at_before = await self._next(tracked, after, to, most_rows + 1, last)
        if kept:
            return self._window(tracked, after, before, kept, at_before)
        return self._window(tracked, after, last, None, at)  # one transaction is larger alone

    async def _next(
        self, tracked: TrackedTable, after: bytes, to: bytes, rows: int, below: bytes
    ) -> tuple[int, bytes, datetime | None]:
        """Count at most `rows` changes up to `to` and below `below`; return the last's LSN too."""
        what = f"Looking for changes of {tracked.table}"
        if await self._rights.gated():
            call = change_function(tracked.instance, "sys.fn_cdc_increment_lsn(?)", "?")
            sql = _NEXT_BY_FUNCTION.format(call=call, rows=int(rows))
        else:
            sql = _NEXT.format(table=change_table(tracked.instance), rows=int(rows))
        found = await self._pool.fetch(what, sql, after, to, below)
        count, last, at = found[0]
        return int(count), bytes(last or b""), at

    def _window(
        self, tracked: TrackedTable, after: bytes, to: bytes, rows: int | None, at: datetime | None
    ) -> ChangeWindow:
        commit_time = None
        if at is not None:
            minutes = round(self._zone_s / 60)
            commit_time = (at + timedelta(minutes=minutes)).replace(tzinfo=UTC)
        return ChangeWindow(
            table=tracked.table, after=after, to=to, expected_rows=rows, commit_time=commit_time
        )

    @asynccontextmanager
    async def changes(
        self, tracked: TrackedTable, window: ChangeWindow, *, batch_rows: int, batch_bytes: int
    ) -> AsyncIterator[BatchReader]:
        """Open a reader over a window."""
        await self._require_kept(tracked, window)
        logged = await self._instances.logged(tracked)
        columns, ordinals = logged.of(tracked.schema)
        rows = ChangeRows(tracked.schema, columns, ordinals)
        before = tuple(tracked.schema.key) != logged.own_key
        query = WindowQuery(
            instance=tracked.instance,
            window=window,
            schema=rows.raw,
            columns=columns,
            before=before,
            spelled=spelled_ordinals(tracked.schema.key, columns, ordinals),
            gated=await self._rights.gated(),
        )
        opened = self._reading.opened(query, batch_rows=batch_rows, batch_bytes=batch_bytes)
        async with self._turns, opened as reader:
            convert = partial(self._convert, rows)
            check = partial(self._require_kept, tracked, window)
            yield _WindowReader(reader, convert, check)

    async def aclose(self) -> None:
        """Close every session. Idempotent."""
        self._reading.close()
        await self._pool.aclose()

    async def _convert(self, rows: ChangeRows, batch: pa.RecordBatch) -> pa.RecordBatch:
        return await self._blocking(rows.convert, batch, zone_s=self._zone_s)

    async def _require_kept(self, tracked: TrackedTable, window: ChangeWindow) -> None:
        rows = await self._pool.fetch(f"Reading changes of {tracked.table}", _LOW, tracked.instance)
        low = bytes(rows[0][0]) if rows[0][0] is not None else b""
        if not any(low):
            raise lost([tracked.table], "is gone, or the login may not read it any more")
        if int.from_bytes(low) > int.from_bytes(window.after) + 1:
            raise CaptureGapError(
                f"Changes of {tracked.table} after {window.after.hex()} are not kept any more: "
                f"the change table begins at {low.hex()}.",
                hint="Load the table anew, and keep changes longer: EXEC sys.sp_cdc_change_job "
                "N'cleanup', @retention = 10080;",
            )


class _WindowReader:
    """Reads the change rows of one window."""

    def __init__(
        self,
        reader: BatchReader,
        convert: Callable[[pa.RecordBatch], Awaitable[pa.RecordBatch]],
        check: Callable[[], Awaitable[None]],
    ) -> None:
        self._reader = reader
        self._convert = convert
        self._check = check

    @property
    def read_by(self) -> ReadBy | None:
        """What reads the rows."""
        return self._reader.read_by

    async def next(self) -> pa.RecordBatch | None:
        """Return the next batch; after the last row make sure that none was cleaned away."""
        batch = await self._reader.next()
        if batch is None:
            await self._check()
            return None
        return await self._convert(batch)


_: type[ChangeSource] = SqlServerChangeSource
_follows: type[FollowsDdl] = SqlServerChangeSource
_shows: type[ShowsCaptures] = SqlServerChangeSource
_ahead: tuple[type[ConnectsAhead], type[PreparesWindows]] = (
    SqlServerChangeSource,
    SqlServerChangeSource,
)
