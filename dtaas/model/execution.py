"""An execution: one run of a task from start to a final state, and its tables."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from dtaas.model.ids import ExecutionId, LoadId, TaskId
from dtaas.model.schema import TableRef


class ExecutionStatus(StrEnum):
    """`partial`: some tables arrived, some did not."""

    RUNNING = "running"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    STOPPED = "stopped"


class ExecutionType(StrEnum):
    """What the execution does."""

    FULL_LOAD = "full_load"
    INCREMENTAL = "incremental"
    CDC = "cdc"


class TablePhase(StrEnum):
    """Where one table of an execution stands.

    `skipped`: somebody left it out of this execution; it goes on where it stands once it is
    retried, or with the next execution.
    """

    WAITING = "waiting"
    PLANNING = "planning"
    LOADING = "loading"
    COMMITTING = "committing"
    STREAMING = "streaming"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    SKIPPED = "skipped"


FINAL_PHASES = frozenset(
    {TablePhase.COMPLETED, TablePhase.FAILED, TablePhase.STOPPED, TablePhase.SKIPPED}
)
SETTLED_PHASES = frozenset({TablePhase.COMPLETED, TablePhase.FAILED, TablePhase.SKIPPED})
"""Those that later lives of the same execution leave as they are."""


class Ended(Struct, frozen=True):
    """The end of an execution. Of one task the higher id is the later one, whatever the clock."""

    execution_id: ExecutionId
    at: datetime


class ReadBy(Struct, frozen=True):
    """What reads the rows of a table, where a source has several ways.

    Attributes:
        reader: its name, such as `native` or `odbc`.
        reason: why it is not the first choice, in words; '' when it is.
    """

    reader: str
    reason: str = ""


class TableProgress(Struct, frozen=True, kw_only=True):
    """Live state of one table, as `/ws` and `table_executions` show it.

    Attributes:
        rows_total: planned rows, None while not known; an estimate when `total_is_estimate`.
        bytes: bytes of Arrow data read.
        rows_s: rows a second over the last ten seconds.
        mb_s: megabytes (10^6) of Arrow data a second over the last ten seconds.
        eta_s: seconds to the end at this rate, None while not known.
        written_bytes: bytes durable at the destination.
        error: error code and text of the last failure.
        location: where readers find the committed table.
        lag_s: seconds from a commit at the source until it is durable here, 0 when caught up;
            None while the table does not stream.
        position: what is durable of a stream, 20 hex digits.
        changes: change rows applied by this execution, by kind in inserts, updates and deletes.
        source_lag_s: seconds the source's capture is behind its log.
        read_lag_s: age in seconds of the oldest captured change that is not being read yet.
        destination_lag_s: age in seconds of the oldest change read that is not durable yet.
        retention_margin_h: hours until the source forgets the next change that is needed.
        warning: what will go wrong if nobody does anything, in words.
        queries: statements run at the destination, where it bills its work.
        credits: what they cost there, estimated; None where that is not known.
        appended_windows: windows of new rows that were added to the table there.
        merged_windows: windows of changes that were merged into it by key.
        reader: what reads the table, such as `native` or `odbc`; None before the first rows, and
            where the source has one way only.
        reader_reason: why it is not the first choice; None when it is.
        read_share: share of the last ten seconds that a chunk or window spent waiting for the
            source, 0 to 1; of a table that ended, of all of its copying. None while there is
            nothing to measure. What the three shares leave of 1 was spent waiting for work.
        transform_share: the same in the steps of the task.
        write_share: the same waiting for the destination.
        loading_at: when the first row was asked for.
        loaded_at: when the load was whole and visible to readers.
        queued_batches: batches read which the destination has not taken yet, now.
    """

    table: TableRef
    phase: TablePhase
    rows_done: int = 0
    rows_total: int | None = None
    total_is_estimate: bool = True
    bytes: int = 0
    written_bytes: int = 0
    rows_s: float = 0.0
    mb_s: float = 0.0
    eta_s: float | None = None
    chunks_done: int = 0
    chunks_total: int | None = None
    rejected: int = 0
    retries: int = 0
    error_code: str | None = None
    error: str | None = None
    hint: str | None = None
    load_id: LoadId | None = None
    location: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    lag_s: float | None = None
    position: str | None = None
    changes: int = 0
    inserts: int = 0
    updates: int = 0
    deletes: int = 0
    queries: int = 0
    credits: float | None = None
    appended_windows: int = 0
    merged_windows: int = 0
    source_lag_s: float | None = None
    read_lag_s: float | None = None
    destination_lag_s: float | None = None
    retention_margin_h: float | None = None
    warning: str | None = None
    reader: str | None = None
    reader_reason: str | None = None
    read_share: float | None = None
    transform_share: float | None = None
    write_share: float | None = None
    queued_batches: int = 0
    loading_at: datetime | None = None
    loaded_at: datetime | None = None


class Execution(Struct, frozen=True, kw_only=True):
    """A row of `task_executions`."""

    id: ExecutionId
    task_id: TaskId
    execution_type: ExecutionType
    status: ExecutionStatus
    total_rows: int | None
    processed_rows: int
    failed_rows: int
    progress_percent: float
    rows_per_second: float
    data_size_mb: float
    started_at: datetime
    completed_at: datetime | None = None
    duration_seconds: float | None = None
    error_code: str | None = None
    error_message: str | None = None
    cdc_lsn_start: str | None = None
    cdc_lsn_end: str | None = None
    schema_changes_detected: int = 0
    created_at: datetime


class ExecutionProgress(Struct, frozen=True, kw_only=True):
    """Live state of a running execution: totals over its tables, and each table.

    Attributes:
        cdc_lsn_start: lowest position its streams began at, 20 hex digits; None without streams.
        cdc_lsn_end: position up to which every stream is durable.
        cdc_lsn_head: position up to which the source had captured when it was last asked.
    """

    task_id: TaskId
    execution_id: ExecutionId
    status: ExecutionStatus
    rows_done: int
    rows_total: int | None
    bytes: int
    written_bytes: int
    rows_s: float
    mb_s: float
    eta_s: float | None
    percent: float
    elapsed_s: float
    tables: tuple[TableProgress, ...]
    cdc_lsn_start: str | None = None
    cdc_lsn_end: str | None = None
    cdc_lsn_head: str | None = None
