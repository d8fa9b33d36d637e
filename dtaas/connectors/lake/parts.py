"""File objects that encoders write to: they count and hash, and one cuts upload parts."""

import hashlib
import io
from abc import abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class CountingSink(io.RawIOBase):
    """Counts and hashes what is written. Used by one thread at a time.

    Attributes:
        size_bytes: all that was written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.size_bytes = 0
        self._digest = hashlib.sha256()

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def tell(self) -> int:
        """Return the bytes written."""
        return self.size_bytes

    def write(self, data: "ReadableBuffer", /) -> int:
        """Take all of `data`, which is copied unless it is `bytes`."""
        kept = data if isinstance(data, bytes) else bytes(data)
        self._digest.update(kept)
        self.size_bytes += len(kept)
        self._take(kept)
        return len(kept)

    @property
    def unsent_bytes(self) -> int:
        """Bytes held in memory until more come."""
        return 0

    @property
    def sha256(self) -> str:
        """Hex digest of all that was written."""
        return self._digest.hexdigest()

    @abstractmethod
    def _take(self, data: bytes) -> None: ...


class PartSink(CountingSink):
    """Collects full parts until somebody takes them."""

    def __init__(self, part_bytes: int) -> None:
        """Cut parts of `part_bytes`, into which the pieces are joined when one is full."""
        super().__init__()
        self._part_bytes = part_bytes
        self._pieces: list[bytes | memoryview] = []
        self._unsent_bytes = 0
        self._parts: list[bytes] = []

    @property
    def unsent_bytes(self) -> int:
        """Bytes held here, not yet part of a full part."""
        return self._unsent_bytes

    def take_parts(self) -> list[bytes]:
        """Return the full parts since the last call."""
        parts, self._parts = self._parts, []
        return parts

    def take_rest(self) -> bytes:
        """Return what follows the last full part."""
        rest = b"".join(self._pieces)
        self._pieces, self._unsent_bytes = [], 0
        return rest

    def _take(self, data: bytes) -> None:
        view = memoryview(data)
        taken = 0
        while len(view) - taken >= self._part_bytes - self._unsent_bytes:
            step = self._part_bytes - self._unsent_bytes
            self._parts.append(b"".join((*self._pieces, view[taken : taken + step])))
            self._pieces, self._unsent_bytes = [], 0
            taken += step
        if taken < len(view):
            self._pieces.append(view[taken:] if taken else data)
            self._unsent_bytes += len(view) - taken
