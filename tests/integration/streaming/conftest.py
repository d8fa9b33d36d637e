"""A task that loads and streams from the simulated server into a folder, in the real engine."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import pytest

from dtaas.concurrency.bus import EventBus
from dtaas.connectors.registry import Registry
from dtaas.engine.execution import Workshop
from dtaas.engine.supervisor import Supervisor
from dtaas.model.connectors import ConnectionConfig, ConnectorRole, FileConfig, decode_config
from dtaas.model.drift import DriftDecision, SchemaChange
from dtaas.model.execution import Execution, ExecutionProgress, TablePhase
from dtaas.model.ids import TaskId
from dtaas.model.load import FileFormat
from dtaas.model.schema import TableRef
from dtaas.model.task import (
    DesiredState,
    TableMapping,
    Task,
    TaskMode,
    TaskOptions,
    TaskSpec,
    TaskStatus,
)
from dtaas.model.transformations import TransformationRule
from dtaas.sandbox.seaweed import SeaweedServer, seaweed
from dtaas.sandbox.sqlserver.simulated import SimulatedSqlServer, simulated_sql_server
from dtaas.services.control import TaskControl
from dtaas.services.drift import DriftService
from dtaas.store.connectors import ConnectorDraft
from dtaas.store.executions import ExecutionFilter
from dtaas.store.store import Store, utc_now
from tests.fakes.fresh_store import fresh_store
from tests.fakes.lake_reader import LakeTable
from tests.integration.sqlserver_source.database import Database

_PASSWORD = "Str€am;ing 1"
_numbers = count()
LIMIT_S = 40.0


@pytest.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SimulatedSqlServer]:
    folder = tmp_path_factory.mktemp("streaming")
    async with simulated_sql_server(folder, password=_PASSWORD) as running:
        running.capture.interval_s = 0.05
        yield running


@pytest.fixture(scope="session")
async def buckets(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SeaweedServer]:
    """An S3 server with the bucket `streams`; each test should take a prefix of its own."""
    folder = tmp_path_factory.mktemp("buckets")
    async with seaweed(folder, access_key="key", secret_key="secret") as server:
        await server.create_bucket("streams")
        yield server


@pytest.fixture
async def database(server: SimulatedSqlServer) -> AsyncIterator[Database]:
    """A database of the test's own, gone after it: what is there costs the server time."""
    name = f"stream_{next(_numbers)}"
    await server.run_script(f"CREATE DATABASE {name}")
    database = Database(server, name, _PASSWORD)
    yield database
    await database.aclose()
    await server.run_script(f"DROP DATABASE {name}")


class Life:
    """One life of the daemon's engine."""

    def __init__(
        self, store: Store, supervisor: Supervisor, task_id: TaskId, bus: EventBus
    ) -> None:
        self.bus = bus
        self.store = store
        self.supervisor = supervisor
        self.task_id = task_id

    async def start(self, *, force: bool = False) -> None:
        await self._want(DesiredState.RUNNING, TaskStatus.QUEUED)
        await self.supervisor.wake(self.task_id, force=force)

    async def stop(self, desired: DesiredState = DesiredState.STOPPED) -> Task:
        status = TaskStatus.PAUSING if desired is DesiredState.PAUSED else TaskStatus.STOPPING
        await self._want(desired, status)
        await self.supervisor.wake(self.task_id)
        rest = {TaskStatus.PAUSED, TaskStatus.STOPPED, TaskStatus.FAILED}
        return await self.until(lambda task, _: task.status in rest)

    async def until(self, met: Callable[[Task, ExecutionProgress | None], bool]) -> Task:
        with anyio.fail_after(LIMIT_S):
            while True:
                task = await self.store.engine.task(self.task_id)
                if met(task, self.supervisor.progress(self.task_id)):
                    return task
                await anyio.sleep(0.02)

    async def execute(self, *, force: bool = False) -> Execution:
        """Run one execution of a task that ends by itself, and return how it ended."""
        before = await self.store.engine.last_started(self.task_id)
        await self.start(force=force)
        rest = {TaskStatus.IDLE, TaskStatus.STOPPED, TaskStatus.FAILED}

        def ended(task: Task, _: ExecutionProgress | None) -> bool:
            return task.status in rest and task.last_run_at != before

        await self.until(ended)
        return (await self.store.executions.list(ExecutionFilter(task_id=self.task_id))).items[0]

    async def streaming(self) -> None:
        """Wait until every table streams."""

        def met(task: Task, progress: ExecutionProgress | None) -> bool:
            assert task.status is not TaskStatus.FAILED, task.last_error
            return progress is not None and all(
                t.phase is TablePhase.STREAMING for t in progress.tables
            )

        await self.until(met)

    async def decide(
        self, change: SchemaChange, decision: DriftDecision, *, backfill: bool = False
    ) -> SchemaChange:
        """Decide about a change of a table as a person would."""
        engine = self.store.engine
        control = TaskControl(
            store=engine, runner=self.supervisor, bus=self.bus, now=utc_now, changing=anyio.Lock()
        )
        service = DriftService(
            history=self.store.schema_history,
            states=engine,
            control=control,
            runner=self.supervisor,
            bus=self.bus,
            now=utc_now,
        )
        return await service.decide(
            self.task_id, change.id, decision, backfill=backfill, who="a person"
        )

    async def _want(self, desired: DesiredState, status: TaskStatus) -> None:
        await self.store.engine.set_status(self.task_id, status, desired=desired)


