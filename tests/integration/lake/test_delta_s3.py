"""Delta tables in a bucket of a real S3 server, with lost replies and broken links."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import anyio
import msgspec
import pytest
from msgspec.structs import replace

from dtaas.connectors.delta.destination import DeltaDestination
from dtaas.engine.verification.sides import fingerprint_of
from dtaas.model.changes import ChangeWindow, TableStream, TrackedTable, TrackingMethod
from dtaas.model.connectors import DeltaS3Config, S3Config
from dtaas.model.errors import AuthenticationError, BucketNotFoundError
from dtaas.model.load import TableLoad, WriteOptions
from dtaas.sandbox.faults import FaultProxy, fault_proxy
from tests.contract.change_rows import batch_of, place
from tests.contract.destination import (
    DestinationContract,
    expected,
    load_of,
    rows_of,
    schema_of,
    whole_load,
)

SCHEMA = schema_of()


@pytest.fixture
def delta_config(s3_config: S3Config) -> DeltaS3Config:
    fields = msgspec.structs.asdict(s3_config)
    del fields["keep_loads"]
    return DeltaS3Config(**fields)


def destination_of(config: DeltaS3Config) -> DeltaDestination:
    return DeltaDestination(config, task_name="task", database="db")


class TestDeltaS3(DestinationContract):
    @pytest.fixture
    async def destination(self, delta_config: DeltaS3Config) -> AsyncIterator[DeltaDestination]:
        destination = destination_of(delta_config)
        yield destination
        await destination.aclose()


@pytest.fixture
async def proxy(delta_config: DeltaS3Config) -> AsyncIterator[FaultProxy]:
    port = urlsplit(delta_config.endpoint_url).port
    assert port is not None
    async with fault_proxy("127.0.0.1", port) as proxy:
        yield proxy


@pytest.fixture
async def shaky(delta_config: DeltaS3Config, proxy: FaultProxy) -> AsyncIterator[DeltaDestination]:
    """A destination that reaches its server through the proxy."""
    url = f"http://{proxy.host}:{proxy.port}"
    destination = destination_of(replace(delta_config, endpoint_url=url))
    with anyio.fail_after(50):
        yield destination
    await destination.aclose()


def lose_reply_to_commit(proxy: FaultProxy, bucket: str, version: int) -> None:
    proxy.drop_reply(f"PUT /{bucket}/dbo/t/_delta_log/{version:020}.json ".encode())


def stream_after(load: TableLoad) -> TableStream:
    return TableStream(
        task_id=load.task_id,
        owner=load.owner,
        target=load.target,
        options=WriteOptions(),
        tracked=TrackedTable(schema=load.schema, method=TrackingMethod.CAPTURE),
        generation=load.load_id,
        base=place(0),
    )


async def apply_one(destination: DeltaDestination, stream: TableStream) -> None:
    """Insert 5000, delete 1."""
    window = ChangeWindow(table=SCHEMA.table, after=place(0), to=place(2))
    changes = [("I", 1, (5000, "new"), None), ("D", 2, (1, None), None)]
    async with destination.apply(stream, window) as writer:
        await writer.write(batch_of(SCHEMA, changes))
        await writer.finish()


async def test_the_lost_reply_to_a_load_s_commit(
    shaky: DeltaDestination, proxy: FaultProxy, delta_config: DeltaS3Config
) -> None:
    rows = rows_of(SCHEMA, 0, 10)
    for version in (0, 1):
        lose_reply_to_commit(proxy, delta_config.bucket, version)
        load = load_of(shaky, SCHEMA)
        await whole_load(shaky, load, rows)
        assert proxy.pending_faults == 0
        assert await fingerprint_of(shaky, load.target, SCHEMA) == expected(SCHEMA, rows)


async def test_the_lost_reply_to_a_merge_s_commit(
    shaky: DeltaDestination, proxy: FaultProxy, delta_config: DeltaS3Config
) -> None:
    load = load_of(shaky, SCHEMA)
    await whole_load(shaky, load, rows_of(SCHEMA, 0, 2))
    stream = stream_after(load)
    assert await shaky.open_stream(stream) is None
    lose_reply_to_commit(proxy, delta_config.bucket, 1)
    await apply_one(shaky, stream)
    assert proxy.pending_faults == 0
    assert await shaky.open_stream(stream) == place(2)
    await apply_one(shaky, stream)
    found = await fingerprint_of(shaky, load.target, SCHEMA)
    assert found.rows == 2


async def test_a_link_that_breaks_in_a_merge_loses_nothing(
    shaky: DeltaDestination, proxy: FaultProxy
) -> None:
    load = load_of(shaky, SCHEMA)
    await whole_load(shaky, load, rows_of(SCHEMA, 0, 2000))
    stream = stream_after(load)
    await shaky.open_stream(stream)
    proxy.reset_after(3000)
    await apply_one(shaky, stream)
    assert proxy.pending_faults == 0
    assert (await fingerprint_of(shaky, load.target, SCHEMA)).rows == 2000
    assert await shaky.open_stream(stream) == place(2)


async def test_wrong_keys_and_buckets_are_named(delta_config: DeltaS3Config) -> None:
    target = destination_of(delta_config).target_of(SCHEMA.table, None)
    wrong_key = replace(delta_config, secret_access_key="wrong")
    with pytest.raises(AuthenticationError):
        await fingerprint_of(destination_of(wrong_key), target, SCHEMA)
    with pytest.raises(BucketNotFoundError):
        await fingerprint_of(
            destination_of(replace(delta_config, bucket="not-there")), target, SCHEMA
        )
