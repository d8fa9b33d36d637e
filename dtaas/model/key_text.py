"""Key values as exact text, the form in which chunks, verifications and repairs speak of rows."""

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

_MOST_DIGITS: Final = 7
_DIGITS: Final = f"(\\.\\d{{{_MOST_DIGITS}}})\\d+$"


def key_texts(column: pa.Array | pa.ChunkedArray) -> list[str | None]:
    """Return each value as exact text, NULL as None.

    Numbers and dates as SQL writes them, times with at most seven fractional digits, bytes as 0x
    and hex digits, text as it is.
    """
    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return [None if v is None else "0x" + v.hex().upper() for v in column.to_pylist()]
    text = column.cast(pa.string())
    if pa.types.is_time(kind):
        text = pc.replace_substring_regex(text, _DIGITS, r"\1")
    found: list[Any] = text.to_pylist()
    return found


def key_values(texts: list[str], kind: pa.DataType) -> pa.Array:
    """Return the values that `key_texts` wrote as `texts`.

    Raises:
        pyarrow.ArrowInvalid, ValueError: a text is not a value of the type.
    """
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.array([bytes.fromhex(text.removeprefix("0x")) for text in texts], kind)
    if pa.types.is_time64(kind):
        digits = {"us": 6, "ns": 9}[kind.unit]
        return pa.array([_since_midnight(text, digits) for text in texts], pa.int64()).cast(kind)
    return pa.array(texts, pa.string()).cast(kind)


def _since_midnight(text: str, digits: int) -> int:
    """Return a time of day in units of 10^-digits seconds."""
    whole, _, fraction = text.partition(".")
    hours, minutes, seconds = map(int, whole.split(":"))
    unit: int = 10**digits
    return ((hours * 60 + minutes) * 60 + seconds) * unit + int(fraction.ljust(digits, "0"))
