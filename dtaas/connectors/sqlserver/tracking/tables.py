"""Change Tracking of tables: found, switched on where the task says so, never switched off."""

from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from dtaas.connectors.sqlserver.catalog import Catalog
from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.connectors.sqlserver.quoting import table_name
from dtaas.connectors.sqlserver.types import to_column
from dtaas.model.changes import POSITION_BYTES, TrackedTable, TrackingMethod
from dtaas.model.errors import CaptureNotEnabledError, PermissionDeniedError, SourceQueryError
from dtaas.model.schema import TableRef, TableSchema

_IS_ON: Final = "SELECT 1 FROM sys.change_tracking_databases AS d WHERE d.database_id = DB_ID()"
_TABLE: Final = "SELECT k.begin_version FROM sys.change_tracking_tables AS k WHERE k.object_id = ?"
_SWITCH_ON: Final = (
    "ALTER DATABASE CURRENT SET CHANGE_TRACKING = ON"
    " (CHANGE_RETENTION = 7 DAYS, AUTO_CLEANUP = ON);"
)
_KEYS_ONLY: Final = "Change Tracking tells rows apart by their primary key only"

log = structlog.get_logger()


class TrackedTables:
    """Finds and switches on what tracks the tables of one database."""

    def __init__(self, pool: ControlPool, catalog: Catalog) -> None:
        self._pool = pool
        self._catalog = catalog

    async def track(
        self, tables: Sequence[TableRef], *, keys: Mapping[TableRef, tuple[str, ...]], enable: bool
    ) -> list[TrackedTable]:
        """Return what tracks each table; see the port.

        Raises:
            CaptureNotEnabledError: also when a table has no primary key, or the user declared
                another key than that.
        """
        if not await self._pool.fetch("Asking for Change Tracking", _IS_ON):
            await self._enable("the database", _SWITCH_ON, enable=enable)
        return [await self._track(table, keys.get(table, ()), enable=enable) for table in tables]

    async def begin_version(self, object_id: int) -> int | None:
        """Return the version at which tracking of a table began, None where it is off."""
        rows = await self._pool.fetch("Asking for Change Tracking", _TABLE, object_id)
        return int(rows[0][0]) if rows else None

    async def _track(self, ref: TableRef, key: tuple[str, ...], *, enable: bool) -> TrackedTable:
        table = await self._catalog.table(ref)
        primary = next((i.columns for i in table.indexes if i.is_primary_key), ())
        if not primary:
            raise CaptureNotEnabledError(
                f"{_KEYS_ONLY}, and {ref} has none.",
                hint="Add a primary key, or use mode incremental or full_load for the table.",
            )
        if key and key != primary:
            raise CaptureNotEnabledError(
                f"{_KEYS_ONLY}, not by the declared key of {ref}: {', '.join(key)}.",
                hint="Leave `key` out of table_mappings, or set options.capture to cdc.",
            )
        begun = await self.begin_version(table.object_id)
        if begun is None:
            statement = f"ALTER TABLE {table_name(ref)} ENABLE CHANGE_TRACKING;"
            await self._enable(table_name(ref), statement, enable=enable)
            begun = await self.begin_version(table.object_id)
        schema = TableSchema(
            table=ref, columns=tuple(to_column(c) for c in table.columns), key=primary
        )
        return TrackedTable(
            schema=schema,
            method=TrackingMethod.CHANGE_TRACKING,
            instance_id=identity_of(table.object_id, begun),
            start=(begun or 0).to_bytes(POSITION_BYTES),
        )

    async def _enable(self, what: str, statement: str, *, enable: bool) -> None:
        if not enable:
            raise CaptureNotEnabledError(
                f"Change Tracking of {what} is off.", hint=f"Run as db_owner: {statement}"
            )
        try:
            await self._pool.fetch(f"Enabling Change Tracking of {what}", statement)
        except (PermissionDeniedError, SourceQueryError) as exc:
            raise CaptureNotEnabledError(
                f"Change Tracking of {what} could not be enabled: {exc.detail}",
                hint=f"Ask a DBA to run: {statement}",
            ) from exc
        log.info("tracking_enabled", what=what)


def identity_of(object_id: int, begun: int | None) -> str:
    """Return what tells tracking of a table from tracking that was switched off and on again."""
    return f"{object_id} {begun}"
