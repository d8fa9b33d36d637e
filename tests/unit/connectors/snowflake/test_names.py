"""Identifiers: exact, or refused."""

import pytest

from dtaas.connectors.snowflake.layout import Places, key_of
from dtaas.connectors.snowflake.names import column_names, derived, path, quoted, text
from dtaas.model.connectors import SnowflakeConfig, SnowflakeNames
from dtaas.model.errors import (
    TargetCollisionError,
    UnsupportedTypeError,
    ValidationFailedError,
)
from dtaas.model.ids import LoadId
from dtaas.model.load import TargetTable
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.types import Integer


def places(identifiers: SnowflakeNames = SnowflakeNames.UPPER, schema: str = "{schema}") -> Places:
    config = SnowflakeConfig(
        account="a", user="u", database="D", schema=schema, identifiers=identifiers
    )
    return Places(config, task_name="task", database="db")


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


def test_a_column_that_is_too_long_is_refused_with_its_table() -> None:
    with pytest.raises(UnsupportedTypeError, match=r"Column 'xxx.* of dbo\.t .* 256 characters"):
        column_names(["x" * 256], SnowflakeNames.UPPER, where="dbo.t")


def test_upper_case_may_be_longer_than_what_it_is_made_of() -> None:
    assert column_names(["ß" * 128], SnowflakeNames.PRESERVE, where="t")
    with pytest.raises(UnsupportedTypeError, match="256 characters"):
        column_names(["ß" * 128], SnowflakeNames.UPPER, where="t")


def test_derived_names_stay_short_and_different() -> None:
    assert derived("orders", "__DTAAS_X") == "orders__DTAAS_X"
    longest = [derived("T" * 254 + last, "__DTAAS_X") for last in "ab"]
    assert [len(name) for name in longest] == [255, 255]
    assert all(name.endswith("__DTAAS_X") for name in longest)
    assert longest[0] != longest[1]
    whole = derived("T" * 246, "__DTAAS_X")
    assert whole == "T" * 246 + "__DTAAS_X"


def test_tables_of_two_loads_are_never_one() -> None:
    target = TargetTable(path=("S", "T" * 255))
    loads = {places().load(target, LoadId(f"{i:032x}")) for i in range(20)}
    assert len(loads) == 20


def test_what_our_records_call_a_target_is_its_own() -> None:
    paths = [("a/b", "c"), ("a", "b/c"), ("a\\", "b"), ("a", "\\b"), ("a\\/b", "c")]
    keys = {key_of(TargetTable(path=path)) for path in paths}
    assert len(keys) == len(paths)
    assert key_of(TargetTable(path=("DBO", "T"))) == "'DBO/T'"


@pytest.mark.parametrize("mapped", [("s", "x" * 256), ("", "x"), ("s", "nul\0")])
def test_a_target_that_is_no_identifier_is_refused_before_anything_runs(
    mapped: tuple[str, str],
) -> None:
    with pytest.raises(ValidationFailedError, match=r"dbo\.t cannot go to") as caught:
        places().target_of(TableRef("dbo", "t"), mapped)
    assert caught.value.field == "$.table_mappings"


def test_a_template_that_makes_no_identifier_is_refused() -> None:
    with pytest.raises(ValidationFailedError, match="characters"):
        places(schema="{schema}" * 3).target_of(TableRef("s" * 100, "t"), None)


@pytest.mark.parametrize("name", ["_DTAAS_DELETED", "__DTAAS_OP", "__dtaas_keep_0"])
def test_columns_with_names_of_ours_are_refused(name: str) -> None:
    columns = (Column(name=name, type=Integer(32), nullable=True),)
    with pytest.raises(TargetCollisionError, match="uses itself"):
        places().columns(TableSchema(table=TableRef("dbo", "t"), columns=columns))
