"""A task: what to move from where to where, and the states it can be in."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct, field
from msgspec.structs import force_setattr

from dtaas.model.changes import Capture
from dtaas.model.column_rules import ColumnTypeRule
from dtaas.model.drift import DriftPolicy
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.load import FileFormat, PartitionField, TargetTable, WriteMode, WriteOptions
from dtaas.model.name_templates import filled
from dtaas.model.patterns import Pattern
from dtaas.model.schedule import NO_SCHEDULE, Schedule, ScheduleType
from dtaas.model.schema import TableRef, TableSchema
from dtaas.model.table_rules import (
    NO_RULES,
    TableRules,
    TargetOf,
    refuse_clashes,
    with_columns,
)
from dtaas.model.table_steps import NameColumns, PlacedStep, steps_of, type_steps
from dtaas.model.transformations import TransformationRule
from dtaas.model.watermark import Watermark

_MIB = 1024 * 1024
MOST_TAGS = 20
Tag = Annotated[str, Meta(pattern=r"^[^\s,][^,]{0,48}[^\s,]$|^[^\s,]$")]
"""A word or a few; commas part tags where people write several."""


class TaskMode(StrEnum):
    """How a task reads its tables.

    Attributes:
        FULL_LOAD: all rows, every time.
        INCREMENTAL: all rows the first time, then those above each table's watermark. Deletes are
            not seen.
        CDC: every change from now on, including deletes.
        FULL_LOAD_THEN_CDC: all rows, then every change since.
    """

    FULL_LOAD = "full_load"
    INCREMENTAL = "incremental"
    CDC = "cdc"
    FULL_LOAD_THEN_CDC = "full_load_then_cdc"

    @property
    def streams(self) -> bool:
        """Return whether such a task goes on until it is stopped."""
        return self in {TaskMode.CDC, TaskMode.FULL_LOAD_THEN_CDC}


class TaskStatus(StrEnum):
    """State of a task, as everybody sees it."""

    DRAFT = "draft"
    IDLE = "idle"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    STREAMING = "streaming"
    RETRYING = "retrying"
    PAUSING = "pausing"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class TaskAction(StrEnum):
    """What `POST /api/tasks/{id}/control` accepts."""

    START = "start"
    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"


class DesiredState(StrEnum):
    """What the user wants of a task. Stored; a command only wakes the supervisor to look."""

    STOPPED = "stopped"
    RUNNING = "running"
    PAUSED = "paused"


_AT_REST = frozenset(
    {TaskStatus.DRAFT, TaskStatus.IDLE, TaskStatus.SCHEDULED, TaskStatus.STOPPED, TaskStatus.FAILED}
)
_AT_WORK = frozenset(
    {TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.STREAMING, TaskStatus.RETRYING}
)

ACTIVE_STATUSES = _AT_WORK | {TaskStatus.PAUSING, TaskStatus.STOPPING}
"""States in which an actor is alive: the task may not be deleted, and a change waits."""


def allowed_actions(status: TaskStatus) -> tuple[TaskAction, ...]:
    """Return the actions the state allows, in the order a person would look for them."""
    if status in _AT_REST:
        return (TaskAction.START,)
    if status in _AT_WORK:
        return (TaskAction.PAUSE, TaskAction.STOP)
    if status is TaskStatus.PAUSED:
        return (TaskAction.RESUME, TaskAction.STOP)
    if status is TaskStatus.PAUSING:
        return (TaskAction.RESUME, TaskAction.STOP)
    return (TaskAction.STOP,)  # stopping: stop with force cuts the drain short


class OnGap(StrEnum):
    """What becomes of a table whose changes the source does not keep any more."""

    FAIL = "fail"
    RELOAD = "reload"


class TableMapping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one source table inside a task.

    Attributes:
        target: path segments below the connector's bucket or folder; None follows its prefix.
        key: columns that tell rows apart, for a table without a usable key of its own.
        partition_by: Hive-style partitions by columns as they arrive, outermost first.
        watermark: for mode `incremental`; None takes the table's rowversion column, else its
            identity column when no time column could be meant.
        include_columns: patterns of the columns to read; all of them without any.
        exclude_columns: but none of these.
        column_names: a template instead of the task's; see `TableRules`.
        types: other types, before the rules of the task; each must fit a column.
        write_mode, target_file_size_mb, max_rejected_rows, on_gap, chunk_rows, concurrent_chunks,
            history: instead of those of the task.
    """

    source: TableRef
    target: Annotated[tuple[str, ...], Meta(min_length=1)] | None = None
    key: tuple[str, ...] = ()
    partition_by: tuple[PartitionField, ...] = ()
    watermark: Watermark | None = None
    include_columns: tuple[Pattern, ...] = ()
    exclude_columns: tuple[Pattern, ...] = ()
    column_names: Annotated[str, Meta(max_length=300)] | None = None
    types: Annotated[tuple[ColumnTypeRule, ...], Meta(max_length=1000)] = ()
    write_mode: WriteMode | None = None
    target_file_size_mb: Annotated[int, Meta(ge=1, le=5120)] | None = None
    max_rejected_rows: Annotated[int, Meta(ge=0, le=1_000_000_000)] | None = None
    on_gap: OnGap | None = None
    chunk_rows: Annotated[int, Meta(ge=1_000, le=100_000_000)] | None = None
    concurrent_chunks: Annotated[int, Meta(ge=1, le=64)] | None = None
    history: bool | None = None


class TaskOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits and choices of a task that have good defaults.

    Attributes:
        concurrent_tables: tables loaded side by side.
        concurrent_chunks: chunks of all tables read side by side, one connection each.
        chunk_rows: rows one chunk is planned to hold.
        in_flight_mb: megabytes of Arrow data held between the stages, over the whole task.
        time_limit_s: an execution that runs longer fails; 0 is no limit.
        no_progress_s: the watchdog's limit without a single row or byte moving.
        max_attempts: lives of one table within an execution before it is given up.
        capture: which way changes are read.
        enable_capture: switch it on at the source where it is missing.
        poll_interval_ms: wait between polls of a source that has nothing new.
        merge_interval_s: least time between windows of one table, unless it is behind by more than
            a window; by default what the destination's cost asks for: 60 for Snowflake, else 0.
        window_rows: change rows of one table made durable together; a larger transaction stays
            whole.
        on_gap: a table whose changes are lost stops, or is loaded anew, once in a life of the task.
        drop_capture: when a table leaves the task, drop the capture instance that was made for it.
        max_rejected_rows: rows of one table that transformations may reject in an execution; more
            fail the table.
        history: targets keep every version of their rows, with the times it was valid between.
        take_over: take the targets from the tasks that own them; reset once an execution completed.
    """

    write_mode: WriteMode = WriteMode.OVERWRITE
    target_file_size_mb: Annotated[int, Meta(ge=1, le=5120)] = 128
    concurrent_tables: Annotated[int, Meta(ge=1, le=64)] = 2
    concurrent_chunks: Annotated[int, Meta(ge=1, le=64)] = 2
    chunk_rows: Annotated[int, Meta(ge=1_000, le=100_000_000)] = 500_000
    in_flight_mb: Annotated[int, Meta(ge=8, le=16_384)] = 12
    time_limit_s: Annotated[int, Meta(ge=0)] = 12 * 3600
    no_progress_s: Annotated[int, Meta(ge=5)] = 600
    max_attempts: Annotated[int, Meta(ge=1, le=100)] = 5
    capture: Capture = Capture.CDC
    enable_capture: bool = True
    poll_interval_ms: Annotated[int, Meta(ge=50, le=3_600_000)] = 500
    window_rows: Annotated[int, Meta(ge=1, le=100_000_000)] = 200_000
    merge_interval_s: Annotated[float, Meta(ge=0, le=86_400)] | None = None
    on_gap: OnGap = OnGap.FAIL
    drop_capture: bool = False
    max_rejected_rows: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 1_000
    history: bool = False
    take_over: bool = False


class TaskSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user writes down: the body of `POST` and `PUT /api/tasks/`.

    Attributes:
        tags: what people find it by; each once, and none of them changes what it does.
        owner: who is asked about it: a name, a team, an address.
        source_tables: with `table_rules.include` none need be given: they are what the last start
            found.
        handle_schema_drift: the short form of `schema_drift_policy`: true is `evolve`, false is
            `fail`. Always shown as the policy says.
        schema_drift_policy: what is done when the columns of a table change; without it
            `handle_schema_drift` decides, and without both it is `evolve`.
        schema_drift_approval: what would be done at the destination waits for a decision.
        backfill_new_columns: rows that are there get the values of new columns. Change data
            capture does so anyway, wherever rows may have values that no change brings.
    """

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    description: Annotated[str, Meta(max_length=10_000)] = ""
    tags: Annotated[tuple[Tag, ...], Meta(max_length=MOST_TAGS)] = ()
    owner: Annotated[str, Meta(max_length=200)] = ""
    source_connector_id: ConnectorId
    destination_connector_id: ConnectorId
    source_tables: Annotated[tuple[TableRef, ...], Meta(max_length=10_000)]
    table_rules: TableRules = NO_RULES
    table_mappings: tuple[TableMapping, ...] = ()
    mode: TaskMode = TaskMode.FULL_LOAD
    batch_size_mb: Annotated[int, Meta(ge=1, le=64)] = 4
    batch_rows: Annotated[int, Meta(ge=100, le=1_000_000)] = 65_536
    schedule_type: ScheduleType = ScheduleType.MANUAL
    schedule_interval_seconds: Annotated[int, Meta(ge=10)] | None = None
    schedule: Schedule = NO_SCHEDULE
    s3_file_format: FileFormat = FileFormat.PARQUET
    transformations: tuple[TransformationRule, ...] = ()
    handle_schema_drift: bool | None = None
    schema_drift_policy: DriftPolicy | None = None
    schema_drift_approval: bool = False
    backfill_new_columns: bool = False
    is_active: bool = True
    options: TaskOptions = field(default_factory=TaskOptions)

    def __post_init__(self) -> None:
        """Make both settings of schema drift say the same, and name each tag once."""
        force_setattr(self, "tags", tuple(dict.fromkeys(self.tags)))
        policy = self.drift_policy
        force_setattr(self, "schema_drift_policy", policy)
        force_setattr(self, "handle_schema_drift", policy is not DriftPolicy.FAIL)

    @property
    def drift_policy(self) -> DriftPolicy:
        """Return what is done when the columns of a table change."""
        if self.schema_drift_policy is not None:
            return self.schema_drift_policy
        return DriftPolicy.FAIL if self.handle_schema_drift is False else DriftPolicy.EVOLVE

    def mapping(self, table: TableRef) -> TableMapping:
        """Return the settings of a table."""
        for mapping in self.table_mappings:
            if mapping.source == table:
                return mapping
        return TableMapping(source=table)

    @property
    def shapes(self) -> bool:
        """Return whether rows may arrive otherwise than the source has them."""
        rules = self.table_rules
        return bool(
            self.transformations
            or rules.column_names
            or rules.types
            or any(m.column_names or m.types for m in self.table_mappings)
        )

    def steps(self, table: TableRef) -> tuple[PlacedStep, ...]:
        """Return what is done to a table's rows, in order."""
        at, mapping, names_at = "", self.mapping(table), "$.table_rules"
        template = self.table_rules.column_names
        if mapping in self.table_mappings:
            at = f"$.table_mappings[{self.table_mappings.index(mapping)}]"
        if mapping.column_names is not None:
            template, names_at = mapping.column_names, at
        steps = steps_of(self.transformations, table)
        steps += type_steps(mapping.types, at, self.table_rules.types, table)
        if not template:
            return steps
        naming = NameColumns(template=template, table=table, task_name=self.name)
        return (*steps, PlacedStep(f"{names_at}.column_names", naming))

    def write_mode(self, table: TableRef) -> WriteMode:
        """Return how loads of a table meet what stands at the target."""
        own = self.mapping(table).write_mode
        return self.options.write_mode if own is None else own

    def file_bytes(self, table: TableRef) -> int:
        """Return how large files of a table should be."""
        own = self.mapping(table).target_file_size_mb
        return (self.options.target_file_size_mb if own is None else own) * _MIB

    def write_options(self, table: TableRef) -> WriteOptions:
        """Return how loads of a table are written."""
        return WriteOptions(
            format=self.s3_file_format,
            mode=self.write_mode(table),
            partition_by=self.mapping(table).partition_by,
            target_file_bytes=self.file_bytes(table),
            history=self.keeps_history(table),
        )

    def most_rejected(self, table: TableRef) -> int:
        """Return how many rows of a table may be rejected in an execution."""
        own = self.mapping(table).max_rejected_rows
        return self.options.max_rejected_rows if own is None else own

    def on_gap(self, table: TableRef) -> OnGap:
        """Return what becomes of a table whose changes are lost."""
        own = self.mapping(table).on_gap
        return self.options.on_gap if own is None else own

    def keeps_history(self, table: TableRef) -> bool:
        """Return whether a table's target keeps every version of its rows."""
        own = self.mapping(table).history
        return self.options.history if own is None else own

    def taken(self, schema: TableSchema) -> TableSchema:
        """Return a table with the columns its mapping takes.

        Where rows are shaped that is done already by who shapes them: it has other columns now.

        Raises:
            ValidationFailedError: a pattern fits no column, or no column is left.
        """
        if self.shapes:
            return schema
        mapping = self.mapping(schema.table)
        return with_columns(schema, mapping.include_columns, mapping.exclude_columns)

    def mapped_target(self, table: TableRef) -> tuple[str, ...] | None:
        """Return the path a mapping or the template gives a table, None without both."""
        target = self.mapping(table).target
        if target is None and self.table_rules.target:
            return filled(self.table_rules.target, table, self.name)
        return target

    def places(self, target_of: TargetOf) -> Mapping[TableRef, TargetTable]:
        """Return where each table goes.

        Raises:
            TargetCollisionError: two tables would write into each other's place.
        """
        mapped = {mapping.source: mapping.target for mapping in self.table_mappings}
        rules = self.table_rules.target
        places = {
            table: target_of(
                table,
                mapped.get(table) or (filled(rules, table, self.name) if rules else None),
            )
            for table in self.source_tables
        }
        refuse_clashes(places)
        return places


class Task(Struct, frozen=True, kw_only=True):
    """A stored task: the specification and what became of it."""

    id: TaskId
    spec: TaskSpec
    status: TaskStatus
    desired: DesiredState
    current_progress_percent: float
    created_at: datetime
    updated_at: datetime
    last_run_at: datetime | None = None
    cdc_enabled_tables: tuple[TableRef, ...] = ()
    last_cdc_poll_at: datetime | None = None
    last_error_code: str | None = None
    last_error: str | None = None
