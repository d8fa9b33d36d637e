"""Identifiers: exact, or refused."""

import pytest

from dtaas.connectors.snowflake.names import column_names, path, quoted, text
from dtaas.model.connectors import SnowflakeNames
from dtaas.model.errors import TargetCollisionError, UnsupportedTypeError


def test_names_mean_exactly_themselves() -> None:
    assert quoted('say "hi"') == '"say ""hi"""'
    assert path("DB", "select", "ä b") == '"DB"."select"."ä b"'
    assert quoted("x" * 255) == '"' + "x" * 255 + '"'
    assert text("it's a \\ 'x'") == "'it''s a \\\\ ''x'''"


@pytest.mark.parametrize("name", ["", "x" * 256, "nul\0"])
def test_what_is_no_identifier_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedTypeError, match="identifier"):
        quoted(name)


def test_columns_are_upper_case_or_as_they_are() -> None:
    assert column_names(["id", "Name"], SnowflakeNames.UPPER, where="t") == {
        "id": "ID",
        "Name": "NAME",
    }
    assert column_names(["id", "ID"], SnowflakeNames.PRESERVE, where="t") == {
        "id": "id",
        "ID": "ID",
    }


def test_columns_that_would_have_one_name_are_refused_with_both_named() -> None:
    with pytest.raises(TargetCollisionError, match="'id' and 'ID' of dbo\\.t"):
        column_names(["id", "ID"], SnowflakeNames.UPPER, where="dbo.t")
