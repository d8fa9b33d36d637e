import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from anyio import Event, create_task_group, fail_after, sleep_forever
from structlog.testing import capture_logs

from dtaas.concurrency.bus import EventBus
from dtaas.connectors.memory.source import MemorySource
from dtaas.connectors.registry import Registry
from dtaas.model.check import CheckReport, CheckStep, OnStep, StepStatus
from dtaas.model.connectors import Connector, MemorySourceConfig, TestStatus
from dtaas.model.errors import (
    InUseError,
    NameTakenError,
    NotFoundError,
    RequestError,
    TaskRunningError,
    ValidationFailedError,
)
from dtaas.model.events import ConnectorChanged
from dtaas.model.ids import ConnectorId
from dtaas.model.ports import Source
from dtaas.model.schema import TableInfo
from dtaas.model.task import TaskAction, TaskStatus
from dtaas.services.connector_spec import ConnectorSpec
from dtaas.services.connectors import ConnectorService
from dtaas.services.targets import TargetKeeper
from dtaas.store.connectors import ConnectorFilter
from dtaas.store.page import Window
from dtaas.store.store import utc_now
from tests.fakes.services_at_work import LINES, ORDERS, AtWork, Gate


class _SlowSource(MemorySource):
    """Answers its first step and no more; counts discoveries."""

    discoveries = 0

    async def check(self, on_step: OnStep) -> CheckReport:
        on_step(CheckStep(name="resolve", status=StepStatus.OK, detail="127.0.0.1"))
        await sleep_forever()
        raise AssertionError

    async def discover(self) -> Sequence[TableInfo]:
        type(self).discoveries += 1
        return await super().discover()


class _SlowRegistry(Registry):
    def source(self, connector: Connector) -> Source:
        assert isinstance(connector.config, MemorySourceConfig)
        return _SlowSource(connector.config)


def slow_service(work: AtWork) -> ConnectorService:
    registry = _SlowRegistry(memory=True)
    return ConnectorService(
        connectors=work.store.connectors,
        tasks=work.store.tasks,
        registry=registry,
        keeper=TargetKeeper(registry, work.store.loads, work.store.installation),
        bus=EventBus(),
        now=utc_now,
        test_limit_s=0.05,
    )


def spec_of(connector: Connector, **changed: Any) -> ConnectorSpec:
    data = {
        "name": connector.name,
        f"{connector.role}_type": connector.kind,
        "connection_config": msgspec.to_builtins(connector.config),
        **changed,
    }
    return msgspec.convert(data, ConnectorSpec)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"source_type": None}, "$.source_type"),
        ({"destination_type": "s3"}, "$.destination_type"),
        ({"connector_type": "destination"}, "$.connector_type"),
        ({"source_type": "oracle"}, "$.source_type"),
        ({"connection_config": {}}, "$.connection_config.dataset"),
    ],
)
async def test_a_wrong_connector_is_refused_with_its_path(work: AtWork, changed, field):
    data = msgspec.to_builtins(work.source_spec()) | changed
    with pytest.raises(ValidationFailedError) as caught:
        await work.services.connectors.create(msgspec.convert(data, ConnectorSpec))
    assert caught.value.field == field
    page = await work.services.connectors.list(ConnectorFilter(), Window())
    assert page.total == 0


async def test_names_are_unique(work: AtWork):
    await work.services.connectors.create(work.source_spec(name="same"))
    with pytest.raises(NameTakenError):
        await work.services.connectors.create(work.target_spec(name="same"))


async def test_everybody_is_told_of_every_change(work: AtWork):
    service = work.services.connectors
    connector = await service.create(work.source_spec())
    await service.update(connector.id, spec_of(connector, description="new"))
    await service.test(connector.id)
    await service.delete(connector.id)
    told = [e for e in work.feed.take_nowait().events if isinstance(e, ConnectorChanged)]
    assert [e.removed for e in told] == [False, False, False, True]
    assert {e.connector_id for e in told} == {connector.id}


async def test_the_product_of_a_connector_cannot_change(work: AtWork):
    connector = await work.services.connectors.create(work.source_spec())
    other = work.target_spec(name=connector.name)
    with pytest.raises(ValidationFailedError) as caught:
        await work.services.connectors.update(connector.id, other)
    assert caught.value.field == "$.source_type"


