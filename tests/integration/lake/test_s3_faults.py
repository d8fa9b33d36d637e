"""Broken links, lost replies, races and cancellations against a real S3 server."""

import math
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import anyio
import pyarrow as pa
import pytest
from msgspec.structs import replace

from dtaas.connectors.lake import s3_store
from dtaas.connectors.lake.destination import LakeDestination
from dtaas.connectors.lake.layout import Layout
from dtaas.connectors.lake.names import PrefixTemplate
from dtaas.connectors.lake.s3_client import ClientLimits, s3_client
from dtaas.connectors.lake.s3_store import S3Store
from dtaas.engine.verification.sides import fingerprint_of
from dtaas.model.connectors import S3Config
from dtaas.model.errors import (
    ConnectionLostError,
    DestinationConflictError,
    DestinationInUseError,
    TimedOutError,
)
from dtaas.model.load import WriteOptions
from dtaas.model.schema import TableSchema
from dtaas.model.types import Binary
from dtaas.sandbox.faults import FaultProxy, fault_proxy
from dtaas.sandbox.seaweed import SeaweedServer
from tests.contract.destination import (
    expected,
    load_of,
    owner,
    rows_of,
    schema_of,
    whole_load,
    write_chunk,
)

MIB = 1024 * 1024
LARGE = schema_of("large", [("noise", Binary())])


def noise(mebibytes: int) -> pa.RecordBatch:
    """Rows of 64 KiB that do not compress, so that a file has several parts."""
    count = mebibytes * 16
    cells = [os.urandom(65_536) for _ in range(count)]
    return pa.RecordBatch.from_arrays(
        [pa.array(range(count), pa.int64()), pa.array(cells)], schema=LARGE.arrow_schema()
    )


def destination_of(config: S3Config) -> LakeDestination:
    return LakeDestination.s3(config, task_name="task", database="db")


async def uploads_of(config: S3Config) -> list[Any]:
    async with s3_client(config) as client:
        reply = await client.list_multipart_uploads(Bucket=config.bucket)
        return list(reply.get("Uploads", []))


async def keys_of(config: S3Config) -> list[str]:
    async with s3_client(config) as client:
        reply = await client.list_objects_v2(Bucket=config.bucket)
        return [found["Key"] for found in reply.get("Contents", [])]


@pytest.fixture
async def proxy(s3_config: S3Config) -> AsyncIterator[FaultProxy]:
    port = urlsplit(s3_config.endpoint_url).port
    assert port is not None
    async with fault_proxy("127.0.0.1", port) as proxy:
        yield proxy


@pytest.fixture
async def shaky(s3_config: S3Config, proxy: FaultProxy) -> AsyncIterator[LakeDestination]:
    """A destination that reaches its server through the proxy."""
    url = f"http://{proxy.host}:{proxy.port}"
    destination = destination_of(replace(s3_config, endpoint_url=url))
    with anyio.fail_after(50):
        yield destination
    await destination.aclose()


async def reads_back(
    destination: LakeDestination, schema: TableSchema, rows: pa.RecordBatch
) -> bool:
    target = destination.target_of(schema.table, None)
    return await fingerprint_of(destination, target, schema) == expected(schema, rows)


async def test_the_lost_reply_to_the_pointer_is_not_a_conflict(
    shaky: LakeDestination, proxy: FaultProxy, s3_config: S3Config
) -> None:
    schema = schema_of()
    rows = rows_of(schema, 0, 10)
    load = load_of(shaky, schema)
    proxy.drop_reply(f"PUT /{s3_config.bucket}/{Layout(load.target).pointer} ".encode())
    result = await whole_load(shaky, load, rows)
    assert proxy.pending_faults == 0
    assert (result.rows, result.already_committed) == (10, False)
    assert await reads_back(shaky, schema, rows)


async def test_the_lost_reply_to_a_claim_is_not_a_conflict(
    shaky: LakeDestination, proxy: FaultProxy, s3_config: S3Config
) -> None:
    target = shaky.target_of(schema_of().table, None)
    proxy.drop_reply(f"PUT /{s3_config.bucket}/{Layout(target).owner} ".encode())
    await shaky.claim(target, owner())
    assert proxy.pending_faults == 0


