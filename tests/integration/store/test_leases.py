"""Several daemons on one PostgreSQL: who lives, whose task is whose, and who may write."""

import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from dtaas.connectors.registry import Registry
from dtaas.model.errors import SettingsError, StoreInUseError, StoreUnavailableError
from dtaas.model.ids import TaskId
from dtaas.store.address import parse_address
from dtaas.store.errors import StorePlace, translated
from dtaas.store.leases import BEAT_S, TTL_S, Leases
from dtaas.store.metrics import MetricSample
from dtaas.store.postgres_engine import SLEEPER_LIMIT_S, postgres_engine
from dtaas.store.store import Store, open_store
from tests.contract.store_samples import spec
from tests.contract.stored import connect

_FROZEN = text("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'")


@pytest.fixture
async def daemons(postgres_url: str, tmp_path: Path) -> AsyncIterator[tuple[Store, Store]]:
    """Two daemons that joined."""
    async with AsyncExitStack() as stack:
        stores = []
        for _ in range(2):
            store = await stack.enter_async_context(
                open_store(
                    postgres_url, data_dir=tmp_path, registry=Registry(memory=True), shared=True
                )
            )
            await leases(store).join()
            stores.append(store)
        yield stores[0], stores[1]


def leases(store: Store) -> Leases:
    assert store.leases is not None
    return store.leases


async def task_in(store: Store) -> TaskId:
    source, target = await connect(store)
    return (
        await store.tasks.create(
            spec("t", source_connector_id=source.id, destination_connector_id=target.id)
        )
    ).id


async def silence(by: Store, index: int) -> None:
    """Let the daemon that joined as the `index`-th be silent for too long."""
    statement = text(
        "UPDATE daemons SET expires_at = clock_timestamp() - interval '1 second' WHERE id ="
        " (SELECT id FROM daemons ORDER BY joined_at OFFSET :index LIMIT 1)"
    ).bindparams(index=index)
    await by.database.write(lambda c: c.execute(statement))


async def test_a_task_is_one_daemons(daemons: tuple[Store, Store]) -> None:
    first, second = daemons
    task = await task_in(first)
    assert await leases(second).host_of(task) is None
    assert await leases(first).acquire(task) == 1
    assert await leases(second).host_of(task) == f"{socket.gethostname()}:{os.getpid()}"
    assert await leases(first).acquire(task) == 1
    assert await leases(second).acquire(task) is None
    assert await leases(second).free_tasks([task, TaskId(99)]) == [TaskId(99)]
    await leases(first).release(task)
    assert await leases(second).host_of(task) is None
    assert await leases(second).acquire(task) == 2
    await leases(second).leave()
    assert await leases(first).acquire(task) == 3


async def test_who_was_silent_may_not_write_and_comes_back_as_another(
    daemons: tuple[Store, Store],
) -> None:
    first, second = daemons
    task = await task_in(first)
    assert await leases(first).acquire(task) == 1
    await silence(second, 0)
    await first.tasks.update(task, (await first.tasks.get(task)).spec)  # nobody noticed yet
    assert await leases(second).beat()
    with pytest.raises(StoreInUseError):
        await first.tasks.update(task, (await first.tasks.get(task)).spec)
    assert await leases(second).acquire(task) == 2
    assert not await leases(first).beat()
    await leases(first).join()
    assert await leases(first).beat()
    assert await leases(first).acquire(task) is None


async def test_who_sleeps_within_a_transaction_is_buried_too(
    daemons: tuple[Store, Store], postgres_url: str
) -> None:
    first, second = daemons
    task = await task_in(first)
    assert await leases(first).acquire(task) == 1
    await silence(second, 0)
    async with AsyncExitStack() as stack:
        engine = postgres_engine(parse_address(postgres_url, Path()), pool_size=1, sessions="x")
        stack.push_async_callback(engine.dispose)
        sleeper = await stack.enter_async_context(engine.connect())
        await sleeper.execute(text("SELECT id FROM daemons ORDER BY joined_at LIMIT 1 FOR SHARE"))
        with anyio.fail_after(BEAT_S):
            assert await leases(second).beat()
        assert await leases(second).acquire(task) is None
        with anyio.fail_after(SLEEPER_LIMIT_S + TTL_S):
            while await leases(second).acquire(task) is None:
                assert await leases(second).beat()
        with pytest.raises(DBAPIError) as ended:
            await sleeper.execute(text("SELECT 1"))
        await sleeper.invalidate()
    assert isinstance(translated(ended.value, StorePlace(label="db")), StoreUnavailableError)


async def test_who_is_frozen_within_a_statement_is_buried_too(
    daemons: tuple[Store, Store],
) -> None:
    first, second = daemons
    task = await task_in(first)
    assert await leases(first).acquire(task) == 1
    ended: list[BaseException] = []

    async def freeze() -> None:
        # Active for as long as it lasts: no limit of the server's on idle sessions ends it.
        try:
            await first.database.write(lambda c: c.execute(text("SELECT pg_sleep(60)")))
        except StoreUnavailableError as error:
            ended.append(error)

    await silence(second, 0)
    async with anyio.create_task_group() as group:
        group.start_soon(freeze)
        with anyio.fail_after(TTL_S):
            while not await second.database.read(lambda c: c.scalar(_FROZEN)):
                await anyio.sleep(0.02)
        with anyio.fail_after(TTL_S):
            while await leases(second).acquire(task) is None:
                assert await leases(second).beat()
    assert len(ended) == 1
    assert not await leases(first).beat()  # it finds that it was buried, by a new session


async def test_the_sessions_of_the_living_go_on(daemons: tuple[Store, Store]) -> None:
    first, second = daemons
    task = await task_in(first)
    await leases(first).join()  # as one that was late: its old row is still there
    assert await leases(first).acquire(task) == 1
    await silence(second, 0)
    assert await leases(second).beat()
    assert await leases(first).beat()
    assert await leases(first).acquire(task) == 1


async def test_a_beat_in_time_keeps_everything(daemons: tuple[Store, Store]) -> None:
    first, second = daemons
    await silence(first, 0)
    assert await leases(first).beat()
    assert await leases(second).beat()
    assert await leases(first).beat()


async def test_the_oldest_leads(daemons: tuple[Store, Store]) -> None:
    first, second = daemons
    assert (await leases(first).leads(), await leases(second).leads()) == (True, False)
    await leases(first).leave()
    assert await leases(second).leads()


async def test_who_left_may_not_write(daemons: tuple[Store, Store]) -> None:
    first, _ = daemons
    await leases(first).leave()
    with pytest.raises(StoreInUseError):
        await task_in(first)


async def test_sqlite_is_for_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="PostgreSQL"):
        async with open_store("", data_dir=tmp_path, registry=Registry(), shared=True):
            pass


async def test_daemons_that_sample_at_once_lose_nothing_and_wait_for_nobody(
    daemons: tuple[Store, Store],
) -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    samples = [MetricSample(name=f"figure {n:03}", value=1.0, at=at) for n in range(100)]

    async def sample(store: Store, mine: Sequence[MetricSample]) -> None:
        for _ in range(20):
            await store.metrics.record(mine)

    # In opposite orders each would wait for a row of the other's, and the server would end one.
    async with anyio.create_task_group() as group:
        group.start_soon(sample, daemons[0], samples)
        group.start_soon(sample, daemons[1], samples[::-1])
    found = await daemons[0].metrics.buckets(
        [one.name for one in samples], since=at, until=at + timedelta(hours=1), bucket_s=3600
    )
    assert [(one.samples, one.average) for one in found] == [(40, 1.0)] * len(samples)
