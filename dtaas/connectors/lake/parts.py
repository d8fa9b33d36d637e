"""A file object that encoders write to and that cuts what they write into upload parts."""

import hashlib
import io
from typing import TYPE_CHECKING

from dtaas.connectors.lake.objects import PART_BYTES

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class PartSink(io.RawIOBase):
    """Collects full parts until somebody takes them. Used by one thread at a time.

    Attributes:
        size_bytes: all that was written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.size_bytes = 0
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._digest = hashlib.sha256()

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def tell(self) -> int:
        """Return the bytes written."""
        return self.size_bytes

    def write(self, data: "ReadableBuffer", /) -> int:
        """Append `data`."""
        view = memoryview(data).cast("B")
        self._digest.update(view)
        taken = 0
        while taken < len(view):
            step = min(len(view) - taken, PART_BYTES - len(self._buffer))
            self._buffer += view[taken : taken + step]
            taken += step
            if len(self._buffer) == PART_BYTES:
                self._parts.append(bytes(self._buffer))
                self._buffer = bytearray()
        self.size_bytes += len(view)
        return len(view)

    @property
    def unsent_bytes(self) -> int:
        """Bytes held here, not yet part of a full part."""
        return len(self._buffer)

    def take_parts(self) -> list[bytes]:
        """Return the full parts since the last call."""
        parts, self._parts = self._parts, []
        return parts

    def take_rest(self) -> bytes:
        """Return what follows the last full part."""
        rest, self._buffer = bytes(self._buffer), bytearray()
        return rest

    @property
    def sha256(self) -> str:
        """Hex digest of all that was written."""
        return self._digest.hexdigest()
