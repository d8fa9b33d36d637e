"""Different names never give the same path, and no path leaves its folder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtaas.connectors.lake.names import PrefixTemplate, safe_segment
from dtaas.model.errors import ValidationFailedError
from dtaas.model.schema import TableRef

NAMES = st.text(min_size=1, max_size=128)
PIECES = st.sampled_from(["{schema}", "{table}", "{database}", "_", "-", ".", "x", "/", "raw/"])


@given(NAMES, NAMES)
def test_segments_are_equal_only_for_equal_names(a: str, b: str) -> None:
    assert (safe_segment(a) == safe_segment(b)) == (a == b)


@given(NAMES)
def test_segments_are_safe(name: str) -> None:
    segment = safe_segment(name)
    assert 0 < len(segment.encode()) <= 150
    assert not segment.startswith(".")
    assert not set(segment) & set("/\\\0 \n'\"{}[]%:*?<>|&$#~`^")


@given(
    st.lists(PIECES, max_size=6).map("".join),
    *[st.builds(TableRef, st.text("ab._-/é", max_size=4), st.text("ab._-/é", max_size=4))] * 2,
)
def test_any_template_keeps_tables_apart(template: str, a: TableRef, b: TableRef) -> None:
    prefix = PrefixTemplate(template, database="d", task="t")
    assert (prefix.render(a) == prefix.render(b)) == (a == b), template


def test_long_names_stay_apart() -> None:
    segments = {safe_segment("😀" * 60 + str(n)) for n in range(100)}
    assert len(segments) == 100


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{schema}/{table}", ("dbo", "Orders")),
        ("raw/{database}/{schema}.{table}", ("raw", "Shop", "dbo.Orders")),
        ("lake/{task}", ("lake", "nightly!20load", "Orders")),
        ("/a//{table}/", ("a", "Orders")),
        ("", ("Orders",)),
    ],
)
def test_templates_read_as_expected(template: str, path: tuple[str, ...]) -> None:
    prefix = PrefixTemplate(template, database="Shop", task="nightly load")
    assert prefix.render(TableRef("dbo", "Orders")) == path


def test_another_schema_shows_when_the_template_leaves_it_out() -> None:
    prefix = PrefixTemplate("{table}", database="d", task="t")
    assert prefix.render(TableRef("sales", "Orders")) == ("sales.Orders",)


@pytest.mark.parametrize("template", ["{tabel}", "{table", "}", "{0}", "{}", "{table!r}"])
def test_a_wrong_template_is_refused(template: str) -> None:
    with pytest.raises(ValidationFailedError):
        PrefixTemplate(template, database="d", task="t")
