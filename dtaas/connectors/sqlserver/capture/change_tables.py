"""Capture instances for a login that may read schema cdc: one query says what is new of all."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from dtaas.connectors.sqlserver.capture.lost import RENAMED, is_of, lost
from dtaas.connectors.sqlserver.capture.metadata import CapturedRow, InstanceRow
from dtaas.connectors.sqlserver.capture.server_clock import NEVER, in_utc
from dtaas.connectors.sqlserver.catalog import Catalog, SqlTable
from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.connectors.sqlserver.quoting import identifier, text_literal
from dtaas.connectors.sqlserver.types import SqlColumn
from dtaas.model.changes import SourceState, TrackedTable
from dtaas.model.errors import DtaasError, PermissionDeniedError, TableNotFoundError
from dtaas.model.schema import TableRef

_STATE: Final = """
SELECT (SELECT MAX(m.start_lsn) FROM cdc.lsn_time_mapping AS m) AS position,
  (SELECT TOP (1) m.tran_end_time FROM cdc.lsn_time_mapping AS m ORDER BY m.start_lsn DESC) AS at,
  GETDATE() AS local_time, GETUTCDATE() AS utc_time,
  {scan} AS scanned_at, {fork} AS fork, t.number, t.high, c.start_lsn,
  CONVERT(varchar(11), c.object_id) + ' ' + CONVERT(varchar(23), c.create_date, 121) AS identity_,
  d.latest AS ddl, n.newest, n.instances,
  OBJECT_SCHEMA_NAME(c.source_object_id) AS source_schema,
  OBJECT_NAME(c.source_object_id) AS source_name
FROM ({marks}) AS t
LEFT JOIN cdc.change_tables AS c ON c.capture_instance = t.instance
LEFT JOIN (SELECT h.object_id, MAX(h.ddl_lsn) AS latest FROM cdc.ddl_history AS h
  GROUP BY h.object_id) AS d ON d.object_id = c.object_id
