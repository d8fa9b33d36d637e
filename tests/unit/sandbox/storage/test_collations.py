"""Names of collations: what they say."""

import pytest

from dtaas.sandbox.sqlserver.storage.code_pages import encode_text
from dtaas.sandbox.sqlserver.storage.collations import (
    known_collations,
    like_form,
    parse_collation,
    sort_key,
    storage_collation,
)
from dtaas.sandbox.sqlserver.types import SqlType


@pytest.mark.parametrize(
    ("name", "code_page", "style", "version"),
    [
        ("SQL_Latin1_General_CP1_CI_AS", 1252, 196609, 0),
        ("sql_latin1_general_cp1251_cs_as", 1251, 196608, 0),
        ("Latin1_General_CI_AS", 1252, 196609, 0),
        ("Latin1_General_100_CI_AS_SC_UTF8", 65001, 196609, 2),
        ("Latin1_General_BIN2", 1252, 0, 0),
        ("Cyrillic_General_CI_AS", 1251, 196609, 0),
        ("Japanese_XJIS_140_CS_AS_KS_WS", 932, 0, 3),
        ("Latin1_General_100_CI_AI", 1252, 196611, 2),
    ],
)
def test_parse(name: str, code_page: int, style: int, version: int) -> None:
    collation = parse_collation(name)
    assert collation is not None
    assert (collation.code_page, collation.comparison_style, collation.version) == (
        code_page,
        style,
        version,
    )


@pytest.mark.parametrize("name", ["", "Latin1_General", "Nowhere_CI_AS", "Latin1_General_CI", "x"])
def test_unknown(name: str) -> None:
    assert parse_collation(name) is None
    with pytest.raises(ValueError, match="no collation"):
        storage_collation(name, unicode=True)


def test_nchar_kinds_always_have_windows_order() -> None:
    assert storage_collation("SQL_Latin1_General_CP1_CI_AS", unicode=False) == "coll.sql_ci_as"
    assert storage_collation("SQL_Latin1_General_CP1_CI_AS", unicode=True) == "coll.win_ci_as"
    assert storage_collation("Japanese_CS_AS_KS_WS", unicode=False) == "coll.win_cs_as_ks_ws"
    assert storage_collation("Latin1_General_BIN", unicode=False) == "coll.bin"


def test_keys_and_like_forms() -> None:
    text = SqlType("varchar", 5, collation="Latin1_General_CI_AI")
    assert sort_key("c1", text) == "coll.win_ci_ai(c1)"
    assert like_form("c1", text) == "coll.lowered(coll.without_accents(c1))"
    assert like_form("c1", SqlType("varchar", 5, collation="Latin1_General_CS_AS")) == "c1"
    assert sort_key("c1", SqlType("int")) == "c1"


def test_every_known_collation_has_a_key_function() -> None:
    names = [name for name, _ in known_collations()]
    assert len(names) == len(set(names)) > 1000
    for name in names:
        assert storage_collation(name, unicode=False).startswith("coll.")


def test_code_pages() -> None:
    assert encode_text("é", "SQL_Latin1_General_CP1_CI_AS") == b"\xe9"
    assert encode_text("Ж", "Cyrillic_General_CI_AS") == b"\xc6"
    assert encode_text("é", "Latin1_General_100_CI_AS_SC_UTF8") == "é".encode()
    with pytest.raises(ValueError, match="codec can't encode"):
        encode_text("Ж", "Latin1_General_CI_AS")
