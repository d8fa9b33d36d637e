"""Capture instances: found, made where the task says so, and never confused with one another."""

from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from msgspec import Struct

from dtaas.connectors.sqlserver.catalog import Catalog, SqlTable
from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.connectors.sqlserver.quoting import table_name, text_literal
from dtaas.connectors.sqlserver.types import SqlColumn, to_column
from dtaas.model.changes import TrackedTable, TrackingMethod
from dtaas.model.errors import CaptureNotEnabledError, PermissionDeniedError, SourceQueryError
from dtaas.model.schema import TableRef, TableSchema

_IS_ENABLED: Final = "SELECT is_cdc_enabled FROM sys.databases WHERE name = DB_NAME()"
_INSTANCES: Final = """
SELECT c.capture_instance, c.object_id, CONVERT(varchar(23), c.create_date, 121), c.start_lsn
FROM cdc.change_tables AS c WHERE c.source_object_id = ? ORDER BY c.start_lsn"""
_CAPTURED: Final = """
SELECT k.column_name FROM cdc.captured_columns AS k
WHERE k.object_id = ? AND k.is_computed = 0 ORDER BY k.column_ordinal"""
_PREFIX: Final = "dtaas_"
_ENABLE_DATABASE: Final = "EXEC sys.sp_cdc_enable_db;"
_LONGEST_NAME: Final = 100
_BRIEFLY: Final = "SET LOCK_TIMEOUT 3000; {} SET LOCK_TIMEOUT 30000;"
"""Enabling waits for a schema lock, and every writer of the table waits behind it meanwhile."""

log = structlog.get_logger()


class InstanceRow(Struct, frozen=True, kw_only=True):
    """A row of cdc.change_tables. `identity` tells it from a later one of the same name."""

    name: str
    object_id: int
    identity: str
    start: bytes


def enable_statement(table: TableRef, object_id: int) -> str:
    """Return the T-SQL that makes our capture instance of a table.

    Its name is ours: default names of two tables can be the same.
    """
    return (
        f"EXEC sys.sp_cdc_enable_table @source_schema = {text_literal(table.schema)}, "
        f"@source_name = {text_literal(table.name)}, @role_name = NULL, "
        f"@capture_instance = {text_literal(instance_name(table, object_id))};"
    )


def instance_name(table: TableRef, object_id: int) -> str:
    """Return the name of our capture instance of a table."""
    tail = f"_{object_id}"
    return f"{_PREFIX}{table.name}"[: _LONGEST_NAME - len(tail)] + tail


class Instances:
    """Finds and makes the capture instances of one database."""

    def __init__(self, pool: ControlPool, catalog: Catalog) -> None:
        self._pool = pool
        self._catalog = catalog

    async def track(
        self, tables: Sequence[TableRef], *, keys: Mapping[TableRef, tuple[str, ...]], enable: bool
    ) -> list[TrackedTable]:
        """Return what captures each table; see the port."""
        await self._require_database(tables, enable=enable)
        return [await self._track(table, keys.get(table, ()), enable=enable) for table in tables]

    async def untrack(self, tracked: TrackedTable) -> None:
        """Drop an instance that we made. Idempotent."""
        if not tracked.made_by_us:
            return
        table = tracked.table
        found = await self._rows(await self._catalog.table(table))
        if any(row.identity == tracked.instance_id for row in found):
            await self._pool.fetch(
                f"Ending the capture of {table}",
                f"EXEC sys.sp_cdc_disable_table {text_literal(table.schema)},"
                f" {text_literal(table.name)}, {text_literal(tracked.instance)};",
            )

    async def _require_database(self, tables: Sequence[TableRef], *, enable: bool) -> None:
        rows = await self._pool.fetch("Asking for change data capture", _IS_ENABLED)
        if rows and rows[0][0]:
            return
        if not enable:
            raise CaptureNotEnabledError(
                "Change data capture is off in this database.",
                hint=f"Run as sysadmin: {_ENABLE_DATABASE} "
                f"then enable {len(tables)} tables, or let the task do it (enable_capture).",
            )
        await self._enable("the database", _ENABLE_DATABASE)

    async def _track(self, ref: TableRef, key: tuple[str, ...], *, enable: bool) -> TrackedTable:
        table = await self._catalog.table(ref)
        rows = await self._rows(table)
        if not rows:
            statement = enable_statement(ref, table.object_id)
            if not enable:
                raise CaptureNotEnabledError(
                    f"Table {ref} is not tracked by change data capture.",
                    hint=f"Run as db_owner: {statement}",
                )
            await self._enable(table_name(ref), statement)
            rows = await self._rows(table)
        row = rows[-1]  # the newest: it has the columns of the latest change of the table
        return TrackedTable(
            schema=await self._schema(table, row, key),
            method=TrackingMethod.CAPTURE,
            instance=row.name,
            instance_id=row.identity,
            start=row.start,
            made_by_us=row.name == instance_name(ref, table.object_id),
        )

    async def _schema(self, table: SqlTable, row: InstanceRow, key: tuple[str, ...]) -> TableSchema:
        captured = await self._pool.fetch(f"Describing {table.ref}", _CAPTURED, row.object_id)
        present = {c.name: c for c in table.columns}
        columns: list[SqlColumn] = [present[name] for (name,) in captured if name in present]
        return TableSchema(
            table=table.ref,
            columns=tuple(to_column(c) for c in columns),
            key=key or table.schema().key,
        )

    async def _rows(self, table: SqlTable) -> list[InstanceRow]:
        found = await self._pool.fetch(f"Describing {table.ref}", _INSTANCES, table.object_id)
        return [
            InstanceRow(
                name=name, object_id=number, identity=f"{number} {made}", start=bytes(start)
            )
            for name, number, made, start in found
            if start is not None
        ]

    async def _enable(self, what: str, statement: str) -> None:
        try:
            await self._pool.fetch(
                f"Enabling change data capture of {what}", _BRIEFLY.format(statement)
            )
        except (PermissionDeniedError, SourceQueryError) as exc:
            raise CaptureNotEnabledError(
                f"Change data capture of {what} could not be enabled: {exc.detail}",
                hint=f"Ask a DBA to run: {statement}",
            ) from exc
        log.info("capture_enabled", what=what)