LEFT JOIN (SELECT o.source_object_id, MAX(o.start_lsn) AS newest,
  COUNT(*) AS instances FROM cdc.change_tables AS o GROUP BY o.source_object_id) AS n
  ON n.source_object_id = c.source_object_id"""
_FORK: Final = (
    "(SELECT CONVERT(varchar(36), r.recovery_fork_guid) FROM sys.database_recovery_status AS r"
    " WHERE r.database_id = DB_ID())"
)
_SCAN: Final = (
    "(SELECT TOP (1) s.end_time FROM sys.dm_cdc_log_scan_sessions AS s"
    " WHERE s.scan_phase = N'Done' ORDER BY s.session_id DESC)"
)
_UNSEEN: Final = "NULL"
_INSTANCES: Final = """
SELECT c.capture_instance, c.object_id, CONVERT(varchar(23), c.create_date, 121), c.start_lsn
FROM cdc.change_tables AS c WHERE c.source_object_id = ? ORDER BY c.start_lsn, c.create_date"""
_CAPTURED: Final = """
SELECT k.column_name, k.column_id, k.is_computed, k.column_ordinal
FROM cdc.captured_columns AS k WHERE k.object_id = ? ORDER BY k.column_ordinal"""
_HISTORY: Final = """
SELECT h.ddl_lsn, h.ddl_command FROM cdc.ddl_history AS h
WHERE h.object_id = ? ORDER BY h.ddl_lsn"""
_NAMES: Final = "SELECT c.capture_instance FROM cdc.change_tables AS c"
_STALE_S: Final = 60.0


class ChangeTables:
    """Asks the tables of schema cdc themselves."""

    def __init__(self, pool: ControlPool, catalog: Catalog) -> None:
        self._pool = pool
        self._catalog = catalog
        self._tables: tuple[str, ...] = ()
        self._sql = ""
        self._sees_scans = True

    async def instances(self, table: SqlTable) -> list[InstanceRow]:
        """Return the instances of a table, oldest first."""
        found = await self._pool.fetch(f"Describing {table.ref}", _INSTANCES, table.object_id)
        return [
            InstanceRow(
                name=name, object_id=number, identity=f"{number} {made}", start=bytes(start or b"")
            )
            for name, number, made, start in found
        ]

    async def captured(self, table: SqlTable, row: InstanceRow) -> list[CapturedRow]:
        """Return the columns an instance captures, in the order of their ordinals."""
        found = await self._pool.fetch(f"Describing {table.ref}", _CAPTURED, row.object_id)
        return [
            CapturedRow(name=name, column_id=number, computed=bool(computed), ordinal=int(ordinal))
            for name, number, computed, ordinal in found
        ]

    async def held(self, table: SqlTable, row: InstanceRow) -> Mapping[str, SqlColumn]:
        """Return the columns of the change table by name: it keeps the ones that were dropped."""
        columns = await self._catalog.columns(f"Describing {table.ref}", row.object_id)
        if not columns:
            raise TableNotFoundError(
                f"There is no table {TableRef('cdc', f'{row.name}_CT')}, or the login may not see"
                " it.",
                hint="GRANT SELECT ON SCHEMA::cdc TO [the_user];",
            )
        return {c.name: c for c in columns}

    async def history(self, table: SqlTable, row: InstanceRow) -> Mapping[bytes, str]:
        """Return the DDL since the instance was made, by position."""
        found = await self._pool.fetch(f"Describing {table.ref}", _HISTORY, row.object_id)
        return {bytes(lsn): str(command or "") for lsn, command in found}

    async def poll(self, tracked: Sequence[TrackedTable]) -> SourceState:
        """Return what the source holds now; its text changes only with the tables."""
        names = tuple(t.instance for t in tracked)
        if names != self._tables or not self._sql:
            self._tables, self._sql = names, self._statement(tracked)
        try:
            rows = await self._pool.fetch("Polling for changes", self._sql)
        except TableNotFoundError as exc:
            raise await self._lost(tracked) from exc
        except PermissionDeniedError:
            if not self._sees_scans:
                raise
            # Without VIEW DATABASE STATE, how far the log was scanned is not known; changes are.
            self._sees_scans, self._sql = False, ""
            return await self.poll(tracked)
        return _state(tracked, rows)

    def _statement(self, tracked: Sequence[TrackedTable]) -> str:
        scan = _SCAN if self._sees_scans else _UNSEEN
        fork = _FORK if self._sees_scans else _UNSEEN
        return _STATE.format(scan=scan, fork=fork, marks=_marks(tracked))

    async def _lost(self, tracked: Sequence[TrackedTable]) -> DtaasError:
        present = {row[0] for row in await self._pool.fetch("Polling for changes", _NAMES)}
        gone = [t for t in tracked if t.instance not in present]
        return lost([t.table for t in gone], "is gone: capture was disabled, or the table dropped")


def _marks(tracked: Sequence[TrackedTable]) -> str:
    return " UNION ALL ".join(
        f"SELECT {number} AS number, {text_literal(t.instance)} AS instance,"
        f" (SELECT MAX(h.[__$start_lsn]) FROM cdc.{identifier(t.instance + '_CT')} AS h) AS high"
        for number, t in enumerate(tracked)
    )


def _state(tracked: Sequence[TrackedTable], rows: Sequence[Sequence[Any]]) -> SourceState:
    high: dict[TableRef, bytes] = {}
    low: dict[TableRef, bytes] = {}
    structure: dict[TableRef, str] = {}
    changed: list[TableRef] = []
    renamed: list[TableRef] = []
    for row in rows:
        table = tracked[row[6]]
        if row[9] != table.instance_id:
            changed.append(table.table)
        elif not is_of(table.table, row[13], row[14]):
            renamed.append(table.table)
        if row[7] is not None:
            high[table.table] = bytes(row[7])
        if row[8] is not None:
            low[table.table] = bytes(row[8])
        if row[10] is not None or row[11] != row[8]:
            structure[table.table] = f"{_hex(row[10])} {_hex(row[11])} {row[12]}"
    if changed:
        raise lost(changed, "is another one than before")
    if renamed:
        raise lost(renamed, RENAMED)
    position, at, local, utc, scanned, fork = rows[0][:6]
    if position is None and not any(low.values()):
        raise PermissionDeniedError(
            "The login may not read what change data capture holds.",
            hint="GRANT SELECT ON SCHEMA::cdc TO [the_user];",
        )
    zone: timedelta = utc - local
    behind_s = 0.0 if scanned is None else max(0.0, (local - scanned).total_seconds())
    return SourceState(
        position=bytes(position) if position is not None else b"",
        identity=fork or "",
        high=high,
        low=low,
        committed_at=None if at is None else in_utc(at, zone),
        polled_at=in_utc(local, zone),
        scanned_at=in_utc(scanned or NEVER, zone),
        zone_s=zone.total_seconds(),
        structure=structure,
        capture_lag_s=behind_s if behind_s > _STALE_S else 0.0,
        trouble=f"the capture job last scanned the log {behind_s:.0f} s ago"
        if behind_s > _STALE_S
        else "",
    )


def _hex(position: bytes | None) -> str:
    return bytes(position or b"").hex()
