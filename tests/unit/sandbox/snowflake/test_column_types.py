import pytest

from dtaas.sandbox.snowflake.engine.column_types import Declared, of_duck, read_declared, read_type
from dtaas.sandbox.snowflake.engine.errors import StatementError


@pytest.mark.parametrize(
    ("text", "shown", "duck"),
    [
        ("int", "NUMBER(38,0)", "DECIMAL(38,0)"),
        ("NUMBER", "NUMBER(38,0)", "DECIMAL(38,0)"),
        ("decimal( 10 , 2 )", "NUMBER(10,2)", "DECIMAL(10,2)"),
        ("double   precision", "FLOAT", "DOUBLE"),
        ("char", "VARCHAR(1)", "VARCHAR"),
        ("string", "VARCHAR(16777216)", "VARCHAR"),
        ("timestamp without time zone", "TIMESTAMP_NTZ(9)", "TIMESTAMP"),
        ("TIMESTAMP_LTZ(3)", "TIMESTAMP_LTZ(3)", "TIMESTAMPTZ"),
        ("varbinary(7)", "BINARY(7)", "BLOB"),
        ("OBJECT", "OBJECT", "JSON"),
    ],
)
def test_types_as_written(text: str, shown: str, duck: str) -> None:
    found = read_type(text)
    assert (found.sql, found.duck) == (shown, duck)


@pytest.mark.parametrize(
    "text",
    ["NUMBER(39,0)", "NUMBER(5,6)", "VARCHAR(0)", "TIME(10)", "GEOGRAPHY", "BINARY(999999999)"],
)
def test_what_is_no_type_is_refused(text: str) -> None:
    with pytest.raises(StatementError):
        read_type(text)


@pytest.mark.parametrize(
    ("old", "new", "may"),
    [
        ("VARCHAR(5)", "VARCHAR(6)", True),
        ("VARCHAR(5)", "VARCHAR(4)", False),
        ("NUMBER(5,2)", "NUMBER(9,2)", True),
        ("NUMBER(5,2)", "NUMBER(9,3)", False),
        ("NUMBER(9,2)", "NUMBER(5,2)", False),
        ("BINARY(5)", "BINARY(6)", True),
        ("VARCHAR", "VARIANT", False),
        ("DATE", "DATE", True),
        ("TIME(3)", "TIME(7)", False),
    ],
)
def test_which_changes_of_type_snowflake_allows(old: str, new: str, may: bool) -> None:
    assert read_type(new).widens(read_type(old)) is may


@pytest.mark.parametrize(
    ("duck", "shown"),
    [
        ("HUGEINT", "NUMBER(38,0)"),
        ("INTEGER", "NUMBER(38,0)"),
        ("DECIMAL(12,3)", "NUMBER(12,3)"),
        ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP_TZ(9)"),
        ("UUID", "VARCHAR(16777216)"),
    ],
)
def test_types_duckdb_derived(duck: str, shown: str) -> None:
    assert of_duck(duck).sql == shown


def test_what_is_declared_survives_in_a_comment() -> None:
    declared = Declared(type="TIME(7)", comment='it\'s "said"')
    assert read_declared(declared.written()) == declared
    assert read_declared(None) == Declared()
