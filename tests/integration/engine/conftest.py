"""A supervisor on a real store, between in-memory tables and targets."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest
from anyio import create_task_group, fail_after

from dtaas.concurrency.bus import EventBus, Feed
from dtaas.connectors.memory.datasets import Dataset, dataset
from dtaas.connectors.registry import Registry
from dtaas.engine.backoff import RestartPolicy
from dtaas.engine.execution import Workshop
from dtaas.engine.supervisor import Supervisor
from dtaas.model.connectors import ConnectorRole, MemoryDestinationConfig, MemorySourceConfig
from dtaas.model.events import Event, ExecutionChanged, TaskChanged
from dtaas.model.execution import Execution, ExecutionStatus
from dtaas.model.ids import TaskId
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.task import DesiredState, Task, TaskOptions, TaskSpec, TaskStatus
from dtaas.model.types import Integer, String
from dtaas.store.connectors import ConnectorDraft
from dtaas.store.store import Store
from tests.fakes.fresh_store import fresh_store

LIMIT_S = 20.0
ROWS = 5_000
ORDERS = TableRef("dbo", "orders")
LINES = TableRef("dbo", "lines")


def table_schema(table: TableRef) -> TableSchema:
    return TableSchema(
        table=table,
        columns=(
            Column(name="id", type=Integer(bits=64), nullable=False),
            Column(name="name", type=String(max_chars=20), nullable=True),
        ),
        key=("id",),
    )


def table_rows(count: int) -> pa.Table:
    return pa.table({"id": range(count), "name": [f"row {i}" for i in range(count)]})


@dataclass
class Works:
    """A running supervisor and what it works on."""

    store: Store
    registry: Registry
    source: Dataset
    target: Dataset
    target_name: str
    source_name: str
    supervisor: Supervisor
    bus: EventBus
    feed: Feed
    seen: list[Event] = field(default_factory=list)

    async def make_task(self, *tables: TableRef, **options: object) -> TaskId:
        source = await self.store.connectors.create(
            ConnectorDraft(
                name=uuid.uuid4().hex,
                role=ConnectorRole.SOURCE,
                kind="memory",
                config=MemorySourceConfig(dataset=self.source_name),
            )
        )
        target = await self.store.connectors.create(
            ConnectorDraft(
                name=uuid.uuid4().hex,
                role=ConnectorRole.DESTINATION,
                kind="memory",
                config=MemoryDestinationConfig(dataset=self.target_name),
            )
        )
        spec = TaskSpec(
            name=uuid.uuid4().hex,
            source_connector_id=source.id,
            destination_connector_id=target.id,
            source_tables=tables or (ORDERS, LINES),
            batch_rows=100,
            options=TaskOptions(**{"chunk_rows": 1_000, **options}),
        )
        return (await self.store.tasks.create(spec)).id

    async def want(self, task_id: TaskId, desired: DesiredState, **how: object) -> None:
        status = {
            DesiredState.RUNNING: TaskStatus.QUEUED,
            DesiredState.PAUSED: TaskStatus.PAUSING,
            DesiredState.STOPPED: TaskStatus.STOPPING,
        }[desired]
        await self.store.engine.set_status(task_id, status, desired=desired)
        await self.supervisor.wake(task_id, **how)

    async def until(self, told: Callable[[Event], bool]) -> Event:
        with fail_after(LIMIT_S):
            while True:
                for event in (await self.feed.take()).events:
                    self.seen.append(event)
                    if told(event):
                        return event

    async def ended(self) -> Execution:
        event = await self.until(
            lambda e: (
                isinstance(e, ExecutionChanged)
                and e.execution.status is not ExecutionStatus.RUNNING
            )
        )
        assert isinstance(event, ExecutionChanged)
        return event.execution

    async def task_is(self, status: TaskStatus) -> Task:
        event = await self.until(lambda e: isinstance(e, TaskChanged) and e.task.status is status)
        assert isinstance(event, TaskChanged)
        return event.task

    def loaded(self, table: TableRef) -> pa.Table:
        rows = self.target.targets[table.schema, table.name].rows
        assert rows is not None
        return rows.sort_by("id")


Begin = Callable[[], Awaitable[Works]]


@pytest.fixture
async def works(tmp_path: Path) -> AsyncIterator[Works]:
    async with running(tmp_path) as made:
        for table in (ORDERS, LINES):
            made.source.add(table_schema(table), table_rows(ROWS))
        yield made


@asynccontextmanager
async def running(data_dir: Path, name: str | None = None) -> AsyncIterator[Works]:
    """Run a supervisor; leaving ends it at once, as a crash would."""
    registry = Registry(memory=True)
    name = name or uuid.uuid4().hex
    async with fresh_store(data_dir, registry) as store:
        bus = EventBus()
        workshop = Workshop(
            store=store.engine,
            ledger=store.loads,
            streams=store.streams,
            bus=bus,
            uniform=lambda _low, _high: 0.0,
            table_retry=RestartPolicy(base_s=0.01, cap_s=0.01),
            data_dir=data_dir,
        )
        supervisor = Supervisor(workshop, registry, shutdown_grace_s=5)
        with bus.subscribe() as feed:
            async with create_task_group() as group:
                await group.start(supervisor.serve)
                yield Works(
                    store=store,
                    registry=registry,
                    source=dataset(f"source-{name}"),
                    target=dataset(f"target-{name}"),
                    source_name=f"source-{name}",
                    target_name=f"target-{name}",
                    supervisor=supervisor,
                    bus=bus,
                    feed=feed,
                )
                group.cancel_scope.cancel()
