"""How long change tables keep changes: what the cleanup job is set to, if the login may see it."""

from typing import Final

import structlog
from anyio import Lock, current_time

from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.model.errors import DtaasError, RetryableError

_WHAT: Final = "Asking how long changes are kept"
_ASK: Final = """
SELECT HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'CONTROL') AS owner,
       HAS_PERMS_BY_NAME(N'msdb.dbo.cdc_jobs', N'OBJECT', N'SELECT') AS direct"""
_BY_PROCEDURE: Final = "EXEC sys.sp_cdc_help_jobs"
_DIRECTLY: Final = """
SELECT j.job_type, j.retention FROM msdb.dbo.cdc_jobs AS j WHERE j.database_id = DB_ID()"""
_KEPT_S: Final = 600.0
_MINUTE_S: Final = 60.0
_TYPE, _RETENTION = 1, 7  # columns of what the procedure answers
log = structlog.get_logger()


class Retention:
    """The retention of one database, asked for every ten minutes at most."""

    def __init__(self, pool: ControlPool) -> None:
        self._pool = pool
        self._known: float | None = None
        self._asked_at: float | None = None
        self._asking = Lock()

    async def seconds(self) -> float | None:
        """Return how long changes are kept, None when nothing cleans or the login may not see it.

        Raises:
            RetryableError: the server cannot be asked now.
        """
        async with self._asking:
            if self._asked_at is None or current_time() - self._asked_at > _KEPT_S:
                try:
                    minutes = await self._minutes()
                except RetryableError:
                    raise
                except DtaasError as error:  # the stream goes on without it
                    log.info("retention_not_known", code=error.code, error=error.detail)
                    minutes = None
                self._known = None if minutes is None else minutes * _MINUTE_S
                self._asked_at = current_time()
            return self._known

    async def _minutes(self) -> int | None:
        ((owner, direct),) = await self._pool.fetch(_WHAT, _ASK)
        if owner == 1:
            rows = await self._pool.fetch(_WHAT, _BY_PROCEDURE)
            jobs = {row[_TYPE]: row[_RETENTION] for row in rows}
        elif direct == 1:
            rows = await self._pool.fetch(_WHAT, _DIRECTLY)
            jobs = {row[0]: row[1] for row in rows}
        else:
            return None
        return None if jobs.get("cleanup") is None else int(jobs["cleanup"])
