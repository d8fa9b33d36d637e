"""Every collation of the simulated server has the code page it names, or is left to ODBC."""

import pytest

from dtaas.sandbox.sqlserver.wire.collations import _SQL, _WINDOWS, collation_named
from dtaas.tds.code_pages import UTF8, codec_of, upper_half

SEVERAL_BYTES = {"gbk", "cp950", "cp932", "cp949"}
NAMES = [*_SQL, *(f"{base}_CI_AS" for base in _WINDOWS)]


def test_every_collation_gives_its_code_page() -> None:
    for name in NAMES:
        found = collation_named(name)
        expected = None if found.codec in SEVERAL_BYTES else found.codec
        assert codec_of(found.wire) == expected, name


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("SQL_Latin1_General_CP1_CI_AS", "cp1252"),
        ("Latin1_General_100_CI_AS_SC_UTF8", UTF8),
        ("Cyrillic_General_CI_AS", "cp1251"),
        ("Greek_CI_AS", "cp1253"),
        ("SQL_Latin1_General_CP850_CI_AS", "cp850"),
        ("Japanese_CI_AS", None),
        ("Chinese_PRC_CI_AS", None),
    ],
)
def test_code_page_of(name: str, codec: str | None) -> None:
    assert codec_of(collation_named(name).wire) == codec


def test_open_bytes_become_control_characters() -> None:
    units = upper_half("cp1252")
    assert units[0x80 - 0x80] == ord("€")
    assert units[0x81 - 0x80] == 0x81
