"""Collations on the wire: five bytes and a code page for a name."""

import struct
from functools import lru_cache
from typing import Final

from msgspec import Struct

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION

UNKNOWN_COLLATION: Final = 448

_IGNORE_CASE: Final = 1 << 20
_IGNORE_ACCENT: Final = 1 << 21
_IGNORE_KANA: Final = 1 << 22
_IGNORE_WIDTH: Final = 1 << 23
_BINARY: Final = 1 << 24
_BINARY2: Final = 1 << 25
_UTF8: Final = 1 << 26
_VERSION_SHIFT: Final = 28


class Collation(Struct, frozen=True):
    """A collation.

    Attributes:
        wire: LCID, flags and version in 32 bits, then the sort id (MS-TDS 2.2.5.1.2).
        codec: Python's name for the code page of char and varchar.
    """

    name: str
    wire: bytes
    codec: str


# Windows collations by the part of the name before version and flags: locale id, code page.
# Source: Microsoft Learn, "Windows collation name"; sys.fn_helpcollations with COLLATIONPROPERTY.
_WINDOWS: Final = {
    "Albanian": (0x041C, "cp1250"),
    "Arabic": (0x0401, "cp1256"),
    "Chinese_Hong_Kong_Stroke": (0x0C04, "cp950"),
    "Chinese_PRC": (0x0804, "gbk"),
    "Chinese_PRC_Stroke": (0x20804, "gbk"),
    "Chinese_Simplified_Pinyin": (0x0804, "gbk"),
    "Chinese_Simplified_Stroke_Order": (0x20804, "gbk"),
    "Chinese_Taiwan_Bopomofo": (0x30404, "cp950"),
    "Chinese_Taiwan_Stroke": (0x0404, "cp950"),
    "Chinese_Traditional_Bopomofo": (0x30404, "cp950"),
    "Chinese_Traditional_Stroke_Count": (0x0404, "cp950"),
    "Croatian": (0x041A, "cp1250"),
    "Cyrillic_General": (0x0419, "cp1251"),
    "Czech": (0x0405, "cp1250"),
    "Danish_Norwegian": (0x0406, "cp1252"),
    "Danish_Greenlandic": (0x0406, "cp1252"),
    "Estonian": (0x0425, "cp1257"),
    "Finnish_Swedish": (0x040B, "cp1252"),
    "French": (0x040C, "cp1252"),
    "German_PhoneBook": (0x10407, "cp1252"),
    "Greek": (0x0408, "cp1253"),
    "Hebrew": (0x040D, "cp1255"),
    "Hungarian": (0x040E, "cp1250"),
    "Hungarian_Technical": (0x1040E, "cp1250"),
    "Icelandic": (0x040F, "cp1252"),
    "Japanese": (0x0411, "cp932"),
    "Japanese_Bushu_Kakusu": (0x40411, "cp932"),
    "Japanese_Unicode": (0x10411, "cp932"),
    "Japanese_XJIS": (0x0411, "cp932"),
    "Korean": (0x0412, "cp949"),
    "Korean_Wansung": (0x0412, "cp949"),
    "Latin1_General": (0x0409, "cp1252"),
    "Latvian": (0x0426, "cp1257"),
    "Lithuanian": (0x0427, "cp1257"),
    "Macedonian_FYROM": (0x042F, "cp1251"),
    "Modern_Spanish": (0x0C0A, "cp1252"),
    "Norwegian": (0x0414, "cp1252"),
    "Polish": (0x0415, "cp1250"),
    "Romanian": (0x0418, "cp1250"),
    "Slovak": (0x041B, "cp1250"),
    "Slovenian": (0x0424, "cp1250"),
    "Thai": (0x041E, "cp874"),
    "Traditional_Spanish": (0x040A, "cp1252"),
    "Turkish": (0x041F, "cp1254"),
    "Ukrainian": (0x0422, "cp1251"),
    "Vietnamese": (0x042A, "cp1258"),
    "Welsh": (0x0452, "cp1252"),
}
_VERSIONS: Final = {"90": 1, "100": 2, "140": 3}

