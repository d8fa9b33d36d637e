"""The part of a connector's test about change data capture: does it work, and keep enough."""

from dtaas.connectors.sqlserver.capture.retention import Retention
from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.connectors.sqlserver.step import Finding
from dtaas.model.check import StepStatus
from dtaas.model.errors import PermissionDeniedError

_WHAT = "Testing the connection"
_SCANS = """
SELECT (SELECT COUNT(*) FROM sys.tables AS t WHERE t.is_tracked_by_cdc = 1) AS captured,
  DATEDIFF(second, (SELECT TOP (1) s.end_time FROM sys.dm_cdc_log_scan_sessions AS s
    WHERE s.scan_phase = N'Done' ORDER BY s.session_id DESC), GETDATE()) AS ago_s"""
_STALE_S = 60
_FEWEST_HOURS = 24
_HOUR_S = 3600
_START = (
    "EXEC sys.sp_cdc_start_job N'capture';  -- and SQL Server Agent itself:"
    " net start SQLSERVERAGENT, on Linux: mssql-conf set sqlagent.enabled true"
)
_KEEP = "EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = 10080;  -- minutes"


async def capture_works(pool: ControlPool) -> Finding:
    """Return whether SQL Server Agent's capture job scans the log."""
    try:
        ((captured, ago_s),) = await pool.fetch(_WHAT, _SCANS)
    except PermissionDeniedError as error:
        return Finding(
            detail="The login may not see whether the log is scanned.",
            status=StepStatus.SKIPPED,
            fix=error.hint,
        )
    if not captured:
        return Finding(detail="No table is captured yet; the jobs come with the first.")
    if ago_s is None:
        said = "The log was never scanned, so no change arrives."
        return Finding(detail=said, status=StepStatus.WARNING, fix=_START)
    if ago_s > _STALE_S:
        said = f"The log was last scanned {ago_s} s ago, so changes wait: SQL Server Agent rests."
        return Finding(detail=said, status=StepStatus.WARNING, fix=_START)
    return Finding(detail="The capture job scans the log.")


async def keeps_enough(pool: ControlPool) -> Finding:
    """Return whether changes are kept for long enough to outlast a daemon that rests."""
    kept_s = await Retention(pool).seconds()
    if kept_s is None:
        return Finding(
            detail="The login may not see how long changes are kept.",
            status=StepStatus.SKIPPED,
            fix="USE msdb; GRANT SELECT ON dbo.cdc_jobs TO [the_user];",
        )
    hours = kept_s / _HOUR_S
    if hours < _FEWEST_HOURS:
        said = (
            f"Changes are kept for {hours:.1f} h only: a task that rests for longer has to load its"
            " tables anew."
        )
        return Finding(detail=said, status=StepStatus.WARNING, fix=_KEEP)
    return Finding(detail=f"Changes are kept for {hours:.0f} h.")
