"""The code page of a column's text, from the collation its metadata carry."""

import codecs
import struct
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

_LOCALE_BITS: Final = 0xFFFF
_UTF8: Final = 1 << 26
UTF8: Final = "utf-8"
DOUBLE_BYTES: Final = frozenset({"cp932", "cp936", "cp949", "cp950"})
"""Code pages with characters of two bytes."""
# Places for characters of one's own: first and last, second bytes, and the unit of the first.
# Source: Microsoft Learn, "End-user-defined characters", and the driver. Python has those of cp932.
_LOW_SECONDS: Final = (*range(0x40, 0x7F), *range(0x80, 0xA1))
_HIGH_SECONDS: Final = tuple(range(0xA1, 0xFF))
_BIG5_SECONDS: Final = (*range(0x40, 0x7F), *_HIGH_SECONDS)
_OWN_CHARACTERS: Final[dict[str, tuple[tuple[bytes, bytes, tuple[int, ...], int], ...]]] = {
    "cp936": (
        (b"\xaa\xa1", b"\xaf\xfe", _HIGH_SECONDS, 0xE000),
        (b"\xf8\xa1", b"\xfe\xfe", _HIGH_SECONDS, 0xE234),
        (b"\xa1\x40", b"\xa7\xa0", _LOW_SECONDS, 0xE4C6),
    ),
    "cp949": (
        (b"\xc9\xa1", b"\xc9\xfe", _HIGH_SECONDS, 0xE000),
        (b"\xfe\xa1", b"\xfe\xfe", _HIGH_SECONDS, 0xE05E),
    ),
    "cp950": (
        (b"\xfa\x40", b"\xfe\xfe", _BIG5_SECONDS, 0xE000),
        (b"\x8e\x40", b"\xa0\xfe", _BIG5_SECONDS, 0xE311),
        (b"\x81\x40", b"\x8d\xfe", _BIG5_SECONDS, 0xEEB8),
        (b"\xc6\xa1", b"\xc8\xfe", _BIG5_SECONDS, 0xF6B1),
    ),
}
_MORE_CHARACTERS: Final = {"cp936": {b"\x80": 0x20AC}, "cp950": {b"\x80": 0x80}}
"""What Windows has and Python has not."""
_NOT_OF_WINDOWS: Final = {"cp932": (b"\x80", b"\xa0", b"\xfd", b"\xfe", b"\xff")}
"""What Python takes for characters and the driver does not."""
_PAIR: Final = 2
_NO_CHARACTER: Final = 0xFFFF
_LEAD_BYTE: Final = 0xFFFE

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
    0x0411: "cp932",
    **dict.fromkeys((0x0804, 0x1004), "cp936"),
    0x0412: "cp949",
    **dict.fromkeys((0x0404, 0x0C04, 0x1404), "cp950"),
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
    (192, 193, "cp932"),
    (194, 195, "cp949"),
    (196, 197, "cp950"),
    (198, 199, "cp936"),
    (200, 200, "cp932"),
    (201, 201, "cp949"),
    (202, 202, "cp950"),
    (203, 203, "cp936"),
    (204, 206, "cp874"),
    (210, 217, "cp1252"),
)


def codec_of(collation: bytes) -> str | None:
    """Return Python's name for the code page of five collation bytes.

    Returns:
        None for one not known here.
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


@cache
def double_byte(codec: str) -> tuple[int, ...]:
    """Return the UTF-16 units of a code page in `DOUBLE_BYTES`, as decoder.h wants them.

    A character is what is one by Python's tables, and the places Windows keeps for characters of
    one's own, which become those of Unicode's private use. A test compares every byte and pair with
    what Microsoft's driver makes of it: the same, or its sign for what it does not know.
    """
    decode = codecs.lookup(codec).decode
    units = {
        value: ord(text)
        for value in _byte_values()
        if (text := _character(decode, value)) and value not in _NOT_OF_WINDOWS.get(codec, ())
    }
    units |= _own_characters(codec) | _MORE_CHARACTERS.get(codec, {})
    leads = {value[0] for value in units if len(value) == _PAIR}
    firsts = [
        _LEAD_BYTE if byte in leads else units.get(bytes((byte,)), _NO_CHARACTER)
        for byte in range(0x100)
    ]
    pairs = (bytes((a, b)) for a in range(0x80, 0x100) for b in range(0x100))
    return (*firsts, *(units.get(pair, _NO_CHARACTER) for pair in pairs))


def _byte_values() -> Iterator[bytes]:
    """Yield every byte, then every pair whose first byte is no ASCII."""
    for byte in range(0x100):
        yield bytes((byte,))
    for first in range(0x80, 0x100):
        for second in range(0x100):
            yield bytes((first, second))


def _character(decode: Callable[[bytes], tuple[str, int]], value: bytes) -> str:
    """Return the one character that `value` is, '' when it is none or more."""
    try:
        text = decode(value)[0]
    except UnicodeDecodeError:
        return ""
    return text if len(text) == 1 else ""


def _own_characters(codec: str) -> dict[bytes, int]:
    """Return the places for characters of one's own."""
    found: dict[bytes, int] = {}
    for first, last, seconds, unit in _OWN_CHARACTERS.get(codec, ()):
        places = (bytes((a, b)) for a in range(first[0], last[0] + 1) for b in seconds)
        inside = [place for place in places if first <= place <= last]
        found |= {place: unit + k for k, place in enumerate(inside)}
    return found
