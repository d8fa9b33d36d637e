"""A database with change data capture, and what was captured of its tables."""

from typing import Any

from tests.integration.sqlserver.odbc_session import Connector, OdbcSession

ORDER = "__$start_lsn, __$command_id, __$seqval, __$operation"
ENABLE = (
    "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'{0}', "
    "@role_name = NULL, @capture_instance = N'{0}'"
)


class Captured:
    """A database whose tables can be captured."""

    def __init__(self, connector: Connector, sql: OdbcSession) -> None:
        self._capture = connector.server.capture
        self.sql = sql

    async def table(self, name: str, columns: str) -> None:
        """Make a captured table."""
        await self.sql.run(f"CREATE TABLE dbo.{name} ({columns})")
        await self.sql.run(ENABLE.format(name))

    async def catch_up(self) -> None:
        """Let the capture process take everything that was committed."""
        while await self._capture.scan_now():
            pass

    async def changes(self, name: str, columns: str) -> list[tuple[Any, ...]]:
        """Return operation and columns of what was captured, in the order of the changes."""
        await self.catch_up()
        return await self.sql.rows(
            f"SELECT __$operation, {columns} FROM cdc.{name}_CT ORDER BY {ORDER}"
        )
