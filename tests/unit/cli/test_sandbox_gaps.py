import pytest
from click.testing import CliRunner

from dtaas.cli.sandbox import sandbox
from dtaas.sandbox.snowflake.gaps import SNOWFLAKE_GAPS


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["gaps"], ["SQL Server", "Snowflake"]),
        (["gaps", "snowflake"], ["Snowflake"]),
        (["gaps", "sqlserver"], ["SQL Server"]),
    ],
)
def test_gaps_are_listed_by_product(arguments: list[str], shown: list[str]) -> None:
    result = CliRunner().invoke(sandbox, arguments)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert [line for line in lines if not line.startswith("- ")] == shown
    assert (f"- {SNOWFLAKE_GAPS[0]}" in lines) is ("Snowflake" in shown)


def test_gaps_of_an_unknown_product_are_refused() -> None:
    result = CliRunner().invoke(sandbox, ["gaps", "oracle"])
    assert result.exit_code == 2
    assert "oracle" in result.output
