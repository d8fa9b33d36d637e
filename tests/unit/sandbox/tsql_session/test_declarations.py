"""Declared types, parameters and the arguments that go to them."""

from collections.abc import Sequence

import pytest

from dtaas.sandbox.sqlserver.catalog import TableDef
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql.arguments import Bound, match_arguments
from dtaas.sandbox.sqlserver.tsql.declarations import (
    parse_declarations,
    resolve_type,
    resolve_variables,
    type_text,
)
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, MAX, SqlType


class Names:
    """A catalog with one alias type."""

    database = "names"
    collation = DEFAULT_COLLATION

    def table(self, schema: str | None, name: str) -> TableDef | None:
        del schema, name
        return None

    def user_type(self, schema: str | None, name: str) -> SqlType | None:
        return SqlType("char", 3) if (schema or "dbo", name.lower()) == ("dbo", "code") else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int", SqlType("int")),
        ("DECIMAL(10, 2)", SqlType("decimal", precision=10, scale=2)),
        ("nvarchar(max)", SqlType("nvarchar", MAX, collation=DEFAULT_COLLATION)),
        ("varchar", SqlType("varchar", 1, collation=DEFAULT_COLLATION)),
        ("datetime2", SqlType("datetime2", scale=7)),
        ("dbo.code", SqlType("char", 3)),
        ("[sys].[bigint]", SqlType("bigint")),
    ],
)
def test_types(text: str, expected: SqlType) -> None:
    assert resolve_type(text, Names()) == expected


@pytest.mark.parametrize(
    "text", ["int", "decimal(5, 2)", "nvarchar(max)", "varbinary(10)", "time(3)", "float(53)"]
)
def test_type_text_reads_back(text: str) -> None:
    assert type_text(resolve_type(text, Names())) == text


def test_text_is_no_type_for_variables() -> None:
    with pytest.raises(SqlError) as caught:
        resolve_variables({"@a": "ntext"}, Names())
    assert caught.value.number == 2739


def test_declarations_with_defaults_and_outputs() -> None:
    first, second = parse_declarations("@A int OUTPUT, @b nvarchar(5) = N'x'", Names())
    assert (first.name, first.output, first.default) == ("@a", True, None)
    assert (second.type.length, second.output, second.default) == (5, False, "N'x'")
    assert parse_declarations("", Names()) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("@a", 102),
        ("a int", 102),
        ("@a int @b int", 102),
        ("@a nope", 2715),
        ("@a int, @A int", 134),
    ],
)
def test_wrong_declarations(text: str, number: int) -> None:
    with pytest.raises(SqlError) as caught:
        parse_declarations(text, Names())
    assert caught.value.number == number


def bound(*names: str) -> Sequence[Bound]:
    return [Bound(name=name, type=SqlType("int"), value=i) for i, name in enumerate(names)]


def test_arguments_by_position_and_by_name() -> None:
    declared = parse_declarations("@a int, @b int, @c int", Names())
    matched = match_arguments(declared, bound("", "@c", "@b"), "p")
    assert {name: each.value for name, each in matched.items()} == {"@a": 0, "@c": 1, "@b": 2}


@pytest.mark.parametrize(
    ("names", "number"), [(("", ""), 8144), (("@z",), 8145), (("@a", ""), 119)]
)
def test_arguments_that_do_not_match(names: tuple[str, ...], number: int) -> None:
    declared = parse_declarations("@a int", Names())
    with pytest.raises(SqlError) as caught:
        match_arguments(declared, bound(*names), "p")
    assert caught.value.number == number
