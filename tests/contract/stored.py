"""The suites of the three ports over an open `Store`. Subclass; provide `store` and `clock`."""

import itertools

import pytest

from dtaas.model.connectors import (
    Connector,
    ConnectorRole,
    MemoryDestinationConfig,
    MemorySourceConfig,
)
from dtaas.model.errors import NotFoundError
from dtaas.model.ids import TaskId
from dtaas.model.task import Task
from dtaas.store.checkpoints import Checkpoints
from dtaas.store.connectors import ConnectorDraft
from dtaas.store.engine_store import EngineStore
from dtaas.store.loads import Loads
from dtaas.store.store import Store
from dtaas.store.streams import Streams
from tests.contract.checkpoint_store import StoredCheckpointsContract
from tests.contract.execution_store import ExecutionStoreContract
from tests.contract.load_ledger import RUN, LoadLedgerContract
from tests.contract.store_samples import (
    TABLE,
    Clock,
    NewTask,
    load_id,
    result,
    spec,
    table_load,
)
from tests.contract.stream_store import StreamStoreContract


async def connect(store: Store) -> tuple[Connector, Connector]:
    """Store a source and a destination."""
    source = await store.connectors.create(
        ConnectorDraft(
            name="source",
            role=ConnectorRole.SOURCE,
            kind="memory",
            config=MemorySourceConfig(dataset="a"),
        )
    )
    destination = await store.connectors.create(
        ConnectorDraft(
            name="destination",
            role=ConnectorRole.DESTINATION,
            kind="memory",
            config=MemoryDestinationConfig(dataset="b"),
        )
    )
    return source, destination


@pytest.fixture
async def new_task(store: Store) -> NewTask:
    source, destination = await connect(store)
    numbers = itertools.count()

    async def make(**changes: object) -> Task:
        ids = {
            "source_connector_id": source.id,
            "destination_connector_id": destination.id,
        }
        return await store.tasks.create(spec(f"task {next(numbers)}", **(ids | changes)))

    return make


class CheckpointsSuite(StoredCheckpointsContract):
    @pytest.fixture
    def checkpoints(self, store: Store) -> Checkpoints:
        return store.checkpoints


class StreamsSuite(StreamStoreContract):
    @pytest.fixture
    def streams(self, store: Store) -> Streams:
        return store.streams


class LoadsSuite(LoadLedgerContract):
    @pytest.fixture
    def ledger(self, store: Store) -> Loads:
        return store.loads

    async def test_the_last_load_is_the_one_closed_last_when_the_clock_went_back(
        self, ledger: Loads, new_task: NewTask, clock: Clock
    ) -> None:
        task = await new_task()
        for number in (1, 2, 3):
            await ledger.save_load(table_load(task.id, number))
            await ledger.mark_committed(load_id(number), result(number), execution_id=RUN)
            clock.pass_s(-600)
        last = await ledger.last_committed(task.id, TABLE)
        assert last is not None
        assert last.load_id == load_id(3)
        found = await ledger.committed_in(RUN, TABLE)
        assert found is not None
        assert found.rows == 3


class EngineStoreSuite(ExecutionStoreContract):
    @pytest.fixture
    def engine_store(self, store: Store) -> EngineStore:
        return store.engine

    async def test_a_number_no_column_takes_is_nobodys(self, engine_store: EngineStore) -> None:
        for number in (2**63, -(2**80)):
            with pytest.raises(NotFoundError):
                await engine_store.task(TaskId(number))

    async def test_a_connector_comes_with_its_configuration(
        self, store: Store, engine_store: EngineStore
    ) -> None:
        source, destination = await connect(store)
        assert await engine_store.connector(source.id) == source
        assert await engine_store.connector(destination.id) == destination
