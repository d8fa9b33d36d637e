"""Streaming uploads: parts go out a few at a time, and memory holds no more than those.

aioboto3's own `upload_fileobj` is not used: it queues up to 100 parts, reads on the event loop,
and a cancellation leaves its upload behind.
"""

import io
import secrets
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final
from zlib import crc32

import anyio
import structlog
from anyio.abc import TaskGroup
from botocore.exceptions import ClientError

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.lake.errors import error_code, s3_errors
from dtaas.connectors.lake.objects import Upload
from dtaas.connectors.lake.parts import PartSink
from dtaas.connectors.lake.s3_client import ClientLimits
from dtaas.model.connectors import BucketConfig, ServerSideEncryption
from dtaas.model.errors import DtaasError

log = structlog.get_logger()

PART_BYTES: Final = 5 * 1024 * 1024
"""The least S3 allows. The 10,000 it allows are ten times the largest target_file_size_mb. All have
the same size, as some that speak its protocol demand."""
_ATTEMPT: Final = "dtaas-attempt"


def encryption_arguments(config: BucketConfig) -> dict[str, str]:
    """Return how new objects shall be encrypted, as arguments of PutObject."""
    if config.encryption is ServerSideEncryption.NONE:
        return {}
    arguments = {"ServerSideEncryption": config.encryption.value}
    if config.encryption is ServerSideEncryption.KMS and config.kms_key_id:
        arguments["SSEKMSKeyId"] = config.kms_key_id
    return arguments


class S3Uploader:
    """Uploads of one chunk; `slots` bounds the parts in flight of all chunks together."""

    def __init__(
        self,
        client: Any,
        *,
        config: BucketConfig,
        limits: ClientLimits,
        group: TaskGroup,
        blocking: Blocking,
        slots: anyio.Semaphore,
    ) -> None:
        self.client = client
        self.config = config
        self.limits = limits
        self.group = group
        self.blocking = blocking
        self.slots = slots
        self._uploads: list[S3Upload] = []

    @property
    def unfinished(self) -> "list[S3Upload]":
        """Return the uploads of which parts may lie in the bucket though no object is."""
        return [upload for upload in self._uploads if upload.unfinished]

    def open(self, key: str) -> Upload:
        """Start an object. Nothing is sent before the first part."""
        upload = S3Upload(self, key)
        self._uploads.append(upload)
        return upload

    async def abort(self) -> None:
        """Remove what is unfinished, all at once; where that fails, the next `begin` does it."""
        await abort_all(self.unfinished)


class S3Upload:
    """One object: a single request when it fits one part, else a multipart upload."""

    def __init__(self, uploader: S3Uploader, key: str) -> None:
        self.sink = PartSink(PART_BYTES)
        self._uploader = uploader
        self._address = {"Bucket": uploader.config.bucket, "Key": key}
        self._what = f"Writing s3://{uploader.config.bucket}/{key}"
        self._upload_id = ""
        self._parts: dict[int, dict[str, Any]] = {}
        self._sent = 0
        self._size_bytes = 0
        self._arrived = anyio.Event()
        self._attempt = secrets.token_hex(8)

    async def drain(self) -> None:
        """Send the full parts, each when one of the slots is free."""
        for part in self.sink.take_parts():
            await self._send(part)

    async def finish(self) -> str:
        """Send the rest and put the object together."""
        await self.drain()
        last = self.sink.take_rest()
        if not self._upload_id:
            return await self._put(last)
        if last:
            await self._send(last)
        while len(self._parts) < self._sent:
            await self._arrived.wait()
        with s3_errors(self._what, self._uploader.limits.request_s):
            etag = await self._complete()
        self._upload_id = ""
        return etag

    async def _send(self, part: bytes) -> None:
        if not self._upload_id:
            await self._create()
        await self._uploader.slots.acquire()
        self._sent += 1
        self._size_bytes += len(part)
        self._uploader.group.start_soon(self._send_part, self._sent, part)

    @property
    def unfinished(self) -> bool:
        """Return whether parts may lie in the bucket."""
        return bool(self._upload_id)

    async def abort(self) -> None:
        """Remove the parts sent so far, unless the object is finished."""
        if not self._upload_id:
            return
        with s3_errors(self._what, self._uploader.limits.request_s):
            await self._uploader.client.abort_multipart_upload(
                **self._address, UploadId=self._upload_id
            )
        self._upload_id = ""

    async def _create(self) -> None:
        with s3_errors(self._what, self._uploader.limits.request_s):
            reply = await self._uploader.client.create_multipart_upload(
                **self._address, **self._object_arguments(), ChecksumAlgorithm="CRC32"
            )
        self._upload_id = reply["UploadId"]

    async def _send_part(self, number: int, part: bytes) -> None:
        try:
            checksum = await self._uploader.blocking.droppable(_checksum, part)
            with s3_errors(self._what, self._uploader.limits.request_s):
                reply = await self._uploader.client.upload_part(
                    **self._address,
                    UploadId=self._upload_id,
                    PartNumber=number,
                    Body=_Body(part),
                    ChecksumCRC32=checksum,
                )
        finally:
            self._uploader.slots.release()
        self._parts[number] = {
            "PartNumber": number,
            "ETag": reply["ETag"],
            "ChecksumCRC32": checksum,
        }
        self._arrived.set()
        self._arrived = anyio.Event()

    async def _put(self, data: bytes) -> str:
        checksum = await self._uploader.blocking.droppable(_checksum, data)
        with s3_errors(self._what, self._uploader.limits.request_s):
            reply = await self._uploader.client.put_object(
                **self._address,
                **self._object_arguments(),
                Body=_Body(data),
                ChecksumCRC32=checksum,
            )
        return str(reply["ETag"]).strip('"')

    async def _complete(self) -> str:
        client = self._uploader.client
        try:
            reply = await client.complete_multipart_upload(
                **self._address,
                UploadId=self._upload_id,
                MultipartUpload={"Parts": [self._parts[n] for n in sorted(self._parts)]},
            )
        except ClientError as error:
            if error_code(error) != "NoSuchUpload":
                raise
            # A lost reply is asked for again, and the upload is gone because it was completed.
            reply = await client.head_object(**self._address)
            ours = reply["Metadata"].get(_ATTEMPT) == self._attempt
            if not ours or reply["ContentLength"] != self._size_bytes:
                raise
        return str(reply["ETag"]).strip('"')

    def _object_arguments(self) -> dict[str, Any]:
        return {
            "Metadata": {_ATTEMPT: self._attempt},
            "StorageClass": self._uploader.config.storage_class,
            **encryption_arguments(self._uploader.config),
        }


async def abort_all(uploads: Sequence[S3Upload]) -> None:
    """Abort uploads, all at once. One that cannot be is told in the log."""
    async with anyio.create_task_group() as group:
        for upload in uploads:
            group.start_soon(_abort, upload)


async def _abort(upload: S3Upload) -> None:
    try:
        await upload.abort()
    except DtaasError as error:
        log.warning("upload_not_aborted", code=error.code, detail=error.detail)


class _Body(io.BytesIO):
    """Bytes as a file object that shares them.

    BytesIO's own `getbuffer`, which aiohttp asks for the length, would copy all of them on the
    event loop, because the view it gives may be written to.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._data = data

    def getbuffer(self) -> memoryview:
        return memoryview(self._data)


def _checksum(data: bytes) -> str:
    return b64encode(crc32(data).to_bytes(4, "big")).decode()
