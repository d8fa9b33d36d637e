"""A local folder as object store: durable by fsync, whole by rename, conditional by link and lock.

Unfinished files have hidden names, `.<name>.<random>.part`, which Hive-like readers skip.
"""

import fcntl
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import anyio

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.lake.drafts import Draft
from dtaas.connectors.lake.durable import (
    any_entry,
    make_folders,
    publish,
    remove_empty,
    sync,
    sync_folder,
)
from dtaas.connectors.lake.errors import from_os_error
from dtaas.connectors.lake.folder_check import check_folder
from dtaas.connectors.lake.objects import (
    ObjectStore,
    PreconditionFailedError,
    StoredObject,
    Upload,
)
from dtaas.model.check import CheckReport, OnStep
from dtaas.model.errors import DestinationConflictError, FatalError

P = ParamSpec("P")
T = TypeVar("T")

_PART_SUFFIX: Final = ".part"
_THREADS: Final = 4


class FolderStore:
    """Objects as files below one existing folder."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self.blocking = Blocking(_THREADS)
        self._removing = Blocking(
            1
        )  # those may all be held by calls that nobody waits for any more

    async def get(self, key: str) -> StoredObject | None:
        """Read a file."""
        return await self._run(f"Reading {key}", self._get, key)

    async def put(
        self, key: str, data: bytes, *, absent: bool = False, etag: str | None = None
    ) -> None:
        """Write a file."""
        if absent:
            await self._run(f"Writing {key}", self._put_absent, key, data)
        elif etag is not None:
            await self._run(f"Writing {key}", self._put_matching, key, data, etag)
        else:
            await self._run(f"Writing {key}", self._put, key, data)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete files, and the folders that this leaves empty."""
        await self._run("Deleting files", self._delete, keys)

    async def list(self, prefix: str) -> Mapping[str, int]:
        """Return the finished files below a prefix that ends in `/`."""
        return await self._run(f"Listing {prefix}", self._list, prefix)

    @asynccontextmanager
    async def uploader(self) -> AsyncIterator["_FolderUploader"]:
        """Open a group of files being written."""
        uploader = _FolderUploader(self)
        try:
            yield uploader
        finally:
            with anyio.CancelScope(shield=True):
                await self._remove(uploader.abort)

    async def remove_dangling(self, prefix: str) -> int:
        """Remove unfinished files below a prefix that ends in `/`."""
        return await self._run(f"Cleaning {prefix}", self._remove_dangling, prefix)

    @asynccontextmanager
    async def fetch(self, key: str) -> AsyncIterator[Path]:
        """Give the file itself."""
        path = self.path(key)
        if not await self.blocking(path.is_file):
            raise DestinationConflictError(
                f"{path} is listed in a manifest but is not there.",
                hint="Somebody deleted it. Load the table anew.",
            )
        yield path

    def url(self, key: str) -> str:
        """Return a `file:` address as Hadoop writes it: without percent-encoding."""
        return f"file://{self._base / key}"

    async def check(self, on_step: OnStep) -> CheckReport:
        """Test that the folder exists, can be written, and has room."""
        return await check_folder(self._base, self.blocking, on_step)

    async def aclose(self) -> None:
        """Do nothing: no file stays open."""

    def path(self, key: str) -> Path:
        """Return the path of `key`.

        Raises:
            FatalError: it would lie outside the base, by its name or by a symbolic link.
        """
        segments = key.split("/")
        path = self._base.joinpath(*segments)
        unsafe = any(s in ("", ".", "..") or "\0" in s for s in segments)
        if unsafe or not path.parent.resolve().is_relative_to(self._base.resolve()):
            raise FatalError(
                f"{key!r} would lie outside {self._base}.",
                hint="Choose another target; links out of the folder are not followed.",
            )
        return path

    async def _run(self, what: str, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self.blocking(fn, *args, **kwargs)
        except OSError as error:
            raise from_os_error(error, what) from error

    async def _remove(self, abort: Callable[[], None]) -> None:
        try:
            await self._removing(abort)
        except OSError as error:
            raise from_os_error(error, "Removing unfinished files") from error

    def _get(self, key: str) -> StoredObject | None:
        try:
            data = self.path(key).read_bytes()
        except FileNotFoundError:
            return None
        return StoredObject(data, _etag(data))

    def _put(self, key: str, data: bytes) -> None:
        draft = self.draft(key)
        with draft.open("xb") as file:
            file.write(data)
            publish(file, draft, self.path(key))

    def _put_absent(self, key: str, data: bytes) -> None:
        draft = self.draft(key)
        path = self.path(key)
        try:
            with draft.open("xb") as file:
                file.write(data)
                sync(file)
            os.link(draft, path)  # link(2) fails where rename(2) would replace
            sync_folder(path.parent)
        except FileExistsError as error:
            raise PreconditionFailedError(f"{path} exists.") from error
        finally:
            draft.unlink(missing_ok=True)

    def _put_matching(self, key: str, data: bytes, etag: str) -> None:
        with self._locked(key):
            present = self._get(key)
            if present is None or present.etag != etag:
                raise PreconditionFailedError(f"{key} was changed by somebody else.")
            self._put(key, data)

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Hold other processes off between reading and replacing a file."""
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f".{path.name}.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # held for milliseconds; freed by death
            yield

    def _delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            path = self.path(key)
            path.unlink(missing_ok=True)
            for parent in path.parents:
                if parent == self._base or any_entry(parent):
                    break
                remove_empty(parent)

    def _list(self, prefix: str) -> dict[str, int]:
        found = {}
        for path in self._walk(prefix):
            if not (path.name.startswith(".") and path.name.endswith((_PART_SUFFIX, ".lock"))):
                found[path.relative_to(self._base).as_posix()] = path.stat().st_size
        return found

    def _remove_dangling(self, prefix: str) -> int:
        removed = 0
        for path in list(self._walk(prefix)):
            if path.name.startswith(".") and path.name.endswith(_PART_SUFFIX):
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def _walk(self, prefix: str) -> Iterator[Path]:
        for folder, _, names in os.walk(self.path(prefix.rstrip("/"))):
            for name in names:
                yield Path(folder, name)

    def draft(self, key: str) -> Path:
        """Return a fresh hidden path beside `key`, in a folder that exists."""
        path = self.path(key)
        make_folders(path.parent)
        tail = secrets.token_hex(4) + _PART_SUFFIX
        return path.with_name(f".{path.name[:200]}.{tail}")


class _FolderUploader:
    """Files being written; those not finished when the group ends are removed."""

    def __init__(self, store: FolderStore) -> None:
        self._store = store
        self._drafts: list[Draft] = []

    def open(self, key: str) -> Upload:
        """Start a file."""
        draft = Draft(f"Writing {key}", lambda: (self._store.draft(key), self._store.path(key)))
        self._drafts.append(draft)
        return _FolderUpload(draft, self._store.blocking)

    def abort(self) -> None:
        """Remove what is unfinished."""
        for draft in self._drafts:
            draft.give_up()


class _FolderUpload:
    """A file that is written by the thread that encodes it."""

    def __init__(self, draft: Draft, blocking: Blocking) -> None:
        self.sink = draft
        self._blocking = blocking

    async def drain(self) -> None:
        """Do nothing: what was written is in the file."""

    async def finish(self) -> str:
        """Sync and rename. A folder has no name for the content."""
        await self._blocking.droppable(self.sink.publish)
        return ""


def _etag(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


_: type[ObjectStore] = FolderStore
