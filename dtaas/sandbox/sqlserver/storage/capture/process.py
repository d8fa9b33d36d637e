"""The capture process as a background task: when it scans, and what tests make of it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

import anyio
import asyncpg
import structlog
from anyio import CancelScope, Event

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.capture.cleanup import keep_last
from dtaas.sandbox.sqlserver.storage.capture.job import note_idle, scan
from dtaas.sandbox.sqlserver.storage.server import StorageServer

INTERVAL_S: Final = 0.25
IDLE_S: Final = 300.0
_FAILS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""What DDL beside a scan, or a lost connection, makes of it: it is done again."""
_PAUSE_AFTER_FAILURE_S: Final = 1.0
_CLOSE_LIMIT_S: Final = 5.0
_ENABLED: Final = """
SELECT d.database_id, j.maxtrans, store.now() AS began,
  EXISTS (SELECT FROM meta.captured_transactions t
    WHERE t.database_id = d.database_id AND t.commit_lsn IS NOT NULL) AS waits,
  coalesce((SELECT max(i.start_lsn) FROM (SELECT start_lsn FROM meta.capture_instances c
      WHERE c.database_id = d.database_id ORDER BY start_lsn DESC LIMIT 1) i) >
    coalesce((SELECT t.start_lsn FROM meta.capture_times t WHERE t.database_id = d.database_id
      ORDER BY t.start_lsn DESC LIMIT 1), '\\x'), false) AS is_new
FROM meta.databases d JOIN meta.capture_jobs j USING (database_id)
WHERE d.is_cdc_enabled = 1 AND j.job_type = 'capture' AND j.is_running = 1
"""
_SESSION: Final = """
INSERT INTO meta.capture_sessions
  (database_id, start_time, end_time, tran_count, error_count, empty_scan_count)
VALUES ($1, $2, store.now(), $3, 0, ($3::bigint = 0)::int)
"""
_EMPTY_SESSIONS: Final = """
WITH again AS (
  UPDATE meta.capture_sessions s
  SET end_time = $2, empty_scan_count = s.empty_scan_count + 1
  WHERE s.database_id = ANY($1) AND s.empty_scan_count > 0 AND s.session_id =
    (SELECT max(n.session_id) FROM meta.capture_sessions n WHERE n.database_id = s.database_id)
  RETURNING s.database_id)
INSERT INTO meta.capture_sessions
  (database_id, start_time, end_time, tran_count, error_count, empty_scan_count)
SELECT d.database_id, $2, $2, 0, 0, 1 FROM meta.databases d
WHERE d.database_id = ANY($1) AND d.database_id NOT IN (SELECT a.database_id FROM again a)
"""
"""Scans that found nothing, one after another, are one row."""
_FORGET: Final = """
DELETE FROM meta.capture_sessions s WHERE s.database_id = $1 AND s.session_id <
  (SELECT n.session_id FROM meta.capture_sessions n WHERE n.database_id = $1
    ORDER BY n.session_id DESC OFFSET 31 LIMIT 1)
"""
_FAILURE: Final = """
INSERT INTO meta.capture_errors (database_id, entry_time, error_number, error_severity,
  error_state, error_message)
VALUES ($1, store.now(), $2, $3, $4, $5)
"""

log = structlog.get_logger()


class CaptureProcess:
    """Scans every database with change data capture, one after another.

    Attributes:
        interval_s: wait between scans that found nothing.
        idle_s: after so long without a transaction a row of idle time is written.
        paused: no scan begins, as when SQL Server Agent is stopped.
        failure: what every scan fails with, as a damaged capture job does; None lets it work.
    """

    def __init__(self, storage: StorageServer) -> None:
        self.interval_s = INTERVAL_S
        self.idle_s = IDLE_S
        self.paused = False
        self.failure: SqlError | None = None
        self._storage = storage
        self._turn = anyio.Lock()
        self._wake = Event()
        self._connection: asyncpg.Connection | None = None
        self._moved_at: dict[int, float] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Scan in the background until the block ends."""
        failure: Exception | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(self._run, name="capture")
            try:
                yield
            except Exception as exc:  # noqa: BLE001 - the block's own, raised again below
                failure = exc
            group.cancel_scope.cancel()
        if failure is not None:
            # From inside of the task group it would leave wrapped in a group.
            raise failure

    async def _run(self) -> None:
        """Scan until cancelled."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._close)
            while True:
                wait_s = self.interval_s
                if not self.paused:
                    try:
                        if await self.scan_now():
                            continue
                    except _FAILS as error:
                        log.warning("capture_scan_failed", error=str(error))
                        wait_s = max(wait_s, _PAUSE_AFTER_FAILURE_S)
                self._wake = Event()
                with anyio.move_on_after(wait_s):
                    await self._wake.wait()

    def resume(self) -> None:
        """Scan again, and at once."""
        self.paused = False
        self._wake.set()

    async def scan_now(self) -> int:
        """Scan every database once and return the transactions captured."""
        async with self._turn:
            connection = await self._own()
            captured = 0
            rest: list[asyncpg.Record] = []
            for database in await connection.fetch(_ENABLED):
                if not self._has_work(database):
                    rest.append(database)
                    continue
                # A database may be dropped under the scan: there is nothing left to note then.
                with suppress(asyncpg.ForeignKeyViolationError):
                    captured += await self._scan(connection, database)
            if rest:
                ids = [database["database_id"] for database in rest]
                with suppress(asyncpg.ForeignKeyViolationError):
                    await connection.execute(_EMPTY_SESSIONS, ids, rest[0]["began"])
            return captured

    async def clean(self, instance: str, *, keep: int) -> None:
        """Let a capture instance begin later, as cleanup does: with its last `keep` transactions.

        The low mark moves first; the rows below it go after that.
        """
        async with self._turn:
            await keep_last(await self._own(), instance, transactions=keep)

    def _has_work(self, database: asyncpg.Record) -> bool:
        return bool(
            database["waits"]
            or database["is_new"]
            or self.failure is not None
            or self._idle_s(database["database_id"]) >= self.idle_s
        )

    def _idle_s(self, database_id: int) -> float:
        now = anyio.current_time()
        return now - self._moved_at.setdefault(database_id, now)

    async def _scan(self, connection: asyncpg.Connection, database: asyncpg.Record) -> int:
        database_id = database["database_id"]
        if self.failure is not None:
            error = self.failure
            await connection.execute(
                _FAILURE, database_id, error.number, error.severity, error.state, error.text
            )
            return 0
        began = await connection.fetchval("SELECT store.now()")
        count = await scan(connection, database_id, most=database["maxtrans"])
        if count or database["is_new"] or self._idle_s(database_id) >= self.idle_s:
            if not count:
                await note_idle(connection, database_id)
            self._moved_at[database_id] = anyio.current_time()
        await connection.execute(_SESSION, database_id, began, count)
        await connection.execute(_FORGET, database_id)
        return count

    async def _own(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._storage.connect(login="sa", spid=0, restricted=False)
        return self._connection

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with CancelScope(shield=True), anyio.move_on_after(_CLOSE_LIMIT_S):
                await connection.close(timeout=_CLOSE_LIMIT_S)
