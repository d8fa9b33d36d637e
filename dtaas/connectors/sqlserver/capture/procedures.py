"""Capture instances for a login that may call their functions, but not read schema cdc.

That is what membership of a gating role gives, with SELECT on the source table. It costs more than
reading the tables: nobody says which table changed, so that each is looked at when the log moved
on. The functions give no order within a transaction but that of the log (`__$seqval`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from dtaas.connectors.sqlserver.capture.lost import RENAMED, is_of, lost
from dtaas.connectors.sqlserver.capture.metadata import CapturedRow, InstanceRow
from dtaas.connectors.sqlserver.capture.server_clock import NEVER, in_utc
from dtaas.connectors.sqlserver.catalog import SqlTable
from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.connectors.sqlserver.quoting import text_literal
from dtaas.connectors.sqlserver.types import SqlColumn
from dtaas.model.changes import SourceState, TrackedTable
from dtaas.model.schema import TableRef

_HELP: Final = "EXEC sys.sp_cdc_help_change_data_capture"
_COLUMNS: Final = "EXEC sys.sp_cdc_get_captured_columns @capture_instance = {}"
_HISTORY: Final = "EXEC sys.sp_cdc_get_ddl_history @capture_instance = {}"
_COMPUTED: Final = "SELECT c.column_id FROM sys.computed_columns AS c WHERE c.object_id = ?"
_STATE: Final = """
SELECT sys.fn_cdc_get_max_lsn(), sys.fn_cdc_map_lsn_to_time(sys.fn_cdc_get_max_lsn()),
  GETDATE(), GETUTCDATE(), t.object_id, CONVERT(varchar(23), t.modify_date, 121)
FROM (SELECT 1 AS one) AS o LEFT JOIN sys.tables AS t ON t.object_id IN ({tables})"""
_POLLING: Final = "Polling for changes"


class _Help(Struct, frozen=True, kw_only=True):
    """A row of sp_cdc_help_change_data_capture."""

    source_object_id: int
    source_schema: str | None
    source_name: str | None
    instance: InstanceRow

    def is_of(self, table: TableRef) -> bool:
        """Return whether it captures the table of that name."""
        return is_of(table, self.source_schema, self.source_name)


class CaptureProcedures:
    """Asks the procedures and functions that check the caller's rights by themselves."""

    def __init__(self, pool: ControlPool) -> None:
        self._pool = pool

    async def instances(self, table: SqlTable) -> list[InstanceRow]:
        """Return the instances of a table that the login may read, oldest first."""
        found = [h for h in await self._help() if h.source_object_id == table.object_id]
        return sorted((h.instance for h in found), key=lambda row: (row.start, row.identity))

    async def captured(self, table: SqlTable, row: InstanceRow) -> list[CapturedRow]:
        """Return the columns an instance captures, in the order of their ordinals."""
        what = f"Describing {table.ref}"
        computed = {row[0] for row in await self._pool.fetch(what, _COMPUTED, table.object_id)}
        found = await self._pool.fetch(what, _COLUMNS.format(text_literal(row.name)))
        columns = [
            CapturedRow(name=name, column_id=number, computed=number in computed, ordinal=ordinal)
            for _, _, _, name, number, ordinal, *_ in found
        ]
        return sorted(columns, key=lambda c: c.ordinal)

    async def held(self, table: SqlTable, row: InstanceRow) -> Mapping[str, SqlColumn]:
        """Return the captured columns that the table still has, of the types they have there."""
        names = {c.column_id: c.name for c in await self.captured(table, row)}
        found = await self._pool.fetch(f"Describing {table.ref}", _NAMES, table.object_id)
        now = {name: names[number] for name, number in found if number in names}
        return {now[c.name]: c for c in table.columns if c.name in now}

    async def history(self, table: SqlTable, row: InstanceRow) -> Mapping[bytes, str]:
        """Return the DDL since the instance was made, by position."""
        statement = _HISTORY.format(text_literal(row.name))
        found = await self._pool.fetch(f"Describing {table.ref}", statement)
        return {bytes(lsn): str(command or "") for *_, command, lsn, _ in found}

    async def poll(self, tracked: Sequence[TrackedTable]) -> SourceState:
        """Return what is new; two statements, however many tables are tracked."""
        helped = {h.instance.name: h for h in await self._help()}
        gone = [t for t in tracked if t.instance not in helped]
        if gone:
            raise lost([t.table for t in gone], "is gone, or the login may not read it any more")
        changed = [t for t in tracked if helped[t.instance].instance.identity != t.instance_id]
        if changed:
            raise lost([t.table for t in changed], "is another one than before")
        renamed = [t.table for t in tracked if not helped[t.instance].is_of(t.table)]
        if renamed:
            raise lost(renamed, RENAMED)
        numbers = sorted({helped[t.instance].source_object_id for t in tracked})
        sql = _STATE.format(tables=", ".join(map(str, numbers)) or "NULL")
        rows = await self._pool.fetch(_POLLING, sql)
        return _state(tracked, helped, rows)

    async def _help(self) -> list[_Help]:
        found = await self._pool.fetch(_POLLING, _HELP)
        return [_helped(row) for row in found]


def _helped(row: Sequence[Any]) -> _Help:
    schema, table, name, number, source, start, *_ = row
    made: datetime = row[12]
    identity = f"{number} {made:%Y-%m-%d %H:%M:%S}.{made.microsecond // 1000:03d}"
    instance = InstanceRow(
        name=name, object_id=number, identity=identity, start=bytes(start or b"")
    )
    return _Help(
        source_object_id=source, source_schema=schema, source_name=table, instance=instance
    )


def _state(
    tracked: Sequence[TrackedTable], helped: Mapping[str, _Help], rows: Sequence[Sequence[Any]]
) -> SourceState:
    position, at, local, utc = rows[0][:4]
    position, zone = bytes(position or b""), utc - local
    modified = {number: moment for *_, number, moment in rows if number is not None}
    low = {t.table: helped[t.instance].instance.start for t in tracked}
    return SourceState(
        position=position,
        identity="",  # the recovery fork is not for this login to see
        # Which table changed is not known: each may have, up to the end.
        high={t.table: position for t in tracked if position},
        low={table: start for table, start in low.items() if start},
        committed_at=None if at is None else in_utc(at, zone),
        polled_at=in_utc(local, zone),
        scanned_at=in_utc(NEVER, zone),
        zone_s=zone.total_seconds(),
        structure={t.table: _structure(t, helped, modified) for t in tracked},
        capture_lag_s=0.0,
    )


def _structure(
    tracked: TrackedTable, helped: Mapping[str, _Help], modified: Mapping[int, str]
) -> str:
    """Return a mark that changes with the table's columns and with its instances."""
    source = helped[tracked.instance].source_object_id
    beside = [h.instance for h in helped.values() if h.source_object_id == source]
    newest = max(row.start for row in beside).hex()
    return f"{modified.get(source, '')} {newest} {len(beside)}"


_NAMES: Final = "SELECT c.name, c.column_id FROM sys.columns AS c WHERE c.object_id = ?"