async def test_a_connector_in_use_is_not_deleted_and_its_tasks_are_named(work: AtWork):
    task = await work.task(name="nightly")
    with pytest.raises(InUseError) as caught:
        await work.services.connectors.delete(task.spec.source_connector_id)
    assert "'nightly'" in caught.value.detail


async def test_a_connector_at_work_may_change_its_name_but_not_its_place(work: AtWork):
    task = await work.task()
    gate = Gate(work.source, "read")
    await work.services.control.act(task.id, TaskAction.START)
    with fail_after(10):
        await gate.reached.wait()
    source = await work.services.connectors.get(task.spec.source_connector_id)
    with pytest.raises(TaskRunningError) as caught:
        await work.services.connectors.update(
            source.id, spec_of(source, connection_config={"dataset": "elsewhere"})
        )
    assert task.spec.name in caught.value.detail
    renamed = await work.services.connectors.update(source.id, spec_of(source, name="renamed"))
    assert renamed.name == "renamed"
    gate.open()
    await work.until_task_is(TaskStatus.IDLE)


async def test_moving_a_connector_gives_up_what_was_begun_through_it(work: AtWork):
    """Else the next execution would take chunks for arrived that lie at the old place."""
    task = await work.task()
    gate = Gate(work.source, "read")
    await work.services.control.act(task.id, TaskAction.START)
    with fail_after(10):
        await gate.reached.wait()
    await work.services.control.act(task.id, TaskAction.STOP, force=True)
    await work.until_task_is(TaskStatus.STOPPED)
    begun = [t for t in (ORDERS, LINES) if await work.store.loads.open_load(task.id, t)]
    assert begun
    target = await work.services.connectors.get(task.spec.destination_connector_id)
    elsewhere = {"dataset": uuid.uuid4().hex}
    await work.services.connectors.update(target.id, spec_of(target, connection_config=elsewhere))
    for table in begun:
        assert await work.store.loads.open_load(task.id, table) is None


async def test_a_test_is_stored_with_its_steps(work: AtWork):
    connector = await work.services.connectors.create(work.target_spec())
    tested = await work.services.connectors.test(connector.id)
    assert tested.test_status is TestStatus.OK
    assert tested.last_tested_at is not None
    assert (await work.services.connectors.get(connector.id)).test_report == tested.test_report


async def test_a_test_that_does_not_end_is_ended_and_shows_how_far_it_came(work: AtWork):
    service = slow_service(work)
    connector = await service.create(work.source_spec())
    with fail_after(5):
        tested = await service.test(connector.id)
    assert tested.test_status is TestStatus.FAILED
    assert tested.test_report is not None
    assert [s.name for s in tested.test_report.steps] == ["resolve", "time_limit"]
    assert tested.test_report.steps[-1].code == "timed_out"


async def test_tables_are_kept_until_asked_anew_or_the_connector_changes(work: AtWork):
    service = slow_service(work)
    connector = await service.create(work.source_spec())
    _SlowSource.discoveries = 0
    first = await service.tables(connector.id)
    assert [info.table for info in first] == [LINES, ORDERS]
    assert await service.tables(connector.id) is first
    assert _SlowSource.discoveries == 1
    await service.tables(connector.id, refresh=True)
    assert _SlowSource.discoveries == 2
    await service.update(connector.id, spec_of(connector, description="changed"))
    await service.tables(connector.id)
    assert _SlowSource.discoveries == 3


async def test_a_destination_lists_no_tables(work: AtWork):
    connector = await work.services.connectors.create(work.target_spec())
    with pytest.raises(RequestError):
        await work.services.connectors.tables(connector.id)


async def test_what_does_not_exist_is_not_found(work: AtWork):
    for call in (
        work.services.connectors.get,
        work.services.connectors.delete,
        work.services.connectors.test,
        work.services.connectors.tables,
    ):
        with pytest.raises(NotFoundError):
            await call(ConnectorId(99))


async def test_a_cancelled_test_changes_nothing(work: AtWork):
    service = slow_service(work)
    connector = await service.create(work.source_spec())
    begun = Event()

    async def run() -> None:
        begun.set()
        await service.test(connector.id)

    with capture_logs():
        async with create_task_group() as group:
            group.start_soon(run)
            await begun.wait()
            group.cancel_scope.cancel()
    assert (await service.get(connector.id)).test_status is TestStatus.UNTESTED
