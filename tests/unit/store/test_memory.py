"""The in-memory store keeps the promises of the ports."""

import pytest
from msgspec.structs import replace

from dtaas.model.ids import TaskId
from dtaas.model.task import DesiredState, Task, TaskStatus
from dtaas.store.memory import MemoryCheckpoints, MemoryEngineStore, MemoryLoads
from dtaas.store.memory_streams import MemoryStreams
from tests.contract.checkpoint_store import CheckpointStoreContract
from tests.contract.execution_store import ExecutionStoreContract
from tests.contract.load_ledger import LoadLedgerContract
from tests.contract.store_samples import Clock, NewTask, spec
from tests.contract.stream_store import StreamStoreContract


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine_store(clock: Clock) -> MemoryEngineStore:
    return MemoryEngineStore(clock)


@pytest.fixture
def new_task(engine_store: MemoryEngineStore, clock: Clock) -> NewTask:
    made: list[Task] = []

    async def make(**changes: object) -> Task:
        task = Task(
            id=TaskId(len(made) + 1),
            spec=spec(f"task {len(made)}", **changes),
            status=TaskStatus.IDLE,
            desired=DesiredState.STOPPED,
            current_progress_percent=0.0,
            created_at=clock.now,
            updated_at=clock.now,
        )
        made.append(task)
        engine_store.put(task)
        return task

    return make


class TestMemoryCheckpoints(CheckpointStoreContract):
    @pytest.fixture
    def checkpoints(self) -> MemoryCheckpoints:
        return MemoryCheckpoints()


class TestMemoryLoads(LoadLedgerContract):
    @pytest.fixture
    def ledger(self) -> MemoryLoads:
        return MemoryLoads()


class TestMemoryStreams(StreamStoreContract):
    @pytest.fixture
    def streams(self) -> MemoryStreams:
        return MemoryStreams()


class TestMemoryEngineStore(ExecutionStoreContract):
    async def test_put_replaces(self, engine_store: MemoryEngineStore, new_task: NewTask) -> None:
        task = await new_task()
        engine_store.put(replace(task, status=TaskStatus.FAILED))
        assert (await engine_store.task(task.id)).status is TaskStatus.FAILED
