"""The test of an S3 connector: every step on the way to a written object, with cause and fix."""

import secrets
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import perf_counter
from typing import Any, Final
from urllib.parse import urlsplit

import anyio

from dtaas.connectors.lake.errors import s3_errors
from dtaas.connectors.lake.s3_client import QUICK, s3_client
from dtaas.model.check import CheckReport, CheckStep, OnStep, StepStatus
from dtaas.model.clock_skew import MOST_SKEW_S, SET_THIS_CLOCK, proven_skew_s, skew_in_words
from dtaas.model.connectors import BucketConfig
from dtaas.model.errors import (
    CertificateError,
    ConnectionLostError,
    DtaasError,
    HostNotFoundError,
    TimedOutError,
)

STEP_LIMIT_S: Final = 15.0
_REFUSES: Final = "S3 refuses requests of a clock that is 15 minutes off."
_STEPS: Final = (
    "resolve", "tcp", "tls", "credentials", "bucket", "clock", "list", "write", "multipart",
    "delete",
)  # fmt: skip
Probe = Callable[[], Awaitable[str]]


class _Doubtful(Exception):  # noqa: N818 - no error: the step's way to say that it warns
    """A step that went well, with something to mend.

    Attributes:
        fix: what to paste.
    """

    def __init__(self, detail: str, fix: str) -> None:
        super().__init__(detail)
        self.fix = fix


async def check_bucket(config: BucketConfig, on_step: OnStep) -> CheckReport:
    """Run the steps in order; those after a failed one are skipped."""
    check = _Check(config)
    report = _Report(on_step)
    host, port, tls = _address(config)
    await report.run("resolve", lambda: _resolve(host, port))
    await report.run("tcp", lambda: _connect(host, port))
    if tls:
        await report.run("tls", lambda: _handshake(host, port))
    else:
        report.skip("tls", "the endpoint is plain http")
    await report.run("credentials", check.credentials)
    if not report.failed:
        async with s3_client(config, QUICK) as client:
            check.client = client
            for name in _STEPS[_STEPS.index("bucket") :]:
                await report.run(name, getattr(check, name))
    for name in _STEPS[len(report.steps) :]:
        report.skip(name, "not tried")
    return CheckReport(ok=not report.failed, steps=tuple(report.steps))


class _Report:
    """Collects steps and tells of each as it ends."""

    def __init__(self, on_step: OnStep) -> None:
        self.steps: list[CheckStep] = []
        self.failed = False
        self._on_step = on_step

    async def run(self, name: str, probe: Probe) -> None:
        if self.failed:
            self.skip(name, "not tried")
            return
        started = perf_counter()
        detail, fix, code, status = "", "", None, StepStatus.OK
        try:
            with anyio.fail_after(STEP_LIMIT_S):
                detail = await probe()
        except _Doubtful as doubt:
            detail, fix, status = str(doubt), doubt.fix, StepStatus.WARNING
        except TimeoutError:
            detail, code = f"No answer within {STEP_LIMIT_S:.0f} s.", TimedOutError.code
            fix = "Check the network and any firewall on the way."
        except DtaasError as error:
            detail, fix, code = error.detail, error.hint, error.code
        self.failed = code is not None
        status = StepStatus.FAILED if self.failed else status
        took_s = perf_counter() - started
        self._add(
            CheckStep(name=name, status=status, detail=detail, fix=fix, code=code, took_s=took_s)
        )

    def skip(self, name: str, why: str) -> None:
        self._add(CheckStep(name=name, status=StepStatus.SKIPPED, detail=why))

    def _add(self, step: CheckStep) -> None:
        self.steps.append(step)
        self._on_step(step)


