"""The code page of a column's text, from the collation its metadata carry."""

import codecs
import struct
from functools import cache
from typing import Final

_LOCALE_BITS: Final = 0xFFFF
_UTF8: Final = 1 << 26
UTF8: Final = "utf-8"

# Source: Microsoft Learn, "Windows collation name" and "Code page identifiers".
_BY_LOCALE: Final = {
    **dict.fromkeys(
        (0x0405, 0x040E, 0x0415, 0x0418, 0x041A, 0x041B, 0x041C, 0x0424, 0x141A), "cp1250"
    ),
    **dict.fromkeys((0x0402, 0x0419, 0x0422, 0x0423, 0x042F, 0x0C1A), "cp1251"),
    **dict.fromkeys(
        (
            *(0x0403, 0x0406, 0x0407, 0x0409, 0x040A, 0x040B, 0x040C, 0x040F, 0x0410, 0x0413),
            *(0x0414, 0x0416, 0x0417, 0x041D, 0x0452, 0x0462, 0x0816, 0x0C0A, 0x083B, 0x046F),
        ),
        "cp1252",
    ),
    0x0408: "cp1253",
    **dict.fromkeys((0x041F, 0x042C, 0x0443), "cp1254"),
    0x040D: "cp1255",
    **dict.fromkeys((0x0401, 0x0420, 0x0429), "cp1256"),
    **dict.fromkeys((0x0425, 0x0426, 0x0427), "cp1257"),
    0x042A: "cp1258",
    0x041E: "cp874",
}
# First and last sort id of the SQL Server collations of a code page. Source: sys.syscharsets.
_BY_SORT_ID: Final = (
    (30, 35, "cp437"),
    (40, 49, "cp850"),
    (50, 54, "cp1252"),
    (55, 61, "cp850"),
    (71, 75, "cp1252"),
    (80, 98, "cp1250"),
    (104, 108, "cp1251"),
    (112, 124, "cp1253"),
    (128, 130, "cp1254"),
    (136, 138, "cp1255"),
    (144, 146, "cp1256"),
    (152, 160, "cp1257"),
    (183, 186, "cp1252"),
    (210, 217, "cp1252"),
)


def codec_of(collation: bytes) -> str | None:
    """Return Python's name for the code page of five collation bytes.

    Returns:
        None for one of several bytes a character, or one not known here.
    """
    info, sort_id = struct.unpack("<IB", collation)
    if info & _UTF8:
        return UTF8
    if sort_id:
        return next((c for first, last, c in _BY_SORT_ID if first <= sort_id <= last), None)
    return _BY_LOCALE.get(info & _LOCALE_BITS)


@cache
def upper_half(codec: str) -> tuple[int, ...]:
    """Return the UTF-16 units of the bytes 128 to 255.

    A byte the code page leaves open becomes the control character of its number, as Windows does.
    """
    decoder = codecs.lookup(codec)
    units = []
    for byte in range(0x80, 0x100):
        try:
            units.append(ord(decoder.decode(bytes((byte,)))[0]))
        except UnicodeDecodeError:
            units.append(byte)
    return tuple(units)
