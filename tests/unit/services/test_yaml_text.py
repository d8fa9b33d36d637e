from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtaas.services.taskfiles.yaml_text import YamlError, read_yaml, write_yaml

TRICKY = [
    "on", "no", "Yes", "null", "~", "", " ", "1e5", "0o17", "0x1f", "1:30", "1_000", ".inf", "+.5",
    "=", "<<", "2020-01-01", "- a", "a: b", "# x", "\u2028", "\x85", "\ufeff", "\t", "a\n b\n",
    "!x", "&a", "*b", "%x", "@", "'", '"', "\x7f", "🦆", "?", "|", ">", "..", "${env:X}", "---",
]  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(-(2.0**62), 2.0**62),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.sampled_from(TRICKY),
)
NAMES = st.one_of(
    st.sampled_from(TRICKY),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4), min_size=1, max_size=3))
def test_what_is_written_is_read_and_written_again_the_same(documents: list[dict[str, Any]]):
    text = write_yaml(documents)
    found = [document.data for document in read_yaml(text)]
    assert found == documents
    assert write_yaml(found) == text


def test_plain_words_are_texts_as_in_yaml_1_2():
    [document] = read_yaml("on: any\nno: 08:30\nat: 2020-01-31\nsix: 0o6\nyes: [True, ~, 1e3]")
    assert document.data == {
        "on": "any",
        "no": "08:30",
        "at": "2020-01-31",
        "six": 6,
        "yes": [True, None, 1000.0],
    }


def test_every_value_has_its_line():
    first, second = read_yaml("a: 1\nb:\n- x\n- {c: 2,\n   d: 3}\n---\n---\n# note\nz: 1\n")
    assert first.lines["$.b[1].d"] == 5
    assert first.line_of("$.b[1].missing.too") == 4
    assert first.line_of(None) == 1
    assert second.line_of("$.z") == 9


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("a: [1,\n 2", 2, "expected"),
        ("a: 1\nb: &x 1", 2, "Anchors"),
        ("a: 1\nb: *x", 2, "Anchors"),
        ("a: 1\na: 2", 2, "twice"),
        ("a: !!python/object/apply:os.system [ls]", 1, "tag"),
        ("a: !x 1", 1, "tag"),
        ("? [1]\n: 2", 1, "name"),
        ("[" * 100_000, 1, "nested"),
        ("x: " + "9" * 100, 1, "too large"),
        ("x: " + "9" * 25, 1, "too large"),
        ("x: .nan", 1, "too large"),
        ("x: -.inf", 1, "too large"),
        ('a: 1\nx: "\\0"', 2, "character"),
        ("x: \x01", 1, "not YAML"),
        ("%YAML 9.9\n---\na: 1", 1, "not YAML"),
    ],
)  # fmt: skip
def test_what_is_not_taken_is_told_with_its_line(text: str, line: int, told: str):
    with pytest.raises(YamlError, match=told) as caught:
        read_yaml(text)
    assert caught.value.line == line
    assert caught.value.code == "malformed_yaml"


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("a:-[]{}&*!|>'\"#%@`,? \n\t~0.\\xu\0"), max_size=40))
def test_any_text_is_read_or_refused(text: str):
    lines = text.count("\n") + 1
    try:
        found = [line for document in read_yaml(text) for line in document.lines.values()]
    except YamlError as error:
        found = [error.line]
    assert all(1 <= line <= lines for line in found)