# SQL Server collations: sort id, code page and locale id. The flags follow from the name.
# Source: sys.syscharsets; Microsoft Learn, "SQL Server collation name".
_SQL: Final = {
    "SQL_Latin1_General_CP437_BIN": (30, "cp437", 0x0409),
    "SQL_Latin1_General_CP437_CS_AS": (31, "cp437", 0x0409),
    "SQL_Latin1_General_CP437_CI_AS": (32, "cp437", 0x0409),
    "SQL_Latin1_General_Pref_CP437_CI_AS": (33, "cp437", 0x0409),
    "SQL_Latin1_General_CP437_CI_AI": (34, "cp437", 0x0409),
    "SQL_Latin1_General_CP850_BIN": (40, "cp850", 0x0409),
    "SQL_Latin1_General_CP850_CS_AS": (41, "cp850", 0x0409),
    "SQL_Latin1_General_CP850_CI_AS": (42, "cp850", 0x0409),
    "SQL_Latin1_General_Pref_CP850_CI_AS": (43, "cp850", 0x0409),
    "SQL_Latin1_General_CP850_CI_AI": (44, "cp850", 0x0409),
    "SQL_1xCompat_CP850_CI_AS": (49, "cp850", 0x0409),
    "SQL_Latin1_General_CP1_CS_AS": (51, "cp1252", 0x0409),
    "SQL_Latin1_General_CP1_CI_AS": (52, "cp1252", 0x0409),
    "SQL_Latin1_General_Pref_CP1_CI_AS": (53, "cp1252", 0x0409),
    "SQL_Latin1_General_CP1_CI_AI": (54, "cp1252", 0x0409),
    "SQL_AltDiction_CP850_CS_AS": (55, "cp850", 0x0409),
    "SQL_AltDiction_Pref_CP850_CI_AS": (56, "cp850", 0x0409),
    "SQL_AltDiction_CP850_CI_AI": (57, "cp850", 0x0409),
    "SQL_Scandinavian_Pref_CP850_CI_AS": (58, "cp850", 0x0409),
    "SQL_Scandinavian_CP850_CS_AS": (59, "cp850", 0x0409),
    "SQL_Scandinavian_CP850_CI_AS": (60, "cp850", 0x0409),
    "SQL_AltDiction_CP850_CI_AS": (61, "cp850", 0x0409),
    "SQL_Latin1_General_CP1250_CS_AS": (81, "cp1250", 0x0409),
    "SQL_Latin1_General_CP1250_CI_AS": (82, "cp1250", 0x0409),
    "SQL_Czech_CP1250_CS_AS": (83, "cp1250", 0x0405),
    "SQL_Czech_CP1250_CI_AS": (84, "cp1250", 0x0405),
    "SQL_Hungarian_CP1250_CS_AS": (85, "cp1250", 0x040E),
    "SQL_Hungarian_CP1250_CI_AS": (86, "cp1250", 0x040E),
    "SQL_Polish_CP1250_CS_AS": (87, "cp1250", 0x0415),
    "SQL_Polish_CP1250_CI_AS": (88, "cp1250", 0x0415),
    "SQL_Romanian_CP1250_CS_AS": (89, "cp1250", 0x0418),
    "SQL_Romanian_CP1250_CI_AS": (90, "cp1250", 0x0418),
    "SQL_Croatian_CP1250_CS_AS": (91, "cp1250", 0x041A),
    "SQL_Croatian_CP1250_CI_AS": (92, "cp1250", 0x041A),
    "SQL_Slovak_CP1250_CS_AS": (93, "cp1250", 0x041B),
    "SQL_Slovak_CP1250_CI_AS": (94, "cp1250", 0x041B),
    "SQL_Slovenian_CP1250_CS_AS": (95, "cp1250", 0x0424),
    "SQL_Slovenian_CP1250_CI_AS": (96, "cp1250", 0x0424),
    "SQL_Latin1_General_CP1251_CS_AS": (105, "cp1251", 0x0409),
    "SQL_Latin1_General_CP1251_CI_AS": (106, "cp1251", 0x0409),
    "SQL_Ukrainian_CP1251_CS_AS": (107, "cp1251", 0x0422),
    "SQL_Ukrainian_CP1251_CI_AS": (108, "cp1251", 0x0422),
    "SQL_Latin1_General_CP1253_CS_AS": (113, "cp1253", 0x0409),
    "SQL_Latin1_General_CP1253_CI_AS": (114, "cp1253", 0x0409),
    "SQL_MixDiction_CP1253_CS_AS": (120, "cp1253", 0x0409),
    "SQL_AltDiction_CP1253_CS_AS": (121, "cp1253", 0x0409),
    "SQL_Latin1_General_CP1253_CI_AI": (124, "cp1253", 0x0409),
    "SQL_Latin1_General_CP1254_CS_AS": (129, "cp1254", 0x041F),
    "SQL_Latin1_General_CP1254_CI_AS": (130, "cp1254", 0x041F),
    "SQL_Latin1_General_CP1255_CS_AS": (137, "cp1255", 0x0409),
    "SQL_Latin1_General_CP1255_CI_AS": (138, "cp1255", 0x0409),
    "SQL_Latin1_General_CP1256_CS_AS": (145, "cp1256", 0x0409),
    "SQL_Latin1_General_CP1256_CI_AS": (146, "cp1256", 0x0409),
    "SQL_Latin1_General_CP1257_CS_AS": (153, "cp1257", 0x0409),
    "SQL_Latin1_General_CP1257_CI_AS": (154, "cp1257", 0x0409),
    "SQL_Estonian_CP1257_CS_AS": (155, "cp1257", 0x0425),
    "SQL_Estonian_CP1257_CI_AS": (156, "cp1257", 0x0425),
    "SQL_Latvian_CP1257_CS_AS": (157, "cp1257", 0x0426),
    "SQL_Latvian_CP1257_CI_AS": (158, "cp1257", 0x0426),
    "SQL_Lithuanian_CP1257_CS_AS": (159, "cp1257", 0x0427),
    "SQL_Lithuanian_CP1257_CI_AS": (160, "cp1257", 0x0427),
    "SQL_Danish_Pref_CP1_CI_AS": (183, "cp1252", 0x0406),
    "SQL_SwedishPhone_Pref_CP1_CI_AS": (184, "cp1252", 0x040B),
    "SQL_SwedishStd_Pref_CP1_CI_AS": (185, "cp1252", 0x040B),
    "SQL_Icelandic_Pref_CP1_CI_AS": (186, "cp1252", 0x040F),
}
_SQL_FOLDED: Final = {name.casefold(): name for name in _SQL}
_WINDOWS_FOLDED: Final = {name.casefold(): name for name in _WINDOWS}
_BY_SORT_ID: Final = {sort_id: name for name, (sort_id, _codec, _lcid) in _SQL.items()}
_BY_LCID: Final = {
    lcid: name
    for name, (lcid, _codec) in reversed(_WINDOWS.items())
    if name not in {"Japanese_XJIS", "Korean"}  # these exist from a later version on only
}
_WINDOWS_FLAGS: Final = frozenset({"ci", "cs", "ai", "as", "ks", "ws", "sc", "vss", "utf8"})