class Setting:
    """A store, a target folder and a task over several lives."""

    kind = "file"
    config_type: type[ConnectionConfig] = FileConfig
    file_format = FileFormat.PARQUET
    mappings: tuple[TableMapping, ...] = ()
    transformations: tuple[TransformationRule, ...] = ()
    field = "path"
    settings: Mapping[str, Any] = {}
    registry_type: type[Registry] = Registry

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.lake = folder / "lake"
        self.database = database
        self.lake.mkdir()
        (self.lake / "_root").touch()

    @asynccontextmanager
    async def life(
        self, *tables: TableRef, mode: TaskMode = TaskMode.FULL_LOAD_THEN_CDC, **options: Any
    ) -> AsyncIterator[Life]:
        """Run the engine; the task is made in the first life."""
        registry, bus = self.registry_type(memory=True), EventBus()
        async with fresh_store(self.folder / "data", registry) as store:
            task_id = TaskId(1)
            if not (self.folder / "made").exists():
                task_id = await self._make(store, tables, mode, options)
                (self.folder / "made").touch()
            workshop = Workshop(
                store=store.engine,
                ledger=store.loads,
                streams=store.streams,
                history=store.schema_history,
                bus=bus,
                uniform=lambda _low, _high: 0.0,
                data_dir=self.folder / "data",
            )
            supervisor = Supervisor(workshop, registry, shutdown_grace_s=10)
            async with anyio.create_task_group() as group:
                await group.start(supervisor.serve)
                yield Life(store, supervisor, task_id, bus)
                await supervisor.drain()
                group.cancel_scope.cancel()

    def target(self) -> ConnectionConfig:
        return decode_config({self.field: str(self.lake)}, self.config_type)

    def table(self, table: TableRef) -> LakeTable:
        return LakeTable(self.lake / table.schema / table.name)

    async def _make(
        self, store: Store, tables: tuple[TableRef, ...], mode: TaskMode, options: dict[str, Any]
    ) -> TaskId:
        source = await store.connectors.create(
            ConnectorDraft(
                name="source",
                role=ConnectorRole.SOURCE,
                kind="sqlserver",
                config=self.database.config,
            )
        )
        target = await store.connectors.create(
            ConnectorDraft(
                name="target",
                role=ConnectorRole.DESTINATION,
                kind=self.kind,
                config=self.target(),
            )
        )
        spec = TaskSpec(
            name="stream",
            source_connector_id=source.id,
            destination_connector_id=target.id,
            source_tables=tables,
            mode=mode,
            s3_file_format=self.file_format,
            table_mappings=self.mappings,
            transformations=self.transformations,
            options=TaskOptions(**{"poll_interval_ms": 50, **options}),
            **self.settings,
        )
        return (await store.tasks.create(spec)).id


@pytest.fixture
def setting(tmp_path: Path, database: Database) -> Setting:
    return Setting(tmp_path, database)
