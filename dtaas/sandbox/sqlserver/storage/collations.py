"""SQL Server's collations on a PostgreSQL that knows only code point order.

A collation is a *sort key*: an immutable function from text to text whose code point order and
equality are those of the collation (trailing blanks, case, accents, width and kana folded as its
name says). The compiler compares, sorts, groups and joins by `sort_key(expr, type)`; unique
constraints and indexes on text columns are indexes on the same expression, so key range
predicates stay index scans. Texts of `*_BIN` and `*_BIN2` too need their key: it drops trailing
blanks.

Two orders exist. *Windows* order ignores hyphens and apostrophes at first ("word sort") and holds
for nchar kinds of every collation and for char kinds of Windows collations. *SQL* order weighs
them as other punctuation and holds for char kinds of `SQL_*` collations. The functions are in
`sql/1_collation.sql`.

Source: Microsoft Learn, "Collation and Unicode support", "Windows collation name", "SQL Server
collation name"; .NET CompareOptions.StringSort for word sort against string sort.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import Final

from msgspec import Struct

from dtaas.sandbox.sqlserver.storage.forms import UNICODE_TYPES
from dtaas.sandbox.sqlserver.types import SqlType

# Designator: (LCID, code page); Microsoft Learn, "Windows collation name".
_LOCALES: Final = {
    "albanian": (1052, 1250), "arabic": (1025, 1256), "chinese_prc": (2052, 936),
    "chinese_prc_stroke": (133124, 936), "chinese_taiwan_bopomofo": (197636, 950),
    "chinese_taiwan_stroke": (1028, 950), "croatian": (1050, 1250),
    "cyrillic_general": (1049, 1251), "czech": (1029, 1250), "danish_norwegian": (1030, 1252),
    "estonian": (1061, 1257), "finnish_swedish": (1035, 1252), "french": (1036, 1252),
    "german_phonebook": (66567, 1252), "greek": (1032, 1253), "hebrew": (1037, 1255),
    "hungarian": (1038, 1250), "hungarian_technical": (66574, 1250), "icelandic": (1039, 1252),
    "japanese": (1041, 932), "japanese_xjis": (1041, 932), "korean_wansung": (1042, 949),
    "latin1_general": (1033, 1252), "latvian": (1062, 1257), "lithuanian": (1063, 1257),
    "modern_spanish": (3082, 1252), "polish": (1045, 1250), "romanian": (1048, 1250),
    "serbian_cyrillic": (3098, 1251), "slovak": (1051, 1250), "slovenian": (1060, 1250),
    "thai": (1054, 874), "traditional_spanish": (1034, 1252), "turkish": (1055, 1254),
    "ukrainian": (1058, 1251), "vietnamese": (1066, 1258),
}  # fmt: skip
_UTF8: Final = 65001
_SQL_PAGES: Final = (1, 437, 850, 1250, 1251, 1253, 1254, 1255, 1256, 1257)
_SENSITIVITIES: Final = (("ci", "cs"), ("ai", "as"), ("", "_ks"), ("", "_ws"))
_WINDOWS: Final = re.compile(
    r"(?P<locale>[a-z0-9_]+?)(_(?P<version>90|100|140|160))?"
    r"(_(?P<bin>bin2?)|_(?P<case>c[is])_(?P<accent>a[is])(?P<kana>_ks)?(?P<width>_ws)?)"
    r"(_vss)?(_sc)?(?P<utf8>_utf8)?"
)
_SQL: Final = re.compile(
    r"sql_(?P<locale>[a-z0-9]+(_general)?)(_pref)?_cp(?P<page>\d+)"
    r"(_(?P<bin>bin2?)|_(?P<case>c[is])_(?P<accent>a[is]))(?P<utf8>_utf8)?"
)


class Collation(Struct, frozen=True, kw_only=True):
    """What the name of a collation says.

    Attributes:
        sql_order: true for `SQL_*` names.
        binary: `*_BIN` and `*_BIN2`.
        code_page: of its char kinds; 65001 for `*_UTF8`.
        version: 0 for names without a number, 1 for 90, 2 for 100, 3 for 140.
    """

    lcid: int
    code_page: int
    sql_order: bool = False
    binary: bool = False
    case_sensitive: bool = False
    accent_sensitive: bool = False
    kana_sensitive: bool = False
    width_sensitive: bool = False
    version: int = 0

    @property
    def comparison_style(self) -> int:
        """COLLATIONPROPERTY's ComparisonStyle: ignores case 1, accents 2, kana 2^16, width 2^17."""
        if self.binary:
            return 0
        return (
            (not self.case_sensitive)
            | (not self.accent_sensitive) << 1
            | (not self.kana_sensitive) << 16
            | (not self.width_sensitive) << 17
        )


