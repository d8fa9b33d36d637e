"""All services over a real store and a real supervisor, between in-memory tables and targets."""

import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from anyio import Event as Flag
from anyio import create_task_group, fail_after

from dtaas.concurrency.bus import EventBus, Feed
from dtaas.connectors.memory.datasets import Dataset, dataset
from dtaas.connectors.registry import Registry
from dtaas.engine.backoff import RestartPolicy
from dtaas.engine.execution import Workshop
from dtaas.engine.supervisor import Supervisor
from dtaas.model.events import Event, ExecutionChanged, TaskChanged
from dtaas.model.execution import Execution, ExecutionStatus
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.task import Task, TaskSpec, TaskStatus
from dtaas.model.types import Integer, String
from dtaas.services.connector_spec import ConnectorSpec
from dtaas.services.services import Services, build_services
from dtaas.settings import AuthSettings
from dtaas.store.store import Store, utc_now
from tests.fakes.fresh_store import fresh_store

LIMIT_S = 20.0
EVERYBODY = AuthSettings(enabled=False)
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


class Gate:
    """Holds a step of the in-memory connectors back: the test knows it was reached, and opens it."""

    def __init__(self, data: Dataset, step: str) -> None:
        self._step = step
        self._open = Flag()
        self.reached = Flag()
        data.hook = self._hook

    def open(self) -> None:
        self._open.set()

    async def _hook(self, step: str, table: TableRef) -> None:
        if step == self._step:
            self.reached.set()
            await self._open.wait()


@dataclass
class AtWork:
    store: Store
    registry: Registry
    services: Services
    supervisor: Supervisor
    bus: EventBus
    feed: Feed
    source: Dataset
    target: Dataset
    name: str
    _waiting: deque[Event] = field(default_factory=deque)

    def source_spec(self, **changed: Any) -> ConnectorSpec:
        return ConnectorSpec(
            **{
                "name": uuid.uuid4().hex,
                "source_type": "memory",
                "connection_config": {"dataset": f"source-{self.name}"},
                **changed,
            }
        )

    def target_spec(self, **changed: Any) -> ConnectorSpec:
        return ConnectorSpec(
            **{
                "name": uuid.uuid4().hex,
                "destination_type": "memory",
                "connection_config": {"dataset": f"target-{self.name}"},
                **changed,
            }
        )

    async def task_spec(self, *tables: TableRef, **changed: Any) -> TaskSpec:
        """Return a specification with two new connectors."""
        source = await self.services.connectors.create(self.source_spec())
        target = await self.services.connectors.create(self.target_spec())
        return TaskSpec(
            **{
                "name": uuid.uuid4().hex,
                "source_connector_id": source.id,
                "destination_connector_id": target.id,
                "source_tables": tables or (ORDERS, LINES),
                **changed,
            }
        )

    async def task(self, *tables: TableRef, **changed: Any) -> Task:
        return await self.services.tasks.create(await self.task_spec(*tables, **changed))

    async def until(self, told: Callable[[Event], bool]) -> Event:
        with fail_after(LIMIT_S):
            while True:
                while self._waiting:
                    event = self._waiting.popleft()
                    if told(event):
                        return event
                self._waiting.extend((await self.feed.take()).events)

    async def until_task_is(self, status: TaskStatus) -> Task:
        event = await self.until(lambda e: isinstance(e, TaskChanged) and e.task.status is status)
        assert isinstance(event, TaskChanged)
        return event.task

    async def until_ended(self) -> Execution:
        event = await self.until(
            lambda e: (
                isinstance(e, ExecutionChanged)
                and e.execution.status is not ExecutionStatus.RUNNING
            )
        )
        assert isinstance(event, ExecutionChanged)
        return event.execution


@asynccontextmanager
async def services_at_work(data_dir: Path, auth: AuthSettings = EVERYBODY) -> AsyncIterator[AtWork]:
    """Build and run everything but the servers; leaving ends it at once, as a crash would."""
    registry = Registry(memory=True)
    name = uuid.uuid4().hex
    source = dataset(f"source-{name}")
    for table in (ORDERS, LINES):
        source.add(table_schema(table), pa.table({"id": [1, 2, 3], "name": ["a", "b", None]}))
    async with fresh_store(data_dir, registry) as store:
        bus = EventBus()
        workshop = Workshop(
            store=store.engine,
            ledger=store.loads,
            streams=store.streams,
            reviews=store.reviews,
            history=store.schema_history,
            bus=bus,
            uniform=lambda _low, _high: 0.0,
            table_retry=RestartPolicy(base_s=0.01, cap_s=0.01),
            data_dir=data_dir,
        )
        supervisor = Supervisor(workshop, registry, shutdown_grace_s=5)
        services = build_services(
            store=store,
            registry=registry,
            runner=supervisor,
            bus=bus,
            now=utc_now,
            auth=auth,
            data_dir=data_dir,
            measure=lambda: {"disk": 42.0},
        )
        with bus.subscribe() as feed:
            async with create_task_group() as group:
                await group.start(supervisor.serve)
                yield AtWork(
                    store=store,
                    registry=registry,
                    services=services,
                    supervisor=supervisor,
                    bus=bus,
                    feed=feed,
                    source=source,
                    target=dataset(f"target-{name}"),
                    name=name,
                )
                group.cancel_scope.cancel()
