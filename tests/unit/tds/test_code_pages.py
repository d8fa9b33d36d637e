"""Every collation of the simulated server has the code page it names."""

import pytest

from dtaas.sandbox.sqlserver.wire.collations import _SQL, _WINDOWS, collation_named
from dtaas.tds.code_pages import DOUBLE_BYTES, UTF8, codec_of, double_byte, upper_half

NAMES = [*_SQL, *(f"{base}_CI_AS" for base in _WINDOWS)]


def test_every_collation_gives_its_code_page() -> None:
    for name in NAMES:
        found = collation_named(name)
        expected = {"gbk": "cp936"}.get(found.codec, found.codec)
        assert codec_of(found.wire) == expected, name


def test_a_collation_that_is_not_known_has_none() -> None:
    assert codec_of(bytes.fromhex("3904000000")) is None  # Hindi is Unicode only
    assert codec_of(bytes.fromhex("09040000ff")) is None


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("SQL_Latin1_General_CP1_CI_AS", "cp1252"),
        ("Latin1_General_100_CI_AS_SC_UTF8", UTF8),
        ("Cyrillic_General_CI_AS", "cp1251"),
        ("Greek_CI_AS", "cp1253"),
        ("SQL_Latin1_General_CP850_CI_AS", "cp850"),
        ("Japanese_CI_AS", "cp932"),
        ("Chinese_PRC_CI_AS", "cp936"),
        ("Chinese_Taiwan_Stroke_CI_AS", "cp950"),
        ("Korean_Wansung_CI_AS", "cp949"),
    ],
)
def test_code_page_of(name: str, codec: str) -> None:
    assert codec_of(collation_named(name).wire) == codec


def test_open_bytes_become_control_characters() -> None:
    units = upper_half("cp1252")
    assert units[0x80 - 0x80] == ord("€")
    assert units[0x81 - 0x80] == 0x81


NOT_AS_PYTHON = {
    "cp932": {b"\x80", b"\xa0", b"\xfd", b"\xfe", b"\xff"},
    "cp936": set(),
    "cp949": set(),
    # Hiragana and others, which Windows takes for characters of one's own
    "cp950": {bytes((a, b)) for a in (0xC6, 0xC7, 0xC8) for b in range(0x40, 0x100)},
}


@pytest.mark.parametrize("codec", sorted(DOUBLE_BYTES))
def test_what_python_knows_of_a_double_byte_code_page_is_known(codec: str) -> None:
    units = double_byte(codec)
    values = [bytes((a,)) for a in range(0x100)]
    values += [bytes((a, b)) for a in range(0x80, 0x100) for b in range(0x100)]
    known = 0
    for value in values:
        text = value.decode(codec, "ignore")
        if len(text) != 1 or value in NOT_AS_PYTHON[codec] or text.encode(codec) != value:
            continue  # nothing, two characters, or one spelled in another way first
        known += 1
        first = units[value[0]]
        if len(value) == 1:
            assert first == ord(text), value
        else:
            assert first == 0xFFFE, value
            assert units[256 + (value[0] - 0x80) * 256 + value[1]] == ord(text), value
    assert known > 8_000