@lru_cache(maxsize=1024)
def parse_collation(name: str) -> Collation | None:
    """Return what `name` says, None when SQL Server knows no such collation (error 448)."""
    text = name.lower()
    if found := _SQL.fullmatch(text):
        lcid = (
            1033
            if found["locale"].startswith("latin1")
            else _LOCALES.get(found["locale"], (1033,))[0]
        )
        page = 1252 if found["page"] == "1" else int(found["page"])
        # SQL_ collations compare char kinds by single-byte tables: no width or kana to ignore,
        # yet COLLATIONPROPERTY reports them as ignored (196609 for CI_AS).
        return Collation(
            lcid=lcid,
            code_page=_UTF8 if found["utf8"] else page,
            sql_order=True,
            binary=bool(found["bin"]),
            case_sensitive=found["case"] == "cs",
            accent_sensitive=found["accent"] == "as",
        )
    found = _WINDOWS.fullmatch(text)
    locale = _LOCALES.get(found["locale"]) if found else None
    if not found or not locale:
        return None
    return Collation(
        lcid=locale[0],
        code_page=_UTF8 if found["utf8"] else locale[1],
        binary=bool(found["bin"]),
        case_sensitive=found["case"] == "cs",
        accent_sensitive=found["accent"] == "as",
        kana_sensitive=bool(found["kana"]),
        width_sensitive=bool(found["width"]),
        version={None: 0, "90": 1, "100": 2, "140": 3, "160": 3}[found["version"]],
    )


def known_collations() -> Iterator[tuple[str, Collation]]:
    """Give all collations with their lower-case names."""
    sensitivities = [f"_{c}_{a}{k}{w}" for c, a, k, w in product(*_SENSITIVITIES)]
    names = [
        f"{locale}{version}{rest}{utf8}"
        for locale, version, rest in product(
            _LOCALES, ("", "_90", "_100", "_140"), ("_bin", "_bin2", *sensitivities)
        )
        for utf8 in (("", "_sc", "_sc_utf8", "_utf8") if version in {"_100", "_140"} else ("",))
    ]
    names += [
        f"sql_latin1_general_cp{page}{rest}"
        for page, rest in product(_SQL_PAGES, ("_ci_as", "_cs_as", "_ci_ai"))
    ]
    for name in names:
        if collation := parse_collation(name):
            yield name, collation


def storage_collation(name: str, *, unicode: bool) -> str:
    """Return the PostgreSQL function that gives sort keys of a collation.

    Args:
        unicode: true for nchar kinds, which always have Windows order.

    Raises:
        ValueError: there is no such collation; `parse_collation` tells beforehand.
    """
    collation = parse_collation(name)
    if collation is None:
        raise ValueError(f"no collation {name}")
    if collation.binary:
        return "coll.bin"
    case = "cs" if collation.case_sensitive else "ci"
    accent = "as" if collation.accent_sensitive else "ai"
    if collation.sql_order and not unicode:
        return f"coll.sql_{case}_{accent}"
    kana = "_ks" if collation.kana_sensitive else ""
    width = "_ws" if collation.width_sensitive else ""
    return f"coll.win_{case}_{accent}{kana}{width}"


def sort_key(expr: str, type_: SqlType) -> str:
    """Return SQL for the value to compare, sort, group and index `expr` by.

    Types other than the character ones are their own key.
    """
    if type_.collation is None:
        return expr
    function = storage_collation(type_.collation, unicode=type_.name in UNICODE_TYPES)
    return f"{function}({expr})"


def like_form(expr: str, type_: SqlType) -> str:
    """Return SQL for the text that LIKE, CHARINDEX and PATINDEX may read code point by code point.

    Case and accents are folded as the collation says; length and blanks are kept, one character
    stays one character.
    """
    collation = parse_collation(type_.collation) if type_.collation else None
    if collation is None or collation.binary:
        return expr
    if not collation.accent_sensitive:
        expr = f"coll.without_accents({expr})"
    return expr if collation.case_sensitive else f"coll.lowered({expr})"
