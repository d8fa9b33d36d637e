"""A file object that encoders write to and that cuts what they write into upload parts."""

import hashlib
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class PartSink(io.RawIOBase):
    """Collects full parts until somebody takes them. Used by one thread at a time.

    Attributes:
        size_bytes: all that was written.
    """

    def __init__(self, part_bytes: int | None = None) -> None:
        """Cut parts of `part_bytes`; None makes one of each write."""
        super().__init__()
        self._part_bytes = part_bytes
        self.size_bytes = 0
        self._pieces: list[bytes | memoryview] = []
        self._unsent_bytes = 0
        self._parts: list[bytes] = []
        self._digest = hashlib.sha256()

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def tell(self) -> int:
        """Return the bytes written."""
        return self.size_bytes

    def write(self, data: "ReadableBuffer", /) -> int:
        """Append `data`, which is copied unless it is `bytes`: those are joined when a part is."""
        kept = data if isinstance(data, bytes) else bytes(data)
        self._digest.update(kept)
        self.size_bytes += len(kept)
        if self._part_bytes is None:
            self._parts.append(kept)
        else:
            self._cut(kept, self._part_bytes)
        return len(kept)

    def _cut(self, data: bytes, part_bytes: int) -> None:
        view = memoryview(data)
        taken = 0
        while len(view) - taken >= part_bytes - self._unsent_bytes:
            step = part_bytes - self._unsent_bytes
            self._parts.append(b"".join((*self._pieces, view[taken : taken + step])))
            self._pieces, self._unsent_bytes = [], 0
            taken += step
        if taken < len(view):
            self._pieces.append(view[taken:] if taken else data)
            self._unsent_bytes += len(view) - taken

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

    @property
    def sha256(self) -> str:
        """Hex digest of all that was written."""
        return self._digest.hexdigest()
