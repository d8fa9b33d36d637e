import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtaas.model.errors import TargetCollisionError, ValidationFailedError
from dtaas.model.load import TargetTable
from dtaas.model.name_templates import check_template, filled, snake
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.table_rules import (
    TableRules,
    overlap,
    refuse_clashes,
    with_columns,
)
from dtaas.model.types import Integer

ORDERS = TableRef("Sales", "OrderLines")


@pytest.mark.parametrize(
    ("include", "exclude", "takes"),
    [
        (("sales.*",), (), True),
        (("SALES.order*",), (), True),
        (("*.OrderLines",), (), True),
        (("*orderlines",), (), True),
        (("sales.order",), (), False),
        (("*.*",), ("*.order?ines",), False),
        (("*.*",), ("hr.*",), True),
        ((), (), False),
        (("sales.[a-n]*",), (), False),
    ],
)
def test_patterns(include: tuple[str, ...], exclude: tuple[str, ...], takes: bool):
    assert TableRules(include=include, exclude=exclude).takes(ORDERS) is takes


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{schema}/{table}", ("Sales", "OrderLines")),
        ("raw/{schema:lower}/{table:snake}", ("raw", "sales", "order_lines")),
        ("{task}-{table:upper}", ("a/b-ORDERLINES",)),
    ],
)
def test_templates_are_filled(template: str, path: tuple[str, ...]):
    check_template(template, "$")
    assert filled(template, ORDERS, "a/b") == path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("OrderLines", "order_lines"),
        ("HTTPServer", "http_server"),
        ("order_lines", "order_lines"),
        ("Order Lines-2", "order_lines_2"),
        ("ÜberFluß", "über_fluß"),
        ("***", "***"),
    ],
)
def test_snake(name: str, expected: str):
    assert snake(name) == expected


@pytest.mark.parametrize(
    "template",
    ["{", "{column}", "{table:title}", "{table!r}", "{0}", "{table.name}", "a//b", "/a", "a/../b"],
)
def test_templates_that_cannot_be_filled_are_refused(template: str):
    with pytest.raises(ValidationFailedError) as caught:
        check_template(template, "$.table_rules.target")
    assert caught.value.field == "$.table_rules.target"
    assert caught.value.hint


def place(*path: str) -> TargetTable:
    return TargetTable(path=path)


A, B, C = TableRef("dbo", "a"), TableRef("dbo", "b"), TableRef("dbo", "c")


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (place("a"), place("a"), "both go to"),
        (place("a", "b"), place("a", "B"), "upper and lower case"),
        (place("a"), place("a", "b"), "lies inside"),
        (place("x", "y", "z"), place("X"), "lies inside"),
    ],
)
def test_clashes_are_refused_whichever_comes_first(
    first: TargetTable, second: TargetTable, told: str
):
    for places in ({A: first, B: second}, {A: second, B: first}):
        with pytest.raises(TargetCollisionError, match=told) as caught:
            refuse_clashes(places)
        assert caught.value.field == "$.table_mappings"
        assert str(A) in caught.value.detail
        assert str(B) in caught.value.detail
    assert overlap([first], [second]) == second


@given(
    st.lists(st.lists(st.sampled_from("abAB"), min_size=1, max_size=3), min_size=1, max_size=5),
    st.lists(st.lists(st.sampled_from("abAB"), min_size=1, max_size=3), min_size=1, max_size=5),
)
def test_overlap_is_what_comparing_all_pairs_says(ours: list[list[str]], theirs: list[list[str]]):
    def touches(one: list[str], other: list[str]) -> bool:
        both = [[level.lower() for level in path] for path in sorted((one, other), key=len)]
        return both[1][: len(both[0])] == both[0]

    expected = any(touches(one, other) for one in ours for other in theirs)
    found = overlap([place(*p) for p in ours], [place(*p) for p in theirs])
    assert (found is not None) is expected


def test_neighbours_do_not_clash():
    refuse_clashes({A: place("a", "b"), B: place("a", "c"), C: place("ab")})
    assert overlap([place("a", "b")], [place("a", "c"), place("ab")]) is None


def table(*names: str, key: tuple[str, ...] = ()) -> TableSchema:
    columns = tuple(Column(name=n, type=Integer(bits=32), nullable=False) for n in names)
    return TableSchema(table=A, columns=columns, key=key)


def test_columns_are_taken_by_pattern():
    schema = table("Id", "Name", "Secret_1", "Secret_2", key=("Id",))
    assert with_columns(schema, (), ()) is schema
    fewer = with_columns(schema, (), ("secret_*",))
    assert [c.name for c in fewer.columns] == ["Id", "Name"]
    assert fewer.key == ("Id",)
    assert with_columns(schema, ("name",), ()).key == ()


@pytest.mark.parametrize(
    ("include", "exclude", "told"),
    [(("x*",), (), "no column"), ((), ("Nmae",), "no column"), ((), ("*",), "No column")],
)
def test_columns_that_are_not_there_are_told(
    include: tuple[str, ...], exclude: tuple[str, ...], told: str
):
    with pytest.raises(ValidationFailedError, match=told):
        with_columns(table("Id", "Name"), include, exclude)
