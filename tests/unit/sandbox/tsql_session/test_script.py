"""Scripts and their GO lines."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtaas.sandbox.sqlserver.tsql.script import decode_script, split_script


def test_splits_at_go_lines() -> None:
    assert split_script("SELECT 1\nGO\nSELECT 2\n  go  \nSELECT 3") == [
        "SELECT 1",
        "SELECT 2",
        "SELECT 3",
    ]


def test_repeats_a_batch_with_a_count() -> None:
    assert split_script("INSERT t DEFAULT VALUES\nGO 3\nSELECT 1\nGO -- the end") == [
        "INSERT t DEFAULT VALUES",
        "INSERT t DEFAULT VALUES",
        "INSERT t DEFAULT VALUES",
        "SELECT 1",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "/* one\nGO\ntwo */ SELECT 1",
        "/* outer /* inner */\nGO\n*/ SELECT 1",
        "SELECT 'one\nGO\ntwo'",
        "SELECT 'it''s\nGO\n'",
        'SELECT 1 AS "one\nGO\ntwo"',
        "SELECT 1 AS [one\nGO\ntwo]",
        "SELECT go\nFROM t",
        "GOTO finish\nGOES",
    ],
)
def test_leaves_go_inside_texts_and_comments(text: str) -> None:
    assert split_script(text) == [text]


@pytest.mark.parametrize("text", ["-- don't\nGO\nSELECT 1", "SELECT 1 -- [\nGO\nSELECT 2"])
def test_comments_to_the_end_of_line_open_nothing(text: str) -> None:
    assert len(split_script(text)) == 2


def test_drops_empty_batches_and_carriage_returns() -> None:
    assert split_script("\r\nGO\r\n\r\nGO\r\nSELECT 1\r\nGO\r\n") == ["SELECT 1\r"]


@pytest.mark.parametrize(
    "data",
    [
        "SELECT 'ä'".encode(),
        codecs.BOM_UTF8 + "SELECT 'ä'".encode(),
        codecs.BOM_UTF16_LE + "SELECT 'ä'".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "SELECT 'ä'".encode("utf-16-be"),
    ],
)
def test_decodes_what_the_mark_says(data: bytes) -> None:
    assert decode_script(data) == "SELECT 'ä'"


@given(st.lists(st.text("SELECT 1+;\n", min_size=1).filter(str.strip), min_size=1, max_size=5))
def test_joining_and_splitting_gives_the_batches_back(batches: list[str]) -> None:
    assert split_script("\nGO\n".join(batches)) == batches
