"""What the procedures of change data capture ask of the storage."""

from msgspec import Struct


class EnableDatabase(Struct, frozen=True):
    """sys.sp_cdc_enable_db."""


class DisableDatabase(Struct, frozen=True):
    """sys.sp_cdc_disable_db."""


class EnableTable(Struct, frozen=True, kw_only=True):
    """sys.sp_cdc_enable_table, with its parameters as given."""

    schema: str
    name: str
    role: str | None
    instance: str | None = None
    net_changes: bool | None = None
    index: str | None = None
    columns: str | None = None
    filegroup: str | None = None
    partition_switch: bool = True


class DisableTable(Struct, frozen=True, kw_only=True):
    """sys.sp_cdc_disable_table; instance is a name or `all`."""

    schema: str
    name: str
    instance: str


class JobSettings(Struct, frozen=True, kw_only=True):
    """Settings of a job as given; None leaves one as it is.

    Attributes:
        pollinginterval: seconds.
        retention: minutes.
        threshold: rows a statement of the cleanup deletes at most.
    """

    maxtrans: int | None = None
    maxscans: int | None = None
    continuous: int | None = None
    pollinginterval: int | None = None
    retention: int | None = None
    threshold: int | None = None


class AddJob(Struct, frozen=True, kw_only=True):
    """sys.sp_cdc_add_job; job_type is `capture` or `cleanup`, here and below."""

    job_type: str
    settings: JobSettings
    start: bool


class ChangeJob(Struct, frozen=True, kw_only=True):
    """sys.sp_cdc_change_job."""

    job_type: str
    settings: JobSettings


class DropJob(Struct, frozen=True, kw_only=True):
    """sys.sp_cdc_drop_job."""

    job_type: str


class StartJob(Struct, frozen=True, kw_only=True):
    """sys.sp_cdc_start_job."""

    job_type: str


class StopJob(Struct, frozen=True, kw_only=True):
    """sys.sp_cdc_stop_job."""

    job_type: str


class CleanInstance(Struct, frozen=True, kw_only=True):
    """sys.sp_cdc_cleanup_change_table; no low_mark keeps the instance's own."""

    instance: str
    low_mark: bytes | None


JobOrder = AddJob | ChangeJob | DropJob | StartJob | StopJob
CaptureOrder = (
    EnableDatabase | DisableDatabase | EnableTable | DisableTable | JobOrder | CleanInstance
)
