"""The private S3 server starts, checks credentials, survives a crash, and is a child of ours."""

import socket
from pathlib import Path
from typing import Any

import aioboto3
import anyio
import pytest
from botocore.exceptions import ClientError

from dtaas.model.errors import AddressInUseError
from dtaas.sandbox.seaweed import SeaweedServer, seaweed


def client(server: SeaweedServer, secret: str) -> Any:
    return aioboto3.Session(
        aws_access_key_id=server.access_key, aws_secret_access_key=secret, region_name=server.region
    ).client("s3", endpoint_url=server.endpoint_url)


async def test_objects_survive_a_crash_and_wrong_secrets_are_refused(tmp_path: Path) -> None:
    with anyio.fail_after(50):
        async with seaweed(tmp_path / "s3", access_key="key", secret_key="secret") as server:
            await server.create_bucket("lake")
            await server.create_bucket("lake")
            async with client(server, "secret") as s3:
                await s3.put_object(Bucket="lake", Key="a", Body=b"1")
            async with client(server, "wrong") as s3:
                with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
                    await s3.get_object(Bucket="lake", Key="a")
            await server.restart(crash=True)
            async with client(server, "secret") as s3:
                reply = await s3.get_object(Bucket="lake", Key="a")
                assert await reply["Body"].read() == b"1"


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AddressInUseError, match=str(port)):
            async with seaweed(tmp_path, port=port, access_key="key", secret_key="secret"):
                pass
