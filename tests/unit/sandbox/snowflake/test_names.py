import pytest

from dtaas.sandbox.snowflake.engine.errors import StatementError
from dtaas.sandbox.snowflake.engine.names import Name, parts, quoted, resolve
from dtaas.sandbox.snowflake.engine.stages import read_reference


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("t", ["T"]),
        ('"t"', ["t"]),
        ("db.s.t$1", ["DB", "S", "T$1"]),
        ('"a.b"."c ""d"""', ["a.b", 'c "d"']),
    ],
)
def test_identifiers(text: str, found: list[str]) -> None:
    assert parts(text) == found


@pytest.mark.parametrize("text", ["", "a b", "1a", "a.b.c.d", '"open', "a..b"])
def test_what_is_no_identifier_is_refused(text: str) -> None:
    with pytest.raises(StatementError, match="invalid identifier"):
        parts(text)


def test_defaults_of_the_session_complete_a_name() -> None:
    assert resolve("t", "D", "S") == Name("D", "S", "T")
    assert resolve("x.t", "D", "S") == Name("D", "X", "T")
    with pytest.raises(StatementError) as no_database:
        resolve("t", None, None)
    with pytest.raises(StatementError) as no_schema:
        resolve("t", "D", None)
    assert (no_database.value.code, no_schema.value.code) == (90105, 90106)


def test_a_quoted_name_reads_back() -> None:
    assert parts(quoted('odd "name".x')) == ['odd "name".x']


@pytest.mark.parametrize(
    ("text", "name", "label", "path"),
    [
        ("@st", ("D", "S", "ST"), "st/", ""),
        ("@st/", ("D", "S", "ST"), "st/", ""),
        ("@x.st/a/b.parquet", ("D", "X", "ST"), "st/", "a/b.parquet"),
        ("'@\"my stage\"/it''s here'", ("D", "S", "my stage"), "my stage/", "it's here"),
        ("@%t/p", ("D", "S", "T"), "", "p"),
        ('@s.%"t"', ("D", "S", "t"), "", ""),
        ("@~/p", None, "", "p"),
    ],
)
def test_stage_references(
    text: str, name: tuple[str, str, str] | None, label: str, path: str
) -> None:
    found = read_reference(text, "D", "S")
    assert (found.name, found.label, found.path) == (name, label, path)
    assert found.of_table == ("%" in text)


@pytest.mark.parametrize("text", ["st", "@", "@a.b.c.d", "@~st", "@1"])
def test_what_is_no_stage_is_refused(text: str) -> None:
    with pytest.raises(StatementError, match="invalid stage reference"):
        read_reference(text, "D", "S")
