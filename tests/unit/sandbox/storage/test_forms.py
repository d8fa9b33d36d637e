"""Storage forms: what goes in comes out, and order is kept where the form promises it."""

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtaas.sandbox.sqlserver.storage import forms
from dtaas.sandbox.sqlserver.storage.variants import decode_variant, encode_variant
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, SqlType, Variant

UTF16 = st.text(st.characters(min_codepoint=0, max_codepoint=0x10F7FE))
GUIDS = st.binary(min_size=16, max_size=16)


@given(UTF16)
def test_escaped_text_is_storable_and_comes_back(text: str) -> None:
    escaped = forms.escape_text(text)
    assert "\x00" not in escaped
    escaped.encode("utf-8")  # raises for a lone surrogate
    assert forms.unescape_text(escaped) == text


def test_lone_surrogates_and_nul_are_escaped() -> None:
    assert forms.escape_text("a\x00\ud800\udfff") == "a\U0010f7ff\U0010f800\U0010ffff"


@pytest.mark.parametrize("character", ["\U0010f7ff", "\U0010ffff"])
def test_the_escapes_themselves_are_refused(character: str) -> None:
    with pytest.raises(ValueError, match="cannot be stored"):
        forms.escape_text(f"a{character}")


def sql_guid_key(wire: bytes) -> tuple[int, ...]:
    """The order of .NET's SqlGuid on the little-endian bytes."""
    return tuple(wire[i] for i in (10, 11, 12, 13, 14, 15, 8, 9, 6, 7, 4, 5, 0, 1, 2, 3))


@given(GUIDS, GUIDS)
def test_stored_guids_sort_as_sql_guids(one: bytes, other: bytes) -> None:
    stored = [forms.guid_to_storage(g) for g in (one, other)]
    assert (stored[0] < stored[1]) == (sql_guid_key(one) < sql_guid_key(other))
    assert [forms.guid_to_wire(s) for s in stored] == [one, other]


@given(st.integers(-(10**38) + 1, 10**38 - 1), st.integers(0, 38))
def test_decimal_text_is_exact(unscaled: int, scale: int) -> None:
    text = forms.decimal_text(unscaled, scale)
    assert int(text.replace(".", "")) == unscaled
    assert len(text.partition(".")[2]) == scale
    assert text.lstrip("-")[0].isdigit()


@pytest.mark.parametrize(
    ("type_", "wire", "bound"),
    [
        (SqlType("int"), 5, 5),
        (SqlType("decimal", precision=5, scale=2), -5, "-0.05"),
        (SqlType("money"), 12345, "1.2345"),
        (SqlType("date"), 0, date(1, 1, 1)),
        (SqlType("date"), 3652058, date(9999, 12, 31)),
        (SqlType("time", scale=3), 1, 10_000),
        (SqlType("smalldatetime"), 0, forms.TICKS_TO_1900),
        (SqlType("datetime2", scale=7), 7, 7),
        (SqlType("varchar", 5), "\x00", "\U0010f7ff"),
        (SqlType("varbinary", 5), b"\x00", b"\x00"),
        (SqlType("int"), None, None),
    ],
)
def test_bind(type_: SqlType, wire: object, bound: object) -> None:
    assert forms.bind(wire, type_) == bound


@pytest.mark.parametrize(
    "variant",
    [
        Variant(SqlType("int"), -7),
        Variant(SqlType("decimal", precision=10, scale=3), -1),
        Variant(SqlType("money"), 12345),
        Variant(SqlType("float", precision=53), 0.1),
        Variant(SqlType("nvarchar", 10, collation=DEFAULT_COLLATION), "a,\x1f\x00\ud800"),
        Variant(SqlType("varbinary", 4), b"\x00\xff"),
        Variant(SqlType("date"), 730000),
        Variant(SqlType("time", scale=2), 99),
        Variant(SqlType("datetime2", scale=3), 5 * 10**17),
        Variant(SqlType("smalldatetime"), 1441),
        Variant(SqlType("datetime"), -300),
        Variant(SqlType("uniqueidentifier"), UUID(int=2**100 + 7).bytes_le),
        Variant(SqlType("bit"), 1),
    ],
)
def test_variants_come_back(variant: Variant) -> None:
    assert decode_variant(encode_variant(variant)) == variant
