import duckdb
import pytest
from sqlglot import exp

from dtaas.sandbox.snowflake.engine.errors import StatementError
from dtaas.sandbox.snowflake.engine.formats import MACROS, formatted, from_python


@pytest.mark.parametrize(
    ("value", "form", "written"),
    [
        (
            "TIMESTAMP '2024-01-02 03:04:05.5'",
            "YYYY-MM-DD HH24:MI:SS.FF3",
            "2024-01-02 03:04:05.500",
        ),
        ("TIMESTAMP '9999-12-31 23:59:59'", 'DD"of"MM YYYY', "31of12 9999"),
        ("DATE '2024-01-02'", "YYYY/MM/DD HH24:MI", "2024/01/02 00:00"),
        ("TIME_NS '01:02:03.000000007'", "HH24MISS.FF", "010203.000000007"),
        ("TIMESTAMPTZ '2024-01-02 03:04:05+01'", "HH24 TZH:TZM", "02 +00:00"),
        ("NULL::TIMESTAMP", "YYYY-FF7", None),
        ("'\\xAB'::BLOB", "HEX", "AB"),
    ],
)
def test_values_are_written_in_the_format(value: str, form: str, written: str | None) -> None:
    duck = duckdb.connect()
    duck.execute("SET TimeZone = 'UTC'")
    duck.execute(MACROS)
    sql = formatted(exp.column("x"), form).sql(dialect="duckdb")
    assert duck.execute(f"SELECT {sql} FROM (SELECT {value} AS x)").fetchone() == (written,)


@pytest.mark.parametrize("form", ["999.00", "MON DD", "$", ""])
def test_unknown_formats_are_refused(form: str) -> None:
    with pytest.raises(StatementError, match="format"):
        formatted(exp.column("x"), form)


def test_a_format_sqlglot_rewrote_is_written_back() -> None:
    assert from_python("%Y-%m-%dT%H:%M:%S.%f_seven %:z") == (
        'YYYY"-"MM"-"DD"T"HH24":"MI":"SS"."FF7" "TZH:TZM'
    )
    with pytest.raises(StatementError):
        from_python("%Y %b")
