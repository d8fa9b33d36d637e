"""Values as text for CSV, JSON and partition names, and back, exactly.

Decimals are plain digits with all places of their scale (never an exponent), dates and times
ISO 8601 with a space between date and time, bytes lower-case hex. All of it is done by Arrow and
NumPy kernels, a column at a time.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_HEX: Final = np.frombuffer("".join(f"{b:02x}" for b in range(256)).encode(), dtype=np.uint16)
_EPOCH: Final = "1970-01-01 "
_DIGIT_VALUES: Final = np.zeros(256, dtype=np.uint8)
_DIGIT_VALUES[np.frombuffer(b"0123456789", dtype=np.uint8)] = np.arange(10)
_DIGIT_VALUES[np.frombuffer(b"abcdef", dtype=np.uint8)] = np.arange(10, 16)


def to_text(array: pa.Array) -> pa.Array:
    """Return every value as text; NULL stays NULL."""
    kind = array.type
    if pa.types.is_string(kind):
        return array
    if pa.types.is_binary(kind):
        return _to_hex(array)
    if pa.types.is_decimal(kind):
        return _plain_decimals(array)
    return array.cast(pa.string())


def from_text(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return the values `to_text` wrote, as Arrow type `kind`.

    Raises:
        pyarrow.ArrowInvalid: a text is none of that type.
    """
    if pa.types.is_string(kind):
        return array
    if pa.types.is_binary(kind):
        return _from_hex(array)
    if pa.types.is_time(kind):  # Arrow has no cast from text to a time of day
        moment = pc.binary_join_element_wise(_EPOCH, array, "")
        return moment.cast(pa.timestamp(kind.unit)).cast(kind)
    return array.cast(kind)


def _plain_decimals(array: pa.Array) -> pa.Array:
    """Return decimals without exponent: Arrow itself writes 1E-10 for small ones."""
    kind = array.type
    if kind.scale == 0:
        return array.cast(pa.string())
    whole = pa.Array.from_buffers(
        pa.decimal128(kind.precision, 0), len(array), array.buffers(), offset=array.offset
    )
    digits = whole.cast(pa.string())
    sign = pc.if_else(pc.starts_with(digits, "-"), "-", "")
    padded = pc.utf8_lpad(pc.utf8_ltrim(digits, "-"), kind.scale + 1, "0")
    head = pc.utf8_slice_codeunits(padded, 0, -kind.scale)
    tail = pc.utf8_slice_codeunits(padded, -kind.scale)
    return pc.binary_join_element_wise(pc.binary_join_element_wise(sign, head, ""), tail, ".")


def _to_hex(array: pa.Array) -> pa.Array:
    offsets, data = _offsets_and_data(array)
    text = _HEX[data].view(np.uint8) if data.size else np.zeros(0, np.uint8)
    doubled = (offsets.astype(np.int64) - int(offsets[0])) * 2
    wide = pa.Array.from_buffers(
        pa.large_string(),
        len(array),
        [None, pa.py_buffer(doubled), pa.py_buffer(text)],
    )
    return _with_nulls_of(wide.cast(pa.string()), array)


def _from_hex(array: pa.Array) -> pa.Array:
    offsets, text = _offsets_and_data(array)
    digits = _DIGIT_VALUES[text]
    data = (digits[0::2] << 4) | digits[1::2]
    halved = ((offsets - offsets[0]) // 2).astype(np.int32)
    plain = pa.Array.from_buffers(
        pa.binary(), len(array), [None, pa.py_buffer(halved), pa.py_buffer(data)]
    )
    return _with_nulls_of(plain, array)


def _offsets_and_data(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return the n + 1 offsets of a binary or string array and the bytes they span."""
    if len(array) == 0:
        return np.zeros(1, np.int32), np.zeros(0, np.uint8)
    buffers = array.buffers()
    offsets = np.frombuffer(buffers[1], np.int32)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(buffers[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    return offsets, data


def _with_nulls_of(values: pa.Array, model: pa.Array) -> pa.Array:
    if not model.null_count:
        return values
    return pc.if_else(model.is_valid(), values, pa.scalar(None, values.type))
