"""Points in time in the forms columns have them: Arrow timestamps, and text where those are short.

Seven digits and UTC offsets travel as text that begins with local date and time.
"""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dtaas.model.types import MICROSECOND_DIGITS

_SECONDS: Final = len("YYYY-MM-DD HH:MM:SS")
_TEXT_LENGTH: Final = _SECONDS + 1 + MICROSECOND_DIGITS


def timestamps_of(values: pa.Array) -> pa.Array:
    """Return points in time of microseconds; of text, its local time.

    Raises:
        ArrowInvalid: there is no such day.
    """
    if not pa.types.is_string(values.type):
        return values.cast(pa.timestamp("us"))
    local = pc.replace_substring_regex(values, r" ?([+-]\d\d:\d\d|Z)$", "")
    return pc.utf8_slice_codeunits(local, 0, _TEXT_LENGTH).cast(pa.timestamp("us"))


def timestamps_text(values: pa.Array, digits: int) -> pa.Array:
    """Return points in time as `YYYY-MM-DD HH:MM:SS.ffffff` with that many digits."""
    if pa.types.is_string(values.type):
        return values
    length = _SECONDS + (digits + 1 if digits else 0)
    texts = values.cast(pa.timestamp("us")).cast(pa.string())
    return pc.utf8_slice_codeunits(texts, 0, length)
