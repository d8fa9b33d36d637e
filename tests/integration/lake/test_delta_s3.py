"""Delta tables in a bucket of a real S3 server, with lost replies and broken links."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from msgspec.structs import replace

from dtaas.connectors.delta.destination import DeltaDestination
from dtaas.model.connectors import DeltaS3Config, S3Config
from dtaas.model.errors import AuthenticationError, BucketNotFoundError
from tests.contract.destination import (
    DestinationContract,
    schema_of,
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


async def test_wrong_keys_and_buckets_are_named(delta_config: DeltaS3Config) -> None:
    target = destination_of(delta_config).target_of(SCHEMA.table, None)
    wrong_key = replace(delta_config, secret_access_key="wrong")
    with pytest.raises(AuthenticationError):
        await destination_of(wrong_key).fingerprint(target, SCHEMA)
    with pytest.raises(BucketNotFoundError):
        await destination_of(replace(delta_config, bucket="not-there")).fingerprint(target, SCHEMA)
