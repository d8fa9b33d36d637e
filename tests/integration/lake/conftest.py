"""One S3 server for all tests of the lake, and a bucket for each test."""

import uuid
from collections.abc import AsyncIterator

import pytest

from dtaas.model.connectors import S3Config
from dtaas.sandbox.seaweed import SeaweedServer, seaweed


@pytest.fixture(scope="session")
async def s3_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[SeaweedServer]:
    folder = tmp_path_factory.mktemp("s3")
    async with seaweed(folder, access_key="lake-key", secret_key="lake-secret") as server:
        yield server


@pytest.fixture
async def s3_config(s3_server: SeaweedServer) -> S3Config:
    bucket = f"lake-{uuid.uuid4().hex[:12]}"
    await s3_server.create_bucket(bucket)
    return S3Config(
        bucket=bucket,
        endpoint_url=s3_server.endpoint_url,
        access_key_id=s3_server.access_key,
        secret_access_key=s3_server.secret_key,
    )
