"""All capture instances of a database and the state of its jobs: asked when somebody looks."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from dtaas.connectors.sqlserver.capture.instances import disable_statement, instance_names
from dtaas.connectors.sqlserver.capture.server_clock import in_utc
from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.model.captures import CaptureInstance, CaptureSurvey
from dtaas.model.errors import PermissionDeniedError, SourceQueryError, TableNotFoundError
from dtaas.model.schema import TableRef

_WHAT: Final = "Looking at change data capture"
_ENABLED: Final = "SELECT d.is_cdc_enabled FROM sys.databases AS d WHERE d.name = DB_NAME()"
_HELP: Final = "EXEC sys.sp_cdc_help_change_data_capture"
_JOBS: Final = "EXEC sys.sp_cdc_help_jobs"
_NOW: Final = """
SELECT sys.fn_cdc_get_max_lsn(), sys.fn_cdc_map_lsn_to_time(sys.fn_cdc_get_max_lsn()),
  GETDATE(), GETUTCDATE()"""
_SCAN: Final = """
SELECT TOP (1) s.end_time FROM sys.dm_cdc_log_scan_sessions AS s
WHERE s.scan_phase = N'Done' ORDER BY s.session_id DESC"""
_COLUMNS: Final = """
SELECT c.object_id, c.name FROM sys.columns AS c
JOIN sys.tables AS t ON t.object_id = c.object_id
WHERE t.is_tracked_by_cdc = 1 ORDER BY c.object_id, c.column_id"""
_NAME: Final = re.compile(r"\[((?:[^]]|]])*)\]")
_STALE_S: Final = 60.0
_MINUTE_S: Final = 60.0
_MAY_NOT: Final = (PermissionDeniedError, TableNotFoundError, SourceQueryError)
"""What the server says to a login that is no db_owner, or where there are no jobs (Azure SQL)."""


class CaptureSurveyor:
    """Asks the procedures that show every login what it may see."""

    def __init__(self, pool: ControlPool) -> None:
        self._pool = pool

    async def survey(self) -> CaptureSurvey:
        """Return what is captured now."""
        enabled = await self._pool.fetch(_WHAT, _ENABLED)
        if not enabled or not enabled[0][0]:
            return CaptureSurvey(enabled=False, fix="EXEC sys.sp_cdc_enable_db;")
        position, at, local, utc = (await self._pool.fetch(_WHAT, _NOW))[0]
        zone: timedelta = utc - local
        columns: defaultdict[int, list[str]] = defaultdict(list)
        for number, name in await self._pool.fetch(_WHAT, _COLUMNS):
            columns[number].append(name)
        rows = await self._pool.fetch(_WHAT, _HELP)
        scanned, fix = await self._scanned()
        trouble, mend = _judged(scanned, local)
        return CaptureSurvey(
            enabled=True,
            instances=tuple(_instance(row, columns, zone) for row in rows),
            position=bytes(position or b"").hex(),
            committed_at=None if at is None else in_utc(at, zone),
            scanned_at=None if scanned is None else in_utc(scanned, zone),
            retention_s=await self._retention_s(),
            trouble=trouble,
            fix=mend or fix,
        )

    async def drop(self, instance: CaptureInstance) -> None:
        """Drop one instance of a table."""
        statement = disable_statement(instance.table, instance.name)
        await self._pool.fetch(f"Ending the capture of {instance.table}", statement)

    async def _scanned(self) -> tuple[datetime | None, str]:
        """Return when the log was scanned, on the server's clock, or what lets the login see it."""
        try:
            rows = await self._pool.fetch(_WHAT, _SCAN)
        except PermissionDeniedError as error:
            return None, error.hint
        return (rows[0][0] if rows else None), ""

    async def _retention_s(self) -> float | None:
        try:
            jobs = await self._pool.fetch(_WHAT, _JOBS)
        except _MAY_NOT:
            return None
        kept = [retention for _, kind, *_, retention, _ in jobs if kind == "cleanup"]
        return None if not kept or not kept[0] else float(kept[0]) * _MINUTE_S


def _judged(scanned: datetime | None, now: datetime) -> tuple[str, str]:
    """Return what is wrong with the capture job, and the statement that mends it."""
    behind_s = 0.0 if scanned is None else (now - scanned).total_seconds()
    if behind_s <= _STALE_S:
        return "", ""
    return (
        f"The capture job last scanned the log {behind_s:.0f} s ago.",
        "EXEC sys.sp_cdc_start_job N'capture';",
    )


def _instance(
    row: Sequence[Any], columns: Mapping[int, Sequence[str]], zone: timedelta
) -> CaptureInstance:
    """Return a row of sp_cdc_help_change_data_capture."""
    schema, table, name, number, source, start, *_ = row
    role, made = row[9], row[12]
    ref = TableRef(schema, table)
    captured = tuple(part.replace("]]", "]") for part in _NAME.findall(row[14] or ""))
    return CaptureInstance(
        table=ref,
        name=name,
        identity=f"{number} {made:%Y-%m-%d %H:%M:%S}.{made.microsecond // 1000:03d}",
        columns=captured,
        missing=tuple(c for c in columns.get(source, ()) if c not in captured),
        start=bytes(start or b"").hex(),
        created_at=in_utc(made, zone),
        made_by_us=name in instance_names(ref, source),
        role=role or None,
    )