@lru_cache(maxsize=512)
def collation_named(name: str | None) -> Collation:
    """Return a collation by its name in any case; None is the server's default.

    Raises:
        SqlError: 448, no such collation.
    """
    folded = (name or DEFAULT_COLLATION).casefold()
    if sql := _SQL_FOLDED.get(folded):
        sort_id, codec, lcid = _SQL[sql]
        flags = _flags(set(folded.split("_")))
        return Collation(sql, struct.pack("<IB", lcid | flags, sort_id), codec)
    base, version, flags_part = _split_windows(folded)
    if base is None:
        raise SqlError(UNKNOWN_COLLATION, f"Invalid collation '{name}'.")
    lcid, codec = _WINDOWS[base]
    flags = _flags(flags_part)
    if flags & _UTF8:
        codec = "utf-8"
    wire = struct.pack("<IB", lcid | flags | version << _VERSION_SHIFT, 0)
    return Collation(name or DEFAULT_COLLATION, wire, codec)


@lru_cache(maxsize=512)
def collation_on_wire(wire: bytes) -> Collation:
    """Return the collation a client names by its five bytes, the default when it names none.

    A client echoes what the server sent, so the name found is one a server would print.
    """
    info, sort_id = struct.unpack("<IB", wire)
    if sort_id in _BY_SORT_ID:
        return collation_named(_BY_SORT_ID[sort_id])
    base = _BY_LCID.get(info & 0xFFFFF)
    if base is None:
        return collation_named(None)
    version = {v: f"_{k}" for k, v in _VERSIONS.items()}.get(info >> _VERSION_SHIFT, "")
    return collation_named(f"{base}{version}{_suffix(info)}")


def _split_windows(folded: str) -> tuple[str | None, int, set[str]]:
    """Split `latin1_general_100_ci_as_sc` into base, version and flags; base None if it is none."""
    parts = folded.split("_")
    for count in range(len(parts) - 1, 0, -1):
        base = _WINDOWS_FOLDED.get("_".join(parts[:count]))
        if base is None:
            continue
        rest = parts[count:]
        version = _VERSIONS.get(rest[0], 0)
        flags = set(rest[1:] if version else rest)
        binary = flags in ({"bin"}, {"bin2"}, {"bin2", "utf8"})
        worded = bool(flags & {"ci", "cs"} and flags & {"ai", "as"}) and flags <= _WINDOWS_FLAGS
        return (base if binary or worded else None), version, flags
    return None, 0, set()


def _flags(parts: set[str]) -> int:
    utf8 = _UTF8 if "utf8" in parts else 0
    if "bin2" in parts:
        return _BINARY2 | utf8
    if "bin" in parts:
        return _BINARY
    return (
        utf8
        | (_IGNORE_CASE if "ci" in parts else 0)
        | (_IGNORE_ACCENT if "ai" in parts else 0)
        | (0 if "ks" in parts else _IGNORE_KANA)
        | (0 if "ws" in parts else _IGNORE_WIDTH)
    )


def _suffix(info: int) -> str:
    utf8 = "_UTF8" if info & _UTF8 else ""
    if info & _BINARY2:
        return "_BIN2" + utf8
    if info & _BINARY:
        return "_BIN"
    return (
        ("_CI" if info & _IGNORE_CASE else "_CS")
        + ("_AI" if info & _IGNORE_ACCENT else "_AS")
        + ("" if info & _IGNORE_KANA else "_KS")
        + ("" if info & _IGNORE_WIDTH else "_WS")
        + ("_SC" if utf8 else "")
        + utf8
    )
