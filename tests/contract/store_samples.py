"""What the suites of the store's ports store."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from dtaas.model.execution import (
    ExecutionProgress,
    ExecutionStatus,
    TablePhase,
    TableProgress,
)
from dtaas.model.ids import ConnectorId, ExecutionId, LoadId, TaskId
from dtaas.model.load import (
    Chunk,
    ChunkReceipt,
    CommitResult,
    DataFile,
    Owner,
    PartitionField,
    TableLoad,
    TargetTable,
    WriteOptions,
)
from dtaas.model.schedule import ScheduleType
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.task import Task, TaskSpec
from dtaas.model.types import Decimal, Integer, String

NewTask = Callable[..., Awaitable[Task]]
"""Stores a task in whatever is under test; keywords replace fields of its specification."""

TABLE = TableRef("dbo", "orders")
OTHER = TableRef("dbo", "Łódź ]'\"; 😀")


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def spec(name: str, /, **changes: object) -> TaskSpec:
    fields: dict[str, object] = {
        "name": name,
        "source_connector_id": ConnectorId(1),
        "destination_connector_id": ConnectorId(2),
        "source_tables": (TABLE, OTHER),
    }
    return TaskSpec(**(fields | changes))  # type: ignore[arg-type]


HOURLY = {"schedule_type": ScheduleType.INTERVAL, "schedule_interval_seconds": 3600}


def load_id(number: int) -> LoadId:
    return LoadId(f"{number:032x}")


def table_load(task_id: TaskId, number: int, table: TableRef = TABLE) -> TableLoad:
    return TableLoad(
        load_id=load_id(number),
        task_id=task_id,
        execution_id=ExecutionId(7),
        owner=Owner(installation="a" * 32, task_id=task_id, task_name="t"),
        schema=TableSchema(
            table=table,
            columns=(
                Column(name="id", type=Integer(64), nullable=False, native_type="bigint"),
                Column(name="näme", type=String(10), nullable=True),
                Column(name="price", type=Decimal(38, 4), nullable=True),
            ),
            key=("id",),
        ),
        target=TargetTable(path=("sales", table.name)),
        options=WriteOptions(partition_by=(PartitionField(column="day", part="month"),)),
        chunks=(
            Chunk(index=0, columns=("id",), upper=("100",), expected_rows=100),
            Chunk(index=1, columns=("id",), lower=("100",)),
        ),
        source_position="00000027000001f40001",
    )


def receipt(index: int, rows: int = 100) -> ChunkReceipt:
    file = DataFile(
        key=f"data/part-{index:05d}.parquet",
        rows=rows,
        bytes=rows * 10,
        etag="e" * 32,
        sha256="f" * 64,
        partition=(("day", "2026-03"),),
    )
    return ChunkReceipt(chunk_index=index, rows=rows, bytes=rows * 10, files=(file,))


def result(rows: int = 100) -> CommitResult:
    return CommitResult(rows=rows, bytes=rows * 10, files=1, location="s3://b/orders/")


def progress(
    task_id: TaskId,
    execution_id: ExecutionId,
    *tables: TableProgress,
    rows: int = 50,
    percent: float = 50.0,
) -> ExecutionProgress:
    return ExecutionProgress(
        task_id=task_id,
        execution_id=execution_id,
        status=ExecutionStatus.RUNNING,
        rows_done=rows,
        rows_total=100,
        bytes=3_500_000,
        written_bytes=1_000_000,
        rows_s=12.5,
        mb_s=0.5,
        eta_s=4.0,
        percent=percent,
        elapsed_s=10.0,
        tables=tables,
    )


def table_state(table: TableRef, phase: TablePhase, **changes: object) -> TableProgress:
    return TableProgress(table=table, phase=phase, **changes)  # type: ignore[arg-type]
