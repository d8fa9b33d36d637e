"""The bucket behind the stages: as much of Google's XML API as the connector uses.

The connector brings files to S3, Azure or Google. Only for Google it lets the server name the
end point, plain HTTP included, so that is what this bucket speaks.
"""

import base64
import hashlib
import re
import secrets
from pathlib import Path
from typing import Any, Final

import anyio
from msgspec import Struct

from dtaas.sandbox.snowflake.engine.stage_files import remove
from dtaas.sandbox.snowflake.engine.stages import UNFINISHED, file_at
from dtaas.sandbox.snowflake.http.asgi import Reply, Request

ROOT: Final = "/bucket/"
UPLOADS: Final = "/uploads/"
NAME: Final = "stages"
TOKEN: Final = "sandbox"  # noqa: S105 - the server listens on loopback only
_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_PIECE: Final = 1 << 20


class _Upload(Struct):
    """A file that arrives in pieces."""

    path: Path
    unfinished: Path


class Bucket:
    """The files of all stages."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._uploads: dict[str, _Upload] = {}

    def stage_info(self, origin: str, folder: Path, path: str) -> dict[str, Any]:
        """Return what the client needs to bring files to a stage, or fetch them."""
        below = folder.relative_to(self._folder).as_posix()
        prefix = "/".join(part for part in (below, path.strip("/")) if part)
        return {
            "locationType": "GCS",
            "location": f"{NAME}/{prefix}/",
            "path": f"{prefix}/",
            "region": "loopback",
            "storageAccount": None,
            "endPoint": f"{origin}{ROOT.rstrip('/')}",
            "creds": {"GCS_ACCESS_TOKEN": TOKEN},
            "presignedUrl": "",
            "isClientSideEncrypted": False,
        }

    async def serve(self, request: Request) -> Reply:
        """Answer a request below `/bucket/` or `/uploads/`."""
        if request.headers.get("authorization", "") != f"Bearer {TOKEN}" and not (
            request.path.startswith(UPLOADS)
        ):
            return Reply(status=401)
        if request.path.startswith(UPLOADS):
            return await self._serve_piece(request)
        name = request.path.removeprefix(f"{ROOT}{NAME}/")
        path = file_at(self._folder, name)
        if path is None or not name or name == request.path:
            return Reply(status=400)
        if request.method in ("HEAD", "GET"):
            return await _read(path, request.method)
        if request.method == "PUT":
            return await self._write(request, path)
        if request.method == "POST":
            return await self._begin(request, path)
        if request.method == "DELETE":
            remove(path)
            return Reply(status=204)
        return Reply(status=405)

    async def _write(self, request: Request, path: Path) -> Reply:
        if request.headers.get("x-goog-if-generation-match") == "0" and (
            await anyio.Path(path).is_file()
        ):
            return Reply(status=412)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}{UNFINISHED}")
        try:
            async with await anyio.open_file(unfinished, "wb") as file:
                async for piece in request.stream():
                    await file.write(piece)
        except ConnectionError:
            unfinished.unlink(missing_ok=True)
            raise
        unfinished.replace(path)
        return Reply()

    async def _begin(self, request: Request, path: Path) -> Reply:
        path.parent.mkdir(parents=True, exist_ok=True)
        upload = secrets.token_hex(8)
        unfinished = path.with_name(f"{path.name}.{upload}{UNFINISHED}")
        unfinished.touch()
        self._uploads[upload] = _Upload(path, unfinished)
        return Reply(status=201, headers={"location": f"{request.origin}{UPLOADS}{upload}"})

    async def _serve_piece(self, request: Request) -> Reply:
        key = request.path.removeprefix(UPLOADS)
        upload = self._uploads.get(key)
        if upload is None:
            return Reply(status=404)
        if request.method == "DELETE":
            del self._uploads[key]
            upload.unfinished.unlink(missing_ok=True)
            return Reply(status=499)
        where = _RANGE.match(request.headers.get("content-range", ""))
        async with await anyio.open_file(upload.unfinished, "r+b") as file:
            await file.seek(int(where[1]) if where else 0)
            async for piece in request.stream():
                await file.write(piece)
        if where and where[3] != "*" and int(where[2]) + 1 < int(where[3]):
            return Reply(status=308, headers={"range": f"bytes=0-{where[2]}"})
        del self._uploads[key]
        upload.unfinished.replace(upload.path)
        return Reply()


async def _read(path: Path, method: str) -> Reply:
    if not await anyio.Path(path).is_file():
        return Reply(status=404)
    content = await anyio.Path(path).read_bytes()
    digest = await anyio.to_thread.run_sync(lambda: hashlib.sha256(content).digest())
    headers = {
        "content-type": "application/octet-stream",
        "content-length": str(len(content)),
        "x-goog-meta-sfc-digest": base64.b64encode(digest).decode(),
    }
    return Reply(headers=headers, body=b"" if method == "HEAD" else content)
