"""The procedures of change data capture for jobs, cleanup and what is captured.

Source: Microsoft Learn, "Change data capture stored procedures (Transact-SQL)".
"""

from collections.abc import Mapping
from typing import Any, Final

from dtaas.sandbox.sqlserver.results import Item, SqlError
from dtaas.sandbox.sqlserver.tsql.capture_orders import (
    AddJob,
    ChangeJob,
    CleanInstance,
    DropJob,
    JobSettings,
    StartJob,
    StopJob,
)
from dtaas.sandbox.sqlserver.tsql.context import Context
from dtaas.sandbox.sqlserver.tsql.frame import Frame
from dtaas.sandbox.sqlserver.tsql.procedure import Procedure
from dtaas.sandbox.sqlserver.tsql.procedures_capture import ENABLED

_HELP_JOBS: Final = f"""{ENABLED}
SELECT j.job_id, j.job_type, CAST(N'cdc.' + DB_NAME() + N'_' + j.job_type AS sysname) AS job_name,
  j.maxtrans, j.maxscans, j.continuous, j.pollinginterval, j.retention, j.threshold
FROM msdb.dbo.cdc_jobs AS j WHERE j.database_id = DB_ID() ORDER BY j.job_type
"""
_KNOWN_INSTANCE: Final = f"""{ENABLED}
IF NOT EXISTS (
  SELECT 1 FROM cdc_procedures.change_tables WHERE capture_instance = @capture_instance)
BEGIN
  RAISERROR (22981, 16, 1);
  RETURN 1;
END;
"""
_CAPTURED_COLUMNS: Final = f"""{_KNOWN_INSTANCE}
SELECT s.name AS source_schema, o.name AS source_table, t.capture_instance, c.column_name,
  c.column_id, c.column_ordinal, c.column_type AS data_type, k.character_maximum_length,
  k.numeric_precision, k.numeric_precision_radix, k.numeric_scale, k.datetime_precision
FROM cdc_procedures.change_tables AS t
JOIN cdc_procedures.captured_columns AS c ON c.object_id = t.object_id
JOIN sys.objects AS o ON o.object_id = t.source_object_id
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
LEFT JOIN INFORMATION_SCHEMA.COLUMNS AS k ON k.TABLE_SCHEMA = N'cdc'
  AND k.TABLE_NAME = t.capture_instance + N'_CT' AND k.COLUMN_NAME = c.column_name
WHERE t.capture_instance = @capture_instance ORDER BY c.column_ordinal
"""
_DDL_HISTORY: Final = f"""{_KNOWN_INSTANCE}
SELECT s.name AS source_schema, o.name AS source_table, t.capture_instance,
  h.required_column_update, h.ddl_command, h.ddl_lsn, h.ddl_time
FROM cdc_procedures.ddl_history AS h
JOIN cdc_procedures.change_tables AS t ON t.object_id = h.object_id
JOIN sys.objects AS o ON o.object_id = h.source_object_id
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE t.capture_instance = @capture_instance ORDER BY h.ddl_lsn
"""
_SETTINGS: Final = (
    " @maxtrans int = NULL, @maxscans int = NULL, @continuous bit = NULL,"
    " @pollinginterval bigint = NULL, @retention bigint = NULL, @threshold bigint = NULL"
)


async def _add_job(frame: Frame, context: Context) -> list[Item]:
    values = frame.values
    order = AddJob(
        job_type=_job_type(values), settings=_settings(values), start=bool(values["@start_job"])
    )
    return [*await context.storage.capture(order)]


async def _change_job(frame: Frame, context: Context) -> list[Item]:
    order = ChangeJob(job_type=_job_type(frame.values), settings=_settings(frame.values))
    return [*await context.storage.capture(order)]


async def _drop_job(frame: Frame, context: Context) -> list[Item]:
    return [*await context.storage.capture(DropJob(job_type=_job_type(frame.values)))]


async def _start_job(frame: Frame, context: Context) -> list[Item]:
    return [*await context.storage.capture(StartJob(job_type=_job_type(frame.values)))]


async def _stop_job(frame: Frame, context: Context) -> list[Item]:
    return [*await context.storage.capture(StopJob(job_type=_job_type(frame.values)))]


async def _clean(frame: Frame, context: Context) -> list[Item]:
    values = frame.values
    if not values["@capture_instance"]:
        raise SqlError(
            22963,
            "Parameter '@capture_instance' cannot be null or empty. Specify a value for the named "
            "parameter and retry the operation.",
        )
    order = CleanInstance(instance=values["@capture_instance"], low_mark=values["@low_water_mark"])
    items: list[Item] = [*await context.storage.capture(order)]
    values["@fcleanupfailed"] = False
    return items


def _job_type(values: Mapping[str, Any]) -> str:
    """Return `capture` or `cleanup`. Raises: SqlError 22963, 22992."""
    given = values["@job_type"]
    if not given:
        raise SqlError(
            22963,
            "Parameter '@job_type' cannot be null or empty. Specify a value for the named "
            "parameter and retry the operation.",
        )
    plain = str(given).strip().lower()
    if plain not in {"capture", "cleanup"}:
        raise SqlError(
            22992,
            f"The specified @job_type, {given}, is not supported. The value specified for the "
            "parameter @job_type must be N'capture' to indicate a capture job, or N'cleanup' to "
            "indicate a cleanup job.",
        )
    return plain


def _settings(values: Mapping[str, Any]) -> JobSettings:
    continuous = values["@continuous"]
    return JobSettings(
        maxtrans=values["@maxtrans"],
        maxscans=values["@maxscans"],
        continuous=None if continuous is None else int(continuous),
        pollinginterval=values["@pollinginterval"],
        retention=values["@retention"],
        threshold=values["@threshold"],
    )


PROCEDURES: Final[Mapping[str, Procedure]] = {
    "sp_cdc_add_job": Procedure(
        f"@job_type nvarchar(20), @start_job bit = 1,{_SETTINGS}", _add_job
    ),
    "sp_cdc_change_job": Procedure(f"@job_type nvarchar(20) = N'capture',{_SETTINGS}", _change_job),
    "sp_cdc_cleanup_change_table": Procedure(
        "@capture_instance sysname, @low_water_mark binary(10), @threshold bigint = 5000,"
        " @fCleanupFailed bit = 0 OUTPUT",
        _clean,
    ),
    "sp_cdc_drop_job": Procedure("@job_type nvarchar(20)", _drop_job),
    "sp_cdc_get_captured_columns": Procedure("@capture_instance sysname", _CAPTURED_COLUMNS),
    "sp_cdc_get_ddl_history": Procedure("@capture_instance sysname", _DDL_HISTORY),
    "sp_cdc_help_jobs": Procedure("", _HELP_JOBS),
    "sp_cdc_start_job": Procedure("@job_type nvarchar(20) = N'capture'", _start_job),
    "sp_cdc_stop_job": Procedure("@job_type nvarchar(20) = N'capture'", _stop_job),
}
"""By lower-case name."""
