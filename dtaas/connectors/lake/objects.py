"""What the lake destination asks of a place that keeps objects: a bucket or a folder."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from dtaas.connectors.lake.parts import CountingSink
from dtaas.model.check import CheckReport, OnStep
from dtaas.model.errors import DestinationConflictError


class PreconditionFailedError(DestinationConflictError):
    """The object is not, or not any more, what the writer expected."""


class StoredObject(Struct, frozen=True):
    """A small object's content and the name the store gives this content."""

    data: bytes
    etag: str


class Upload(Protocol):
    """One object being written; it appears whole at `finish`, or never."""

    @property
    def sink(self) -> CountingSink:
        """What its bytes are written to, in a thread; `drain` or `finish` come after."""
        ...

    async def drain(self) -> None:
        """Send what is large enough to be sent. Returns when there is room for more."""
        ...

    async def finish(self) -> str:
        """Send the rest, make the object durable and visible, and return its etag, if any."""
        ...


class Uploader(Protocol):
    """Uploads that share a bound on parts in flight."""

    def open(self, key: str) -> Upload:
        """Start an object; an older one of that key stays until `finish`."""
        ...


class ObjectStore(Protocol):
    """Keys are `/` separated; no segment is empty, `.` or `..`. Raises `DtaasError` only."""

    async def get(self, key: str) -> StoredObject | None:
        """Return a small object, None when there is none."""
        ...

    async def put(
        self, key: str, data: bytes, *, absent: bool = False, etag: str | None = None
    ) -> None:
        """Write a small object, whole or not at all, durable on return.

        Args:
            absent: only if there is no such object.
            etag: only if the object still has this etag.

        Raises:
            PreconditionFailedError: the condition does not hold. After a lost reply the object
                may nevertheless be ours: read it back.
        """
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects. A missing one is no error."""
        ...

    async def list(self, prefix: str) -> Mapping[str, int]:
        """Return the bytes of every object whose key starts with `prefix`, by key."""
        ...

    def uploader(self) -> AbstractAsyncContextManager[Uploader]:
        """Open a group of uploads. Leaving it removes every unfinished one."""
        ...

    async def remove_dangling(self, prefix: str) -> int:
        """Remove uploads below `prefix` that nobody finished, and return how many."""
        ...

    def fetch(self, key: str) -> AbstractAsyncContextManager[Path]:
        """Give the object as a local file for the life of the context.

        Raises:
            DestinationConflictError: there is no such object.
        """
        ...

    def url(self, key: str) -> str:
        """Return the address readers know the object by."""
        ...

    async def check(self, on_step: OnStep) -> CheckReport:
        """Test step by step that objects can be listed, written, read and deleted."""
        ...

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        ...