async def test_the_lost_reply_to_a_completion(
    shaky: LakeDestination, proxy: FaultProxy, s3_config: S3Config
) -> None:
    rows = noise(20)
    load = load_of(shaky, LARGE)
    key = Layout(load.target).part(load.load_id, "", 0, 0, load.options.format)
    await shaky.begin(load)
    async with shaky.write(load, load.chunks[0]) as writer:
        await writer.write(rows)
        proxy.drop_reply(f"POST /{s3_config.bucket}/{key}?uploadId=".encode())
        receipt = await writer.finish()
    assert proxy.pending_faults == 0
    await shaky.commit(load, [receipt])
    assert await reads_back(shaky, LARGE, rows)


async def test_resets_in_the_middle_of_parts_are_repeated(
    shaky: LakeDestination, proxy: FaultProxy
) -> None:
    rows = noise(30)
    load = load_of(shaky, LARGE)
    await shaky.begin(load)
    proxy.reset_after(12 * MIB)
    receipt = await write_chunk(shaky, load, 0, rows)
    assert proxy.pending_faults == 0
    proxy.kill_all()  # what the pool holds
    await shaky.commit(load, [receipt])
    assert await reads_back(shaky, LARGE, rows)


async def test_a_server_that_is_gone_is_worth_a_retry(
    s3_config: S3Config, proxy: FaultProxy
) -> None:
    proxy.refuse = True
    url = f"http://{proxy.host}:{proxy.port}"
    store = S3Store(replace(s3_config, endpoint_url=url), ClientLimits(attempts=2))
    with pytest.raises(ConnectionLostError), anyio.fail_after(30):
        await store.get("key")
    assert proxy.connections >= 2  # aiohttp may try once more by itself
    await store.aclose()


async def test_a_black_hole_times_out(s3_config: S3Config, proxy: FaultProxy) -> None:
    proxy.black_hole = True
    url = f"http://{proxy.host}:{proxy.port}"
    limits = ClientLimits(attempts=1, request_s=0.5)
    store = S3Store(replace(s3_config, endpoint_url=url), limits)
    with pytest.raises(TimedOutError), anyio.fail_after(30):
        await store.put("key", b"data")
    await store.aclose()


async def test_a_server_that_goes_in_the_middle_is_what_the_error_says(
    s3_config: S3Config, proxy: FaultProxy
) -> None:
    """Cleaning up fails as well then, and must not hide the first error."""
    url = f"http://{proxy.host}:{proxy.port}"
    store = S3Store(replace(s3_config, endpoint_url=url), ClientLimits(attempts=1))
    template = PrefixTemplate("{schema}/{table}", database="db", task="task")
    destination = LakeDestination(store, template, keep_loads=1)
    load = load_of(destination, LARGE)
    await destination.begin(load)
    with pytest.raises(ConnectionLostError, match="part-00000-00000"), anyio.fail_after(30):
        async with destination.write(load, load.chunks[0]) as writer:
            await writer.write(noise(33))
            proxy.refuse = True
            proxy.kill_all()
            await writer.write(noise(33))
            await writer.finish()
    proxy.refuse = False
    assert len(await uploads_of(s3_config)) == 1
    await destination.begin(load)
    assert await uploads_of(s3_config) == []
    await destination.aclose()


@pytest.mark.parametrize("how", ["cancel", "error", "leave"])
async def test_a_chunk_given_up_leaves_no_upload(s3_config: S3Config, how: str) -> None:
    async with AsyncExitStack() as stack:
        destination = destination_of(s3_config)
        stack.push_async_callback(destination.aclose)
        load = load_of(destination, LARGE, options=WriteOptions(target_file_bytes=9 * MIB))
        await destination.begin(load)
        with anyio.CancelScope() as scope:
            try:
                async with destination.write(load, load.chunks[0]) as writer:
                    await writer.write(noise(36))
                    await writer.write(noise(36))
                    if how == "cancel":
                        scope.cancel()
                        await anyio.sleep_forever()
                    if how == "error":
                        raise ZeroDivisionError  # noqa: TRY301 - as a caller's own error
            except ZeroDivisionError:
                assert how == "error"
        if how == "cancel":  # it does not wait for a server that is slow
            await destination.aclose()
        assert await uploads_of(s3_config) == []
        assert await keys_of(s3_config) == []


