from pathlib import Path

import pytest
from msgspec.structs import replace

from dtaas.connectors.registry import Registry
from dtaas.model.connectors import ConnectorRole, MemoryDestinationConfig, MemorySourceConfig
from dtaas.model.errors import NameTakenError
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.schedule import Schedule, ScheduleType
from dtaas.model.schema import TableRef
from dtaas.model.task import TaskSpec, TaskStatus
from dtaas.store.bundle import Bundle
from dtaas.store.connectors import ConnectorDraft
from dtaas.store.store import open_store

SOURCE = ConnectorDraft(
    name="S", role=ConnectorRole.SOURCE, kind="memory", config=MemorySourceConfig(dataset="s")
)
TARGET = ConnectorDraft(
    name="D",
    role=ConnectorRole.DESTINATION,
    kind="memory",
    config=MemoryDestinationConfig(dataset="d"),
)
FIRST = TaskSpec(
    name="first",
    source_connector_id=ConnectorId(-1),
    destination_connector_id=ConnectorId(-2),
    source_tables=(TableRef("dbo", "a"),),
)
SECOND = replace(
    FIRST,
    name="second",
    schedule_type=ScheduleType.AFTER_TASK,
    schedule=Schedule(after_task_id=TaskId(-3)),
)


def bundle(second: TaskSpec) -> Bundle:
    return Bundle(
        new_connectors={ConnectorId(-1): SOURCE, ConnectorId(-2): TARGET},
        changed_connectors={},
        new_tasks={
            TaskId(-3): (FIRST, TaskStatus.IDLE),
            TaskId(-4): (second, TaskStatus.SCHEDULED),
        },
        changed_tasks={},
    )


async def test_what_is_new_refers_to_what_is_new(tmp_path: Path):
    async with open_store("", data_dir=tmp_path, registry=Registry(memory=True)) as store:
        done = await store.bundles.store(bundle(SECOND))
        second = done.tasks[TaskId(-4)]
        assert second.spec.schedule.after_task_id == done.tasks[TaskId(-3)].id > 0
        assert second.spec.source_connector_id == done.connectors[ConnectorId(-1)].id
        assert second.status is TaskStatus.SCHEDULED


async def test_a_refusal_at_the_end_leaves_nothing_of_the_beginning(tmp_path: Path):
    async with open_store("", data_dir=tmp_path, registry=Registry(memory=True)) as store:
        with pytest.raises(NameTakenError):
            await store.bundles.store(bundle(replace(SECOND, name="first")))
        assert (await store.tasks.list()).total == 0
        assert (await store.connectors.list()).total == 0
