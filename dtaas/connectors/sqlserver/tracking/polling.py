"""One query that says what is new by Change Tracking, however many tables there are."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from anyio import Lock

from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.connectors.sqlserver.isolation import Isolation, in_isolation
from dtaas.connectors.sqlserver.quoting import table_name, text_literal
from dtaas.connectors.sqlserver.tracking.tables import identity_of
from dtaas.model.changes import POSITION_BYTES, SourceState, TrackedTable
from dtaas.model.errors import CaptureLostError, SourceQueryError, TableNotFoundError
from dtaas.model.schema import TableRef

_STATE: Final = """
DECLARE @floor bigint = ?, @version bigint = CHANGE_TRACKING_CURRENT_VERSION();
SELECT @version AS version, GETUTCDATE() AS utc_time,
  (SELECT CONVERT(varchar(36), r.recovery_fork_guid) FROM sys.database_recovery_status AS r
    WHERE r.database_id = DB_ID()) AS fork,
  d.is_auto_cleanup_on, d.retention_period, d.retention_period_units_desc,
  t.number, t.object_id, t.high, k.begin_version,
  CHANGE_TRACKING_MIN_VALID_VERSION(t.object_id) AS low
FROM ({marks}) AS t
LEFT JOIN sys.change_tracking_tables AS k ON k.object_id = t.object_id
LEFT JOIN sys.change_tracking_databases AS d ON d.database_id = DB_ID()"""
"""The version comes first, in a statement of its own: what the next one sees is at least as new."""
_TRACKED: Final = """
SELECT OBJECT_ID(?) AS object_id,
  (SELECT k.begin_version FROM sys.change_tracking_tables AS k WHERE k.object_id = OBJECT_ID(?))"""
_UNIT_S: Final = {"MINUTES": 60, "HOURS": 3600, "DAYS": 86_400}
_HINT: Final = "Switch Change Tracking on again and load these tables anew."


class TrackingPoller:
    """Polls the tracked tables of one database. The text of the query changes with the tables."""

    def __init__(self, pool: ControlPool) -> None:
        self._pool = pool
        self._tables: tuple[TrackedTable, ...] = ()
        self._sql = ""
        self._floor = 0
        self._high: dict[TableRef, int] = {}
        self._turn = Lock()  # what is remembered belongs to one set of tables at a time

    async def poll(self, tracked: Sequence[TrackedTable], isolation: Isolation) -> SourceState:
        """Return what the source holds now; see the port."""
        async with self._turn:
            return await self._poll(tuple(tracked), isolation)

    async def _poll(self, tables: tuple[TrackedTable, ...], isolation: Isolation) -> SourceState:
        if tables != self._tables:
            self._tables, self._sql = tables, _STATE.format(marks=_marks(tables))
            self._floor = min(int.from_bytes(t.start) for t in tables)
            self._high.clear()
        what = "Polling for changes"
        try:
            rows = await self._pool.fetch(what, in_isolation(isolation, self._sql), self._floor)
        except (SourceQueryError, TableNotFoundError) as exc:
            gone = await self._gone(tables)
            if not gone:
                raise
            raise lost(gone, "is off") from exc
        return self._state(rows)

    async def _gone(self, tables: Sequence[TrackedTable]) -> list[TableRef]:
        found = []
        for tracked in tables:
            name = table_name(tracked.table)
            rows = await self._pool.fetch("Polling for changes", _TRACKED, name, name)
            object_id, begun = rows[0]
            if object_id is None or identity_of(object_id, begun) != tracked.instance_id:
                found.append(tracked.table)
        return found

    def _state(self, rows: Sequence[Sequence[Any]]) -> SourceState:
        low: dict[TableRef, bytes] = {}
        changed: list[TableRef] = []
        for row in rows:
            tracked = self._tables[row[6]]
            if row[10] is None or identity_of(row[7], row[9]) != tracked.instance_id:
                changed.append(tracked.table)
                continue
            news = [] if row[8] is None else [int(row[8])]
            if int(row[10]) > int.from_bytes(tracked.start):
                news.append(int(row[10]))  # as after a TRUNCATE, which leaves no change behind
            if news:
                self._high[tracked.table] = max(self._high.get(tracked.table, 0), *news)
            low[tracked.table] = position_of(int(row[10]))
        if changed:
            raise lost(changed, "was switched off and on again, or the login may not see it")
        version, now, fork, cleans, period, unit = rows[0][:6]
        self._floor = int(version)  # what is older was told by this poll or an earlier one
        at = _utc(now)
        return SourceState(
            position=position_of(int(version)),
            identity=fork or "",
            high={table: position_of(high) for table, high in self._high.items()},
            low=low,
            committed_at=at,
            polled_at=at,
            capture_lag_s=0.0,
            retention_s=float(period * _UNIT_S[unit]) if cleans else None,
        )


def position_of(version: int) -> bytes:
    """Return a version as a position."""
    return version.to_bytes(POSITION_BYTES)


def lost(tables: Sequence[TableRef], what: str) -> CaptureLostError:
    """Return the error for tables that are not tracked as they were."""
    names = ", ".join(str(t) for t in tables)
    return CaptureLostError(f"Change Tracking of {names} {what}.", hint=_HINT, tables=tuple(tables))


def _marks(tracked: Sequence[TrackedTable]) -> str:
    return " UNION ALL ".join(
        f"SELECT {number} AS number, OBJECT_ID({text_literal(table_name(t.table))}) AS object_id,"
        f" (SELECT MAX(c{number}.SYS_CHANGE_VERSION)"
        f" FROM CHANGETABLE(CHANGES {table_name(t.table)}, @floor) AS c{number}) AS high"
        for number, t in enumerate(tracked)
    )


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
