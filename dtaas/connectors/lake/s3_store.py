"""A bucket as object store, through aioboto3."""

import math
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
from botocore.exceptions import ClientError

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.lake.errors import error_code, s3_errors
from dtaas.connectors.lake.objects import ObjectStore, StoredObject
from dtaas.connectors.lake.s3_check import check_bucket
from dtaas.connectors.lake.s3_client import PATIENT, ClientLimits, s3_client
from dtaas.connectors.lake.s3_upload import (
    S3Upload,
    S3Uploader,
    abort_all,
    encryption_arguments,
)
from dtaas.model.check import CheckReport, OnStep
from dtaas.model.connectors import BucketConfig
from dtaas.model.errors import ConnectionLostError

PARTS_AT_ONCE: Final = 3
"""Parts on their way, over all chunks: 32 MiB of memory, and enough for some 300 MB/s to S3."""
_CLEANUP_LIMIT_S: Final = 10.0
_CANCELLED_LIMIT_S: Final = 0.05
"""Who cancels does not wait for a slow server: uploads that are not seen removed by then are
when the store is closed. (Not so objects: a removal that arrives late could hit their successors.)
"""
_DELETE_KEYS: Final = 1000  # most keys of one DeleteObjects
_READ_BYTES: Final = 1024 * 1024
_THREADS: Final = 2


class S3Store:
    """Objects of one bucket. Connects at the first call."""

    def __init__(self, config: BucketConfig, limits: ClientLimits = PATIENT) -> None:
        self._config = config
        self._limits = limits
        self._bucket = config.bucket
        self._blocking = Blocking(_THREADS)
        self._slots = anyio.Semaphore(PARTS_AT_ONCE)
        self._connecting = anyio.Lock()
        self._connection = AsyncExitStack()
        self._connected: Any = None
        self._left: list[S3Upload] = []

    async def get(self, key: str) -> StoredObject | None:
        """Read an object."""
        with s3_errors(f"Reading {self.url(key)}", self._limits.request_s):
            client = await self._client()
            try:
                reply = await client.get_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if error_code(error) == "NoSuchKey":
                    return None
                raise
            async with reply["Body"] as body:
                return StoredObject(await body.read(), reply["ETag"].strip('"'))

    async def put(
        self, key: str, data: bytes, *, absent: bool = False, etag: str | None = None
    ) -> None:
        """Write an object in one request."""
        condition: dict[str, str] = {}
        if absent:
            condition["IfNoneMatch"] = "*"
        elif etag is not None:
            condition["IfMatch"] = f'"{etag}"'
        with s3_errors(f"Writing {self.url(key)}", self._limits.request_s):
            client = await self._client()
            await client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=data,
                ChecksumAlgorithm="CRC32",
                **condition,
                **encryption_arguments(self._config),
            )

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, a thousand a request."""
        for start in range(0, len(keys), _DELETE_KEYS):
            some = keys[start : start + _DELETE_KEYS]
            with s3_errors(
                f"Deleting {len(some)} objects of bucket {self._bucket}", self._limits.request_s
            ):
                client = await self._client()
                reply = await client.delete_objects(
                    Bucket=self._bucket,
                    Delete={"Objects": [{"Key": key} for key in some], "Quiet": True},
                    ChecksumAlgorithm="CRC32",
                )
                for failure in reply.get("Errors", ()):
                    raise ClientError({"Error": failure}, "DeleteObjects")

    async def list(self, prefix: str) -> Mapping[str, int]:
        """Return the objects below `prefix`, page by page."""
        found: dict[str, int] = {}
        with s3_errors(f"Listing {self.url(prefix)}", self._limits.request_s):
            client = await self._client()
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix
            )
            async for page in pages:
                found.update((o["Key"], o["Size"]) for o in page.get("Contents", ()))
        return found

    @asynccontextmanager
    async def uploader(self) -> AsyncIterator[S3Uploader]:
        """Open a group of uploads, some parts at once."""
        with s3_errors(f"Connecting to bucket {self._bucket}", self._limits.request_s):
            client = await self._client()
        group = anyio.create_task_group()
        uploader = S3Uploader(
            client,
            config=self._config,
            limits=self._limits,
            group=group,
            blocking=self._blocking,
            slots=self._slots,
        )
        try:
            async with group:
                try:
                    yield uploader
                finally:
                    group.cancel_scope.cancel()  # parts of unfinished objects are not waited for
        finally:  # no part is on its way any more: one that came later would outlive the abort
            cancelled = anyio.current_effective_deadline() == -math.inf
            limit_s = _CANCELLED_LIMIT_S if cancelled else _CLEANUP_LIMIT_S
            with anyio.CancelScope(shield=True), anyio.move_on_after(limit_s):
                await uploader.abort()
            self._left += uploader.unfinished

    async def remove_dangling(self, prefix: str) -> int:
        """Abort the multipart uploads below `prefix`."""
        removed = 0
        with s3_errors(
            f"Removing unfinished uploads below {self.url(prefix)}", self._limits.request_s
        ):
            client = await self._client()
            pages = client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=prefix
            )
            async for page in pages:
                for upload in page.get("Uploads", ()):
                    await client.abort_multipart_upload(
                        Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )
                    removed += 1
        return removed

    @asynccontextmanager
    async def fetch(self, key: str) -> AsyncIterator[Path]:
        """Give a temporary copy of the object."""
        with tempfile.TemporaryDirectory(prefix="dtaas-") as folder:
            path = Path(folder, "object")
            await self._download(key, path)
            yield path

    def url(self, key: str) -> str:
        """Return an `s3:` URL."""
        return f"s3://{self._bucket}/{key}"

    async def check(self, on_step: OnStep) -> CheckReport:
        """Test the way to the bucket and the rights in it."""
        return await check_bucket(self._config, on_step)

    async def aclose(self) -> None:
        """Remove what could not be removed before, and close the client."""
        left, self._left = self._left, []
        if left:
            with anyio.move_on_after(_CLEANUP_LIMIT_S):
                await abort_all(left)
        connection, self._connection = self._connection, AsyncExitStack()
        self._connected = None
        await connection.aclose()

    async def _client(self) -> Any:
        async with self._connecting:
            if self._connected is None:
                self._connected = await self._connection.enter_async_context(
                    s3_client(self._config, self._limits)
                )
            return self._connected

    async def _download(self, key: str, path: Path) -> None:
        with s3_errors(f"Reading {self.url(key)}"):  # the client limits each read
            client = await self._client()
            reply = await client.get_object(Bucket=self._bucket, Key=key)
            received = 0
            with path.open("xb") as file:
                async with reply["Body"] as body:
                    while data := await body.content.read(_READ_BYTES):
                        received += await self._blocking(file.write, data)
            if received != reply["ContentLength"]:
                raise ConnectionLostError(f"Reading {self.url(key)}: the reply ended early.")


_: type[ObjectStore] = S3Store
