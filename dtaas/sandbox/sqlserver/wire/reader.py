"""Reads the fields of a message one after the other, never past its end."""

import struct
from typing import Final

from dtaas.sandbox.sqlserver.wire.protocol import ProtocolError

_U16: Final = struct.Struct("<H")
_U32: Final = struct.Struct("<I")
_U64: Final = struct.Struct("<Q")
_I32: Final = struct.Struct("<i")


class Reader:
    """A position in the bytes of one message. Integers are little-endian.

    Every method raises `ProtocolError` when the message ends too early.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def remaining(self) -> int:
        """Bytes not read yet."""
        return len(self._data) - self._at

    def peek(self) -> int:
        """Return the next byte without reading it."""
        if not self.remaining:
            raise ProtocolError("the message ends where a byte was expected")
        return self._data[self._at]

    def take(self, count: int) -> bytes:
        """Read `count` bytes."""
        end = self._at + count
        if end > len(self._data):
            raise ProtocolError(f"the message ends {end - len(self._data)} bytes too early")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def u8(self) -> int:
        """Read a byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Read a 16-bit unsigned integer."""
        value: int = _U16.unpack(self.take(2))[0]
        return value

    def u32(self) -> int:
        """Read a 32-bit unsigned integer."""
        value: int = _U32.unpack(self.take(4))[0]
        return value

    def u64(self) -> int:
        """Read a 64-bit unsigned integer."""
        value: int = _U64.unpack(self.take(8))[0]
        return value

    def i32(self) -> int:
        """Read a 32-bit signed integer."""
        value: int = _I32.unpack(self.take(4))[0]
        return value

    def text(self, units: int) -> str:
        """Read `units` UTF-16 code units."""
        return self.take(2 * units).decode("utf-16-le", "surrogatepass")

    def b_varchar(self) -> str:
        """Read a text with its length in one byte."""
        return self.text(self.u8())

    def us_varchar(self) -> str:
        """Read a text with its length in two bytes."""
        return self.text(self.u16())
