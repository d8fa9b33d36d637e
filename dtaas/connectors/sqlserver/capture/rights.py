"""Which way the login may ask for what capture holds: found out once, when it is first needed."""

from typing import Final

import anyio
import structlog

from dtaas.connectors.sqlserver.capture.change_tables import ChangeTables
from dtaas.connectors.sqlserver.capture.metadata import Metadata
from dtaas.connectors.sqlserver.capture.procedures import CaptureProcedures
from dtaas.connectors.sqlserver.catalog import Catalog
from dtaas.connectors.sqlserver.control import ControlPool

_ASK: Final = (
    "SELECT d.is_cdc_enabled,"
    " HAS_PERMS_BY_NAME(N'cdc.change_tables', N'OBJECT', N'SELECT') AS direct"
    " FROM sys.databases AS d WHERE d.name = DB_NAME()"
)

log = structlog.get_logger()


class Rights:
    """The rights of the login of one source in its database."""

    def __init__(self, pool: ControlPool, catalog: Catalog) -> None:
        self._pool = pool
        self._direct = ChangeTables(pool, catalog)
        self._through_functions = CaptureProcedures(pool)
        self._gated: bool | None = None
        self._asking = anyio.Lock()

    async def gated(self) -> bool:
        """Return whether changes can only be read through the functions that check rights.

        Not known, and so not kept, while the database captures nothing: who may enable it may
        read it.
        """
        async with self._asking:
            if self._gated is None:
                rows = await self._pool.fetch("Asking for rights", _ASK)
                if not rows or not rows[0][0]:
                    return False
                self._gated = bool(rows[0][1] != 1)
                if self._gated:
                    log.info("capture_read_by_functions", reason="no SELECT on schema cdc")
            return self._gated

    @property
    def known(self) -> bool:
        """Return whether the answer is known, and so that the database captures changes."""
        return self._gated is not None

    async def metadata(self) -> Metadata:
        """Return what answers about capture instances."""
        return self._through_functions if await self.gated() else self._direct
