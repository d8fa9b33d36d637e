"""Capture instances: found, made where the task says so, and never confused with one another."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import anyio
import structlog
from msgspec.structs import replace

from dtaas.connectors.sqlserver.capture.described import Added, Describer, Logged
from dtaas.connectors.sqlserver.capture.metadata import InstanceRow
from dtaas.connectors.sqlserver.capture.rights import Rights
from dtaas.connectors.sqlserver.catalog import Catalog, SqlTable
from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.connectors.sqlserver.quoting import text_literal
from dtaas.model.changes import Succession, TrackedTable, TrackingMethod
from dtaas.model.errors import (
    CaptureLostError,
    CaptureNotEnabledError,
    CaptureStoppedError,
    PermissionDeniedError,
    SourceQueryError,
)
from dtaas.model.schema import TableRef, TableSchema

_IS_ENABLED: Final = "SELECT is_cdc_enabled FROM sys.databases WHERE name = DB_NAME()"
_PREFIX: Final = "dtaas_"
_SECOND: Final = "_2"
_ENABLE_DATABASE: Final = "EXEC sys.sp_cdc_enable_db;"
_LONGEST_NAME: Final = 100
_BRIEFLY: Final = "SET LOCK_TIMEOUT 3000; {} SET LOCK_TIMEOUT 30000;"
"""Enabling waits for a schema lock, and every writer of the table waits behind it meanwhile."""
_MOST_INSTANCES: Final = 2
_START_LIMIT_S: Final = 120.0
_START_PAUSE_S: Final = 0.2

log = structlog.get_logger()


def enable_statement(table: TableRef, name: str) -> str:
    """Return the T-SQL that makes a capture instance of a table."""
    return (
        f"EXEC sys.sp_cdc_enable_table @source_schema = {text_literal(table.schema)}, "
        f"@source_name = {text_literal(table.name)}, @role_name = NULL, "
        f"@capture_instance = {text_literal(name)};"
    )


def disable_statement(table: TableRef, name: str) -> str:
    """Return the T-SQL that drops a capture instance of a table."""
    return (
        f"EXEC sys.sp_cdc_disable_table {text_literal(table.schema)},"
        f" {text_literal(table.name)}, {text_literal(name)};"
    )


def instance_names(table: TableRef, object_id: int) -> tuple[str, str]:
    """Return the names of our two capture instances of a table.

    They are ours: default names of two tables can be the same.
    """
    tail = f"_{object_id}"
    most = _LONGEST_NAME - len(tail) - len(_SECOND)
    first = f"{_PREFIX}{table.name}"[:most] + tail
    return first, first + _SECOND


class Instances:
    """Finds and makes the capture instances of one database."""

    def __init__(
        self, pool: ControlPool, catalog: Catalog, rights: Rights, described: Catalog | None = None
    ) -> None:
        """Prepare.

        Args:
            described: has described tables since the task's life began, which is soon enough to
                tell what is captured: of what changes later a poll tells.
        """
        self._pool = pool
        self._described = described
        self._catalog = catalog
        self._rights = rights
        self._describer = Describer(pool, rights)
        self._logged: dict[str, Logged] = {}
        self._describing: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)

    async def track(
        self, tables: Sequence[TableRef], *, keys: Mapping[TableRef, tuple[str, ...]], enable: bool
    ) -> list[TrackedTable]:
        """Return what captures each table; see the port."""
        await self._require_database(tables, enable=enable)
        return [await self._track(table, keys.get(table, ()), enable=enable) for table in tables]

    async def follow_ddl(self, tracked: TrackedTable, *, enable: bool) -> TrackedTable:
        """Return a table as it is after DDL; see the port."""
        table = await self._catalog.table(tracked.table)
        rows = await self._rows(table)
        mine = next((row for row in rows if row.identity == tracked.instance_id), None)
        if mine is None:
            raise CaptureLostError(
                f"The capture instance of {tracked.table} is gone or is another one than before.",
                hint="Enable change data capture again and load the table anew.",
                tables=(tracked.table,),
            )
        logged = await self._describer.logged(table, mine)
        self._logged[mine.identity] = logged
        tracked = replace(tracked, schema=replace(tracked.schema, columns=logged.schema))
        added = await self._describer.added(table, logged)
        added = [c for c in added if c.name not in tracked.left_out]
        if not added:
            return tracked
        newer = await self._newer(table, rows, mine, added, enable=enable)
        if not newer.start:
            return tracked  # the capture process has yet to come to it
        table = await self._catalog.table(tracked.table)  # there may be still more columns by now
        taken = await self._tracked(table, newer, tracked.schema.key)
        ids = (await self.logged(taken)).ids
        added = [
            c
            for c in await self._describer.added(table, logged)
            if c.column_id in ids and c.name not in tracked.left_out
        ]
        missed = await self._describer.missed(table, mine, added)
        return replace(tracked, successor=Succession(tracked=taken, missed=missed))

    async def logged(self, tracked: TrackedTable) -> Logged:
        """Return what the change rows of a tracked table are made of.

        Raises:
            CaptureLostError: the instance is gone.
        """
        identity = tracked.instance_id
        async with self._describing[identity]:
            if identity not in self._logged:
                known = self._described and self._described.latest(tracked.table)
                table = known or await self._catalog.table(tracked.table)
                row = InstanceRow(
                    name=tracked.instance,
                    object_id=int(identity.split()[0]),
                    identity=identity,
                    start=tracked.start,
                )
                found = await self._describer.logged(table, row)
                self._logged.setdefault(identity, found)  # DDL followed meanwhile is newer
            return self._logged[identity]

    async def untrack(self, tracked: TrackedTable) -> None:
        """Drop an instance that we made. Idempotent."""
        if not tracked.made_by_us:
            return
        found = await self._rows(await self._catalog.table(tracked.table))
        if any(row.identity == tracked.instance_id for row in found):
            await self._pool.fetch(
                f"Ending the capture of {tracked.table}",
                disable_statement(tracked.table, tracked.instance),
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
            statement = enable_statement(ref, instance_names(ref, table.object_id)[0])
            if await self._rights.gated():
                raise CaptureNotEnabledError(
                    f"The login sees no capture instance of table {ref}.",
                    hint="Ask a DBA to run: GRANT SELECT ON SCHEMA::cdc TO [the_user]; or to make "
                    "the user a member of the instance's role. Without any instance: "
                    f"{statement}",
                )
            if not enable:
                raise CaptureNotEnabledError(
                    f"Table {ref} is not tracked by change data capture.",
                    hint=f"Run as db_owner: {statement}",
                )
            await self._enable(f"table {ref}", statement)
        rows = await self._started(table)
        tracked = await self._tracked(table, rows[-1], key)
        if len(rows) >= _MOST_INSTANCES and tracked.made_by_us:
            # There is no room for a third, which the next column needs, or one that came already:
            # the older one of ours goes, if nobody reads it.
            older = await self._tracked(table, rows[0], key)
            return replace(tracked, predecessor=older) if older.made_by_us else tracked
        added = await self._describer.added(table, await self.logged(tracked))
        if not (added and tracked.made_by_us):
            return tracked
        # Columns came after one of ours was made: nothing is read from it, a newer one begins.
        newer = await self._newer(table, rows, rows[-1], added, enable=enable)
        await self._started(table, newer.identity)
        rows = await self._rows(table)
        row = next(row for row in rows if row.identity == newer.identity)
        return replace(await self._tracked(table, row, key), predecessor=tracked)

    async def _newer(
        self,
        table: SqlTable,
        rows: Sequence[InstanceRow],
        mine: InstanceRow,
        added: Sequence[Added],
        *,
        enable: bool,
    ) -> InstanceRow:
        """Return an instance that captures added columns too, made where there is none.

        Raises:
            CaptureNotEnabledError: it cannot be made; says what to run.
        """
        found = await self._capturing(table, rows, mine, added)
        if found is not None:
            return found
        what = ", ".join(c.name for c in added)
        names = instance_names(table.ref, table.object_id)
        free = next((n for n in names if n not in {row.name for row in rows}), names[0])
        statement = enable_statement(table.ref, free)
        others = [row.name for row in rows if row is not mine]
        if len(rows) >= _MOST_INSTANCES:
            drop = disable_statement(table.ref, others[0])
            raise CaptureNotEnabledError(
                f"{what} of {table.ref} is not captured, and the table has two capture instances.",
                hint=f"Once nobody reads {others[0]}, run as db_owner: {drop} {statement}",
            )
        if not enable or await self._rights.gated():
            raise CaptureNotEnabledError(
                f"{what} of {table.ref} is not captured.", hint=f"Run as db_owner: {statement}"
            )
        try:
            await self._enable(f"table {table.ref}", statement)
        except CaptureNotEnabledError:  # another task may have been quicker
            found = await self._capturing(table, await self._rows(table), mine, added)
            if found is None:
                raise
            return found
        return next(row for row in await self._rows(table) if row.name == free)

    async def _capturing(
        self,
        table: SqlTable,
        rows: Sequence[InstanceRow],
        mine: InstanceRow,
        added: Sequence[Added],
    ) -> InstanceRow | None:
        """Return the newer instance that captures the most of what `mine` does not."""
        wanted = {c.column_id for c in added}
        most, found = 0, None
        for row in rows:
            if row.identity == mine.identity or (row.start and row.start < mine.start):
                continue
            logged = await self._describer.logged(table, row)
            if len(wanted & logged.ids) > most:
                most, found = len(wanted & logged.ids), row
        return found

    async def _tracked(
        self, table: SqlTable, row: InstanceRow, key: tuple[str, ...]
    ) -> TrackedTable:
        logged = await self._describer.logged(table, row)
        self._logged[row.identity] = logged
        made_by_us = row.name in instance_names(table.ref, table.object_id)
        left_out: tuple[str, ...] = ()
        if not made_by_us:
            left_out = tuple(c.name for c in await self._describer.added(table, logged))
        if left_out:
            log.warning("columns_not_captured", table=str(table.ref), columns=left_out)
        return TrackedTable(
            schema=TableSchema(table=table.ref, columns=logged.schema, key=key or logged.own_key),
            method=TrackingMethod.CAPTURE,
            instance=row.name,
            instance_id=row.identity,
            start=row.start,
            made_by_us=made_by_us,
            left_out=left_out,
        )

    async def _started(self, table: SqlTable, identity: str | None = None) -> list[InstanceRow]:
        """Return the instances that the capture process has come to, once there is one.

        Args:
            identity: wait for this one.

        Raises:
            CaptureStoppedError: it does not come to any.
        """
        with anyio.move_on_after(_START_LIMIT_S):
            while True:
                rows = [row for row in await self._rows(table) if row.start]
                if any(identity in (None, row.identity) for row in rows):
                    return rows
                await anyio.sleep(_START_PAUSE_S)
        raise CaptureStoppedError(
            f"The capture job did not come to {table.ref} within {_START_LIMIT_S:.0f} s.",
            hint="Start SQL Server Agent, and the job: EXEC sys.sp_cdc_start_job N'capture';",
        )

    async def _rows(self, table: SqlTable) -> list[InstanceRow]:
        return await (await self._rights.metadata()).instances(table)

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