async def test_a_cancelled_chunk_does_not_wait_for_the_server(
    s3_config: S3Config, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_store, "_CLEANUP_LIMIT_S", math.inf)  # who waits, waits for ever
    url = f"http://{proxy.host}:{proxy.port}"
    destination = destination_of(replace(s3_config, endpoint_url=url))
    load = load_of(destination, LARGE)
    await destination.begin(load)
    with anyio.fail_after(50):
        with anyio.CancelScope() as scope:
            async with destination.write(load, load.chunks[0]) as writer:
                await writer.write(noise(36))
                proxy.black_hole = True
                scope.cancel()
                await anyio.sleep_forever()
        assert proxy.black_hole  # nothing was answered
        proxy.black_hole = False
        await destination.aclose()
    assert await uploads_of(s3_config) == []


async def test_begin_removes_uploads_of_an_earlier_life(s3_config: S3Config) -> None:
    destination = destination_of(s3_config)
    load = load_of(destination, schema_of())
    neighbour = f"{Layout(load.target).base}2/data/x/part"
    async with s3_client(s3_config) as client:
        for key in f"{Layout(load.target).data}{load.load_id}/part", neighbour:
            await client.create_multipart_upload(Bucket=s3_config.bucket, Key=key)
    await destination.begin(load)
    assert [upload["Key"] for upload in await uploads_of(s3_config)] == [neighbour]
    await destination.aclose()


async def test_of_racing_claims_one_wins(s3_config: S3Config) -> None:
    destination = destination_of(s3_config)
    target = destination.target_of(schema_of().table, None)
    winners: list[int] = []

    async def race(task_id: int) -> None:
        try:
            await destination.claim(target, owner(task_id))
        except DestinationInUseError:
            return
        winners.append(task_id)

    async with anyio.create_task_group() as group:
        for task_id in range(1, 5):
            group.start_soon(race, task_id)
    assert len(winners) == 1
    await destination.aclose()


async def test_of_racing_commits_one_wins_and_is_whole(s3_config: S3Config) -> None:
    destination = destination_of(s3_config)
    schema = schema_of()
    rows = {n: rows_of(schema, n * 10, n * 10 + n + 1) for n in range(3)}
    won: list[int] = []

    async def race(n: int) -> None:
        load = load_of(destination, schema)
        await destination.begin(load)
        receipt = await write_chunk(destination, load, 0, rows[n])
        try:
            await destination.commit(load, [receipt])
        except DestinationConflictError:
            return
        won.append(n)

    async with anyio.create_task_group() as group:
        for n in rows:
            group.start_soon(race, n)
    assert won
    found = await fingerprint_of(destination, destination.target_of(schema.table, None), schema)
    assert found in [expected(schema, rows[n]) for n in won]
    await destination.aclose()


async def test_a_restarted_server_is_taken_up_again(
    s3_config: S3Config, s3_server: SeaweedServer
) -> None:
    """What was durable stays; the load goes on with the same client."""
    destination = destination_of(s3_config)
    schema = schema_of()
    rows = rows_of(schema, 0, 100), rows_of(schema, 100, 200)
    load = load_of(destination, schema, chunks=2)
    await destination.begin(load)
    first = await write_chunk(destination, load, 0, rows[0])
    await s3_server.restart(crash=True)
    second = await write_chunk(destination, load, 1, rows[1])
    await destination.commit(load, [first, second])
    assert await fingerprint_of(destination, load.target, schema) == expected(schema, *rows)
    await destination.aclose()
