"""The jobs of change data capture, as SQL Server Agent has them: settings, start and stop.

The capture process (`process`) scans while its job runs; the cleanup job works once a start.
Source of rules and texts: Microsoft Learn, the procedures' own pages.
"""

from typing import Final, assert_never

from msgspec.structs import asdict

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.capture.cleanup import clean_by_age
from dtaas.sandbox.sqlserver.storage.ddl.context import Context
from dtaas.sandbox.sqlserver.storage.one_value import one_value
from dtaas.sandbox.sqlserver.tsql.capture_orders import (
    AddJob,
    ChangeJob,
    DropJob,
    JobOrder,
    JobSettings,
    StartJob,
    StopJob,
)

_LONGEST_RETENTION: Final = 52_594_800
_LONGEST_INTERVAL_S: Final = 86_399
_NAMES: Final = tuple(JobSettings.__struct_fields__)


async def carry_out_job(context: Context, order: JobOrder) -> None:
    """Run an order.

    Raises:
        SqlError: 22836 the job is there already, 22997 it is not, 22970, 22990, 22991 and 22994 a
            setting out of range, 22995 and 22996 one that jobs of its type do not have.
    """
    match order:
        case AddJob():
            await _add(context, order)
        case ChangeJob():
            await _require(context, order.job_type)
            _check(order.job_type, order.settings)
            await _set(context, order.job_type, order.settings)
        case DropJob():
            await _require(context, order.job_type)
            await context.connection.execute(
                "DELETE FROM meta.capture_jobs WHERE database_id = $1 AND job_type = $2",
                context.catalog.database_id,
                order.job_type,
            )
        case StartJob():
            await _require(context, order.job_type)
            await _start(context, order.job_type)
        case StopJob():
            await _require(context, order.job_type)
            await _run(context, order.job_type, running=False)
        case _:
            assert_never(order)


async def _add(context: Context, order: AddJob) -> None:
    _check(order.job_type, order.settings)
    database = context.catalog
    if await _is_there(context, order.job_type):
        raise SqlError(
            22836,
            f"Could not update the metadata for database {database.database} to indicate that a "
            "Change Data Capture job has been added. The failure occurred when executing the "
            "command 'sp_add_job_internal'. The error returned was 14261: 'The specified @name "
            f"('cdc.{database.database}_{order.job_type}') already exists.'. Use the action and "
            "error to determine the cause of the failure and resubmit the request.",
        )
    await context.connection.execute(
        "INSERT INTO meta.capture_jobs (database_id, job_type, is_running) VALUES ($1, $2, 0)",
        database.database_id,
        order.job_type,
    )
    await _set(context, order.job_type, order.settings)
    if order.start:
        await _start(context, order.job_type)


async def _start(context: Context, job_type: str) -> None:
    if job_type == "capture":
        await _run(context, job_type, running=True)
        return
    minutes = await one_value(
        context.connection,
        "SELECT retention FROM meta.capture_jobs WHERE database_id = $1 AND job_type = $2",
        context.catalog.database_id,
        job_type,
    )
    await clean_by_age(context.connection, context.catalog.database_id, retention_minutes=minutes)


async def _run(context: Context, job_type: str, *, running: bool) -> None:
    await context.connection.execute(
        "UPDATE meta.capture_jobs SET is_running = $3 WHERE database_id = $1 AND job_type = $2",
        context.catalog.database_id,
        job_type,
        int(running),
    )


async def _set(context: Context, job_type: str, settings: JobSettings) -> None:
    columns = ", ".join(f"{name} = coalesce(${i}, {name})" for i, name in enumerate(_NAMES, 3))
    await context.connection.execute(
        f"UPDATE meta.capture_jobs SET {columns} WHERE database_id = $1 AND job_type = $2",
        context.catalog.database_id,
        job_type,
        *asdict(settings).values(),
    )


async def _require(context: Context, job_type: str) -> None:
    if not await _is_there(context, job_type):
        raise SqlError(
            22997,
            f"The Change Data Capture '{job_type}' job does not exist in the system table "
            "'msdb.dbo.cdc_jobs'. Use the stored procedure 'sys.sp_cdc_add_job' to add the Change "
            "Data Capture job.",
        )


async def _is_there(context: Context, job_type: str) -> bool:
    found = await context.connection.fetchval(
        "SELECT 1 FROM meta.capture_jobs WHERE database_id = $1 AND job_type = $2",
        context.catalog.database_id,
        job_type,
    )
    return found is not None


def _check(job_type: str, settings: JobSettings) -> None:
    if job_type == "capture":
        _check_capture(settings)
        return
    others = (
        settings.pollinginterval,
        settings.maxtrans,
        settings.maxscans,
        settings.continuous,
    )
    if any(value is not None for value in others):
        raise SqlError(
            22996,
            "When adding or modifying the CDC cleanup job, @pollinginterval, @maxtrans, @maxscans, "
            "and @continuous may not be assigned non-null values.",
        )
    if settings.retention is not None and not 0 < settings.retention <= _LONGEST_RETENTION:
        raise SqlError(
            22994,
            "The retention value specified for the Change Data Capture cleanup process must be "
            "greater than 0 and less than or equal to 52594800. When creating or modifying the "
            "cleanup job, specify a retention value (in minutes) that is within that range.",
        )


def _check_capture(settings: JobSettings) -> None:
    if settings.retention is not None:
        raise SqlError(
            22995,
            "A value for the parameter @retention cannot be specified when the job type is "
            "'capture'. Specify NULL for the parameter, or omit the parameter from the statement.",
        )
    if settings.maxtrans is not None and settings.maxtrans <= 0:
        raise SqlError(
            22991, "The value specified for the parameter @maxtrans must be greater than 0."
        )
    if settings.maxscans is not None and settings.maxscans <= 0:
        raise SqlError(
            22970,
            "The value for parameter @maxscans specified for the Change Data Capture job must be "
            "greater than 0.",
        )
    interval = settings.pollinginterval
    if interval is not None and not 0 <= interval <= _LONGEST_INTERVAL_S:
        raise SqlError(
            22990,
            "The value specified for the parameter @pollinginterval must be greater than or equal "
            "to 0 and less than 24 hours(Max: 86399 seconds). Specify a polling interval (in "
            "seconds) that is less than 24 hours (86,400 seconds).",
        )
