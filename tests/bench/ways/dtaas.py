"""A task in the daemon's own engine and store, warm, as it runs there."""

import os
import tempfile
import time
from pathlib import Path

import anyio

from dtaas.allocator import return_freed_memory, spare_the_collector
from dtaas.concurrency.bus import EventBus
from dtaas.connectors.lake.destination import LakeDestination  # noqa: F401 - before the clock
from dtaas.connectors.registry import Registry, warm_up
from dtaas.connectors.sqlserver.source import SqlServerSource  # noqa: F401 - before the clock
from dtaas.engine.execution import Workshop
from dtaas.engine.supervisor import Supervisor
from dtaas.model.connectors import ConnectorRole, Encryption, Reader, S3Config, SqlServerConfig
from dtaas.model.events import ExecutionChanged
from dtaas.model.execution import ExecutionStatus
from dtaas.model.ids import TaskId
from dtaas.model.schema import TableRef
from dtaas.model.task import DesiredState, TaskSpec, TaskStatus
from dtaas.model.transformations import Transformation, TransformationRule
from dtaas.store.connectors import ConnectorDraft
from dtaas.store.store import Store, open_store
from tests.bench.race import Race
from tests.bench.shape import SCHEMA_NAME, TABLE_NAME

READER = Reader(os.environ.get("BENCH_READER", Reader.AUTO))


def prepare(race: Race):
    return prepare_with(race, ())


def prepare_with(race: Race, steps: tuple[Transformation, ...]):
    return_freed_memory()
    warm_up()
    return lambda: anyio.run(_run, race, steps)


async def _run(race: Race, steps: tuple[Transformation, ...]) -> int:
    registry, bus = Registry(), EventBus()
    with tempfile.TemporaryDirectory() as folder:
        async with open_store("", data_dir=Path(folder), registry=registry) as store:
            workshop = Workshop(
                store=store.engine,
                ledger=store.loads,
                streams=store.streams,
                bus=bus,
                uniform=lambda low, _high: low,
                data_dir=Path(folder),
            )
            supervisor = Supervisor(workshop, registry, shutdown_grace_s=5)
            task_id = await _make_task(store, race, steps)
            await store.engine.set_status(task_id, TaskStatus.QUEUED, desired=DesiredState.RUNNING)
            with bus.subscribe() as feed:
                async with anyio.create_task_group() as group:
                    await group.start(supervisor.serve)
                    spare_the_collector()
                    race.begin()  # the daemon is warm; the first query comes next
                    while True:
                        for event in (await feed.take()).events:
                            if _is_end(event):
                                group.cancel_scope.cancel()
                                assert event.execution.error_message is None, event.execution
                                return event.execution.processed_rows


def _is_end(event: object) -> bool:
    return (
        isinstance(event, ExecutionChanged)
        and event.execution.status is not ExecutionStatus.RUNNING
    )


async def _make_task(store: Store, race: Race, steps: tuple[Transformation, ...]) -> TaskId:
    source = await store.connectors.create(
        ConnectorDraft(
            name="source",
            role=ConnectorRole.SOURCE,
            kind="sqlserver",
            config=SqlServerConfig(
                host="127.0.0.1",
                port=race.port,
                database="bench",
                username="sa",
                password="bench",
                encrypt=Encryption.NO,
                trust_server_certificate=True,
                reader=READER,
            ),
        )
    )
    target = await store.connectors.create(
        ConnectorDraft(
            name="target",
            role=ConnectorRole.DESTINATION,
            kind="s3",
            config=S3Config(
                bucket=race.bucket,
                prefix=f"dtaas/{time.time_ns()}/{{table}}",
                endpoint_url=race.endpoint,
                access_key_id=race.access_key,
                secret_access_key=race.secret_key,
            ),
        )
    )
    spec = TaskSpec(
        name="bench",
        source_connector_id=source.id,
        destination_connector_id=target.id,
        source_tables=(TableRef(SCHEMA_NAME, TABLE_NAME),),
        transformations=(TransformationRule(steps=steps),) if steps else (),
    )
    return (await store.tasks.create(spec)).id
