"""One query that says what is new, however many tables are tracked."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.connectors.sqlserver.quoting import identifier, text_literal
from dtaas.model.changes import SourceState, TrackedTable
from dtaas.model.errors import (
    CaptureLostError,
    DtaasError,
    PermissionDeniedError,
    TableNotFoundError,
)
from dtaas.model.schema import TableRef

_STATE: Final = """
SELECT (SELECT MAX(m.start_lsn) FROM cdc.lsn_time_mapping AS m) AS position,
  (SELECT TOP (1) m.tran_end_time FROM cdc.lsn_time_mapping AS m ORDER BY m.start_lsn DESC) AS at,
  GETDATE() AS local_time, GETUTCDATE() AS utc_time,
  (SELECT TOP (1) s.end_time FROM sys.dm_cdc_log_scan_sessions AS s
    WHERE s.scan_phase = N'Done' ORDER BY s.session_id DESC) AS scanned_at,
  {fork} AS fork, t.number, t.high, c.start_lsn,
  CONVERT(varchar(11), c.object_id) + ' ' + CONVERT(varchar(23), c.create_date, 121) AS identity_,
  d.latest AS ddl, n.newest, n.instances
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
_NAMES: Final = "SELECT c.capture_instance FROM cdc.change_tables AS c"
_STALE_S: Final = 60.0
_NEVER: Final = datetime(1900, 1, 1)  # noqa: DTZ001 - the server's local time, as its own columns are


class Poller:
    """Polls the tracked tables of one database. The text of the query changes with the tables."""

    def __init__(self, pool: ControlPool) -> None:
        self._pool = pool
        self._tables: tuple[str, ...] = ()
        self._sql = ""

    async def poll(self, tracked: Sequence[TrackedTable]) -> SourceState:
        """Return what the source holds now; see the port."""
        names = tuple(t.instance for t in tracked)
        if names != self._tables or not self._sql:
            self._tables, self._sql = names, _STATE.format(fork=_FORK, marks=_marks(tracked))
        try:
            rows = await self._pool.fetch("Polling for changes", self._sql)
        except TableNotFoundError as exc:
            raise await self._lost(tracked) from exc
        return _state(tracked, rows)

    async def _lost(self, tracked: Sequence[TrackedTable]) -> DtaasError:
        present = {row[0] for row in await self._pool.fetch("Polling for changes", _NAMES)}
        gone = [t for t in tracked if t.instance not in present]
        return lost([t.table for t in gone], "is gone: capture was disabled, or the table dropped")


def lost(tables: Sequence[TableRef], what: str) -> CaptureLostError:
    """Return the error for instances that cannot be read any more."""
    names = ", ".join(str(t) for t in tables)
    return CaptureLostError(
        f"The capture instance of {names} {what}.",
        hint="Enable change data capture again and load these tables anew.",
        tables=tuple(tables),
    )


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
    for row in rows:
        table = tracked[row[6]]
        if row[9] != table.instance_id:
            changed.append(table.table)
        if row[7] is not None:
            high[table.table] = bytes(row[7])
        if row[8] is not None:
            low[table.table] = bytes(row[8])
        if row[10] is not None or row[11] != row[8]:
            structure[table.table] = f"{_hex(row[10])} {_hex(row[11])} {row[12]}"
    if changed:
        raise lost(changed, "is another one than before")
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
        committed_at=None if at is None else _in_utc(at, zone),
        polled_at=_in_utc(local, zone),
        scanned_at=_in_utc(scanned or _NEVER, zone),
        zone_s=zone.total_seconds(),
        structure=structure,
        capture_lag_s=behind_s if behind_s > _STALE_S else 0.0,
        trouble=f"the capture job last scanned the log {behind_s:.0f} s ago"
        if behind_s > _STALE_S
        else "",
    )


def _hex(position: bytes | None) -> str:
    return bytes(position or b"").hex()


def _in_utc(local: datetime, zone: timedelta) -> datetime:
    """Return a time of the server's clock in UTC, to the minute of its present zone."""
    minutes = round(zone.total_seconds() / 60)
    return (local + timedelta(minutes=minutes)).replace(tzinfo=UTC)
