"""Credentials, checks, object settings and refusals, on a real server."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from msgspec.structs import replace

from dtaas.connectors.lake.destination import LakeDestination
from dtaas.connectors.lake.s3_client import s3_client
from dtaas.model.check import StepStatus
from dtaas.model.connectors import S3Config, S3Credentials, ServerSideEncryption
from dtaas.model.errors import (
    AuthenticationError,
    BucketNotFoundError,
    DtaasError,
    PermissionDeniedError,
)
from tests.contract.destination import load_of, rows_of, schema_of, whole_load


async def checked(config: S3Config) -> dict[str, Any]:
    destination = LakeDestination.s3(config, task_name="task", database="db")
    seen: list[Any] = []
    report = await destination.check(seen.append)
    await destination.aclose()
    assert list(report.steps) == seen
    assert report.ok == all(step.status is not StepStatus.FAILED for step in seen)
    return {step.name: step for step in seen}


async def test_every_step_of_a_good_connector_passes(s3_config: S3Config) -> None:
    steps = await checked(s3_config)
    assert list(steps) == [
        "resolve", "tcp", "tls", "credentials", "bucket", "clock", "list", "write", "multipart",
        "delete",
    ]  # fmt: skip
    assert steps.pop("tls").status is StepStatus.SKIPPED
    assert {step.status for step in steps.values()} == {StepStatus.OK}
    async with s3_client(s3_config) as client:
        left = await client.list_objects_v2(Bucket=s3_config.bucket)
    assert "Contents" not in left


Changed = Callable[[S3Config], S3Config]
WRONG: list[tuple[str, str, Changed, type[DtaasError]]] = [
    ("secret", "bucket", lambda c: replace(c, secret_access_key="wrong"), AuthenticationError),
    ("key", "bucket", lambda c: replace(c, access_key_id="unknown"), AuthenticationError),
    ("no key", "credentials", lambda c: replace(c, access_key_id=""), AuthenticationError),
    ("bucket", "bucket", lambda c: replace(c, bucket="missing-bucket"), BucketNotFoundError),
    ("rights", "write", lambda c: replace(c, access_key_id="lake-key-read-only"), PermissionDeniedError),
]  # fmt: skip


@pytest.mark.parametrize(("_name", "step", "change", "kind"), WRONG, ids=[w[0] for w in WRONG])
async def test_what_is_wrong_is_named_at_its_step_and_when_writing(
    s3_config: S3Config, _name: str, step: str, change: Changed, kind: type[DtaasError]
) -> None:
    config = change(s3_config)
    steps = await checked(config)
    failed = [s for s in steps.values() if s.status is StepStatus.FAILED]
    assert [s.name for s in failed] == [step]
    assert failed[0].code == kind.code
    assert failed[0].fix
    destination = LakeDestination.s3(config, task_name="task", database="db")
    schema = schema_of()
    with pytest.raises(kind):
        await whole_load(destination, load_of(destination, schema), rows_of(schema, 0, 3))
    await destination.aclose()


@pytest.mark.parametrize(
    ("url", "step"),
    [("http://no-such-host.invalid:9", "resolve"), ("http://127.0.0.1:9", "tcp")],
)
async def test_an_endpoint_that_is_not_there(s3_config: S3Config, url: str, step: str) -> None:
    steps = await checked(replace(s3_config, endpoint_url=url))
    assert steps[step].status is StepStatus.FAILED
    assert steps["delete"].status is StepStatus.SKIPPED


async def test_a_plain_server_fails_the_tls_step(s3_config: S3Config) -> None:
    url = s3_config.endpoint_url.replace("http:", "https:")
    with anyio.fail_after(30):
        steps = await checked(replace(s3_config, endpoint_url=url))
    assert steps["tls"].status is StepStatus.FAILED
    assert steps["tls"].code == "certificate_invalid"


async def test_objects_carry_encryption_and_storage_class(s3_config: S3Config) -> None:
    config = replace(s3_config, encryption=ServerSideEncryption.AES256, storage_class="STANDARD_IA")
    destination = LakeDestination.s3(config, task_name="task", database="db")
    schema = schema_of()
    await whole_load(destination, load_of(destination, schema), rows_of(schema, 0, 3))
    await destination.aclose()
    async with s3_client(config) as client:
        listed = await client.list_objects_v2(Bucket=config.bucket)
        for found in listed["Contents"]:
            head = await client.head_object(Bucket=config.bucket, Key=found["Key"])
            assert head["ServerSideEncryption"] == "AES256"
            if found["Key"].endswith(".parquet"):
                assert head["StorageClass"] == "STANDARD_IA"


Answer = Callable[[bytes], bytes]


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """Run an HTTP server that answers each whole request; yields its URL."""

    async def serve(stream: SocketStream) -> None:
        async with stream:
            request = b""
            async for data in stream:
                request += data
                head, _, body = request.partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
                if b"\r\n\r\n" not in request or len(body) < length:
                    continue
                reply = answer(request)
                await stream.send(
                    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                    % (len(reply), reply)
                )
                return

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as group,
    ):
        group.start_soon(listener.serve, serve)
        yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"  # noqa: S610
        group.cancel_scope.cancel()


async def test_a_role_is_assumed_with_the_external_id(s3_config: S3Config) -> None:
    """AWS's token service is not to be had here: its documented reply stands in for it."""
    asked: list[dict[str, list[str]]] = []

    def sts(request: bytes) -> bytes:
        asked.append(parse_qs(request.partition(b"\r\n\r\n")[2].decode()))
        return (
            b'<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            b"<AssumeRoleResult><Credentials><AccessKeyId>ASSUMED</AccessKeyId>"
            b"<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
            b"<Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>"
            b"<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/lake/dtaas</Arn>"
            b"<AssumedRoleId>A:dtaas</AssumedRoleId></AssumedRoleUser>"
            b"</AssumeRoleResult></AssumeRoleResponse>"
        )

    async with answering(sts) as url:
        config = replace(
            s3_config,
            endpoint_url=url,
            credentials=S3Credentials.ASSUME_ROLE,
            role_arn="arn:aws:iam::123456789012:role/lake",
            external_id="e-1",
        )
        async with s3_client(config) as client:
            keys = await client._get_credentials().get_frozen_credentials()
    assert (keys.access_key, keys.token) == ("ASSUMED", "t")
    assert (asked[0]["RoleArn"], asked[0]["ExternalId"]) == ([config.role_arn], ["e-1"])


async def test_an_instance_profile_gives_its_keys(
    s3_config: S3Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """EC2's metadata service is not to be had here: its documented replies stand in for it."""

    def metadata(request: bytes) -> bytes:
        path = request.split(b" ")[1]
        if path == b"/latest/api/token":
            return b"token"
        if path.endswith(b"/security-credentials/"):
            return b"role"
        return (
            b'{"Code": "Success", "AccessKeyId": "INSTANCE", "SecretAccessKey": "s",'
            b' "Token": "t", "Expiration": "2999-01-01T00:00:00Z"}'
        )

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    async with answering(metadata) as url:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
        config = replace(s3_config, credentials=S3Credentials.INSTANCE, access_key_id="")
        async with s3_client(config) as client:
            keys = await client._get_credentials().get_frozen_credentials()
    assert keys.access_key == "INSTANCE"
