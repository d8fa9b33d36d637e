import pytest

from dtaas.sandbox.snowflake.engine.errors import StatementError
from dtaas.sandbox.snowflake.engine.options import read_options, split, text_list, truth


def test_every_form_of_value() -> None:
    text = "A = TRUE, b='it''s = fine' C=(X = (1), Y = 'a)b')\n D = word-1"
    assert read_options(text) == {
        "A": "TRUE",
        "B": "it's = fine",
        "C": "X = (1), Y = 'a)b'",
        "D": "word-1",
    }


@pytest.mark.parametrize("text", ["A", "A =", "A = (", "A = 'x", "= 1", "A = 1 nonsense"])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(StatementError, match="syntax error"):
        read_options(text)


def test_lists_are_split_outside_of_brackets_and_quotes() -> None:
    assert split("a NUMBER(1,2), \"b,c\" VARCHAR, d DEFAULT 'x,y'") == [
        "a NUMBER(1,2)",
        '"b,c" VARCHAR',
        "d DEFAULT 'x,y'",
    ]
    assert split("") == []


def test_texts_of_a_list() -> None:
    assert text_list("'a.parquet', 'it''s', ''") == ["a.parquet", "it's", ""]


def test_truth() -> None:
    assert truth({"A": "true"}, "A")
    assert not truth({"A": "FALSE"}, "A", default=True)
    assert truth({}, "A", default=True)
    with pytest.raises(StatementError, match="invalid value"):
        truth({"A": "yes"}, "A")