class _Check:
    """The steps that need the client."""

    def __init__(self, config: BucketConfig) -> None:
        self.client: Any = None
        self._config = config
        self._bucket = {"Bucket": config.bucket}
        self._ahead_s: float | None = None
        self._object = {**self._bucket, "Key": f"_dtaas-check/{secrets.token_hex(8)}"}

    async def credentials(self) -> str:
        with s3_errors("Looking for credentials"):
            async with s3_client(self._config, QUICK) as client:
                keys = client._get_credentials()  # noqa: SLF001 - no public way in botocore
                if keys is None:
                    return "no credentials: requests go out unsigned"
                frozen = await keys.get_frozen_credentials()
        return f"access key id {frozen.access_key}, from {self._config.credentials}"

    async def bucket(self) -> str:
        with s3_errors(f"Opening bucket {self._config.bucket}"):
            # Not HeadBucket: its replies have no body, so no code to explain a refusal by.
            asked = datetime.now(UTC)
            reply = await self.client.list_objects_v2(**self._bucket, MaxKeys=1)
            self._ahead_s = _ahead_s(reply, asked)
        return f"bucket {self._config.bucket} is there"

    async def clock(self) -> str:
        if self._ahead_s is None:
            return "S3 does not tell its time"
        said = skew_in_words("S3", self._ahead_s)
        if abs(self._ahead_s) > MOST_SKEW_S:
            raise _Doubtful(f"{said} {_REFUSES}", SET_THIS_CLOCK)
        return said

    async def list(self) -> str:
        with s3_errors(f"Listing uploads of bucket {self._config.bucket}"):
            await self.client.list_multipart_uploads(**self._bucket, MaxUploads=1)
        return "objects and unfinished uploads can be listed"

    async def write(self) -> str:
        with s3_errors(f"Writing to bucket {self._config.bucket}"):
            await self.client.put_object(**self._object, Body=b"check")
            reply = await self.client.get_object(**self._object)
            async with reply["Body"] as body:
                await body.read()
        return "an object was written and read"

    async def multipart(self) -> str:
        with s3_errors(f"Uploading in parts to bucket {self._config.bucket}"):
            reply = await self.client.create_multipart_upload(**self._object)
            await self.client.abort_multipart_upload(**self._object, UploadId=reply["UploadId"])
        return "an upload in parts was begun and aborted"

    async def delete(self) -> str:
        with s3_errors(f"Deleting from bucket {self._config.bucket}"):
            await self.client.delete_object(**self._object)
        return "the object was deleted"


def _ahead_s(reply: Mapping[str, Any], asked: datetime) -> float | None:
    """Return how far S3's clock is ahead by the date of its answer, in whole seconds there."""
    headers = reply.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        theirs = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None
    return proven_skew_s(
        theirs.replace(tzinfo=UTC), asked=asked, answered=datetime.now(UTC), resolution_s=1.0
    )


def _address(config: BucketConfig) -> tuple[str, int, bool]:
    """Return host, port and whether TLS is used."""
    suffix = "amazonaws.com.cn" if config.region.startswith("cn-") else "amazonaws.com"
    url = urlsplit(config.endpoint_url or f"https://s3.{config.region}.{suffix}")
    tls = url.scheme == "https"
    return url.hostname or "", url.port or (443 if tls else 80), tls


async def _resolve(host: str, port: int) -> str:
    try:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise HostNotFoundError(
            f"{host or 'The endpoint'} does not resolve: {error}",
            hint="Check endpoint_url or region, and DNS.",
        ) from error
    return f"{host} is {found[0][4][0]}"


async def _connect(host: str, port: int) -> str:
    try:
        stream = await anyio.connect_tcp(host, port)
    except OSError as error:
        raise ConnectionLostError(
            f"No connection to {host}:{port}: {error}",
            hint="Check that the server runs and that no firewall is in the way.",
        ) from error
    await stream.aclose()
    return f"{host}:{port} accepts connections"


async def _handshake(host: str, port: int) -> str:
    try:
        stream = await anyio.connect_tcp(host, port, tls=True)
    except (OSError, ssl.SSLError) as error:
        raise CertificateError(
            f"TLS with {host}:{port} failed: {error}",
            hint="Let this machine trust the authority that signed the server's certificate.",
        ) from error
    await stream.aclose()
    return "certificate verified"
