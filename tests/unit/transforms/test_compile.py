"""Compiling: the output is known before a row is read, and every mistake is told at once."""

import msgspec
import pytest

from dtaas.model.errors import TransformationsInvalidError
from dtaas.model.schema import TableRef
from dtaas.model.table_steps import steps_of
from dtaas.model.transformations import (
    AddColumn,
    ApplyFunction,
    CastType,
    ConcatenateColumns,
    DropColumn,
    FilterRows,
    Match,
    OnError,
    RenameColumn,
    ReplaceValue,
    SplitBy,
    SplitColumn,
    TransformationRule,
)
from dtaas.model.type_text import type_text
from dtaas.transforms.compile import compile_steps, require_program
from tests.unit.transforms.orders import ORDERS, compiled, placed, ran, table


def shape(*steps, **how):
    found = compiled(*steps, **how)
    assert found.problems == ()
    return {c.name: type_text(c.type) + ("" if c.nullable else "!") for c in found.output.columns}


SMALL = table("id integer!", "a string(5)", "b integer", "c string", key=("id",))


def test_the_output_schema_follows_from_the_steps():
    assert shape(
        RenameColumn(column="a", to="z"),
        AddColumn(column="n", value=7),
        AddColumn(column="total", expression="b * 2", data_type="decimal(20,2)"),
        CastType(column="b", data_type="bigint", on_error=OnError.NULL),
        SplitColumn(column="c", into=("c1", "c2"), drop_source=True),
        ConcatenateColumns(columns=("z", "c1"), to="both", separator="-"),
        ApplyFunction(column="z", function="sha256", to="hash"),
        ReplaceValue(column="z", match=Match.NULL, replacement="nothing at all"),
        DropColumn(columns=("c2",)),
        FilterRows(condition="b > 0"),
        schema=SMALL,
    ) == {
        "id": "integer!",
        "z": "string(14)!",
        "b": "bigint",
        "n": "integer!",
        "total": "decimal(20,2)",
        "c1": "string",
        "both": "string!",
        "hash": "string(64)",
    }


def test_all_mistakes_are_told_at_once_and_none_twice():
    found = compiled(
        DropColumn(columns=("nix",)),
        AddColumn(column="name", value=1),
        AddColumn(column="new", expression="qty + nix"),
        CastType(column="new", data_type="bigint"),  # follows from the mistake before
        CastType(column="raw", data_type="integer"),
        ApplyFunction(column="qty", function="upper", to="u"),
        ApplyFunction(column="name", function="nosuch", to="v"),
        ApplyFunction(column="name", function="left", arguments={"count": -1, "x": 1}, to="w"),
        SplitColumn(column="name", into=("p", "q"), by=SplitBy.REGEX, pattern="(a)(b)(c)"),
        ReplaceValue(column="price", find="abc", replacement=0),
        FilterRows(condition="qty"),
        RenameColumn(column="qty", to="NAME"),
    )
    assert found.program is None
    assert [(p.code, p.field.removeprefix("$.transformations[0].")) for p in found.problems] == [
        ("unknown_column", "steps[0].columns[0]"),
        ("duplicate_column", "steps[1].column"),
        ("unknown_column", "steps[2].expression"),
        ("type_mismatch", "steps[4].data_type"),
        ("type_mismatch", "steps[5].column"),
        ("unknown_function", "steps[6].function"),
        ("bad_argument", "steps[7].arguments.x"),
        ("bad_argument", "steps[8].pattern"),
        ("type_mismatch", "steps[9].find"),
        ("type_mismatch", "steps[10].condition"),
        ("duplicate_column", "steps[11].to"),
    ]
    assert all(p.detail and p.hint for p in found.problems if p.code != "bad_argument")
    with pytest.raises(TransformationsInvalidError) as caught:
        require_program(found)
    assert caught.value.field == "$.transformations[0].steps[0].columns[0]"
    assert "10 more" in caught.value.detail


@pytest.mark.parametrize(
    "step",
    [
        DropColumn(columns=("id",)),
        CastType(column="id", data_type="double"),
        CastType(column="id", data_type="smallint", on_error=OnError.NULL),
        ReplaceValue(column="id", find=1, replacement=2),
        ApplyFunction(column="id", function="abs"),
        ConcatenateColumns(columns=("id", "name"), to="x", drop_sources=True),
    ],
)
def test_a_key_that_changes_is_refused_where_changes_are_applied_by_it(step):
    (problem,) = compiled(step, streaming=True).problems
    assert (problem.code, problem.field) == ("key_changed", "$.transformations[0].steps[0]")
    loaded = compiled(step)
    assert loaded.problems == ()
    assert loaded.output.key == ()


@pytest.mark.parametrize(
    ("step", "key"),
    [
        (RenameColumn(column="id", to="no"), ("no",)),
        (CastType(column="id", data_type="string(20)"), ("id",)),
        (ApplyFunction(column="id", function="sha256", arguments={"salt": "s"}), ("id",)),
        (ApplyFunction(column="id", function="abs", to="x"), ("id",)),
    ],
)
def test_a_key_may_be_renamed_and_changed_one_to_one(step, key):
    found = compiled(step, streaming=True)
    assert found.problems == ()
    assert found.output.key == key


def test_values_that_changes_do_not_log_are_read_again_where_they_are_needed():
    def read_again(*steps, **how):
        return require_program(compiled(*steps, streaming=True, **how)).reread

    assert read_again(AddColumn(column="x", expression="doc || name")) == {"doc"}
    assert read_again(FilterRows(condition="doc LIKE '%a%'")) == {"doc"}
    plain = FilterRows(condition="qty > 1")
    assert read_again(plain) == {"doc"}  # a row may enter without its document
    assert read_again(plain, whole_rows=True) == set()
    assert read_again(plain, DropColumn(columns=("doc",))) == set()
    assert read_again(RenameColumn(column="qty", to="n")) == set()
    assert read_again(ApplyFunction(column="doc", function="upper")) == set()


def test_values_that_changes_do_not_log_need_a_key_to_be_read_by():
    keyless = msgspec.structs.replace(ORDERS, key=())
    step = FilterRows(condition="doc LIKE '%a%'")
    (problem,) = compiled(step, schema=keyless, streaming=True).problems
    assert problem.code == "not_streamable"
    assert "'doc'" in problem.detail


def test_rules_apply_by_pattern_and_in_order():
    rules = (
        TransformationRule(tables=("sales.*",), steps=(RenameColumn(column="a", to="b"),)),
        TransformationRule(tables=("hr.people", "sales.o*"), steps=(DropColumn(columns=("b",)),)),
        TransformationRule(steps=(FilterRows(condition="1 = 1"),)),
    )
    orders = steps_of(rules, TableRef("sales", "orders"))
    assert [p.path for p in orders] == [f"$.transformations[{i}].steps[0]" for i in range(3)]
    assert len(steps_of(rules, TableRef("hr", "people"))) == 2
    assert len(steps_of(rules, TableRef("SALES", "Orders"))) == 3
    assert len(steps_of(rules, TableRef("stock", "orders"))) == 1


def test_steps_of_patterns_may_be_left_out_where_columns_are_missing():
    steps = (
        DropColumn(columns=("nix", "b")),
        ApplyFunction(column="nix", function="trim"),
        AddColumn(column="x", expression="nix + 1"),
    )
    found = compile_steps(placed(*steps, skip_missing=True), SMALL)
    assert found.problems == ()
    assert [c.name for c in found.output.columns] == ["id", "a", "c"]


def test_rules_are_read_strictly_and_written_back_as_they_were():
    text = b"""[{"tables":["s.*"],"steps":[
        {"type":"cast_type","column":"a","data_type":"bigint","on_error":"reject"},
        {"type":"add_column","column":"b","value":1.5},
        {"type":"apply_function","column":"a","function":"mask","arguments":{"keep_last":4}}]}]"""
    rules = msgspec.json.decode(text, type=tuple[TransformationRule, ...])
    again = msgspec.json.decode(msgspec.json.encode(rules), type=tuple[TransformationRule, ...])
    assert again == rules
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(
            text.replace(b"on_error", b"on_eror"), type=tuple[TransformationRule, ...]
        )
    with pytest.raises(msgspec.ValidationError, match="Invalid value"):
        msgspec.json.decode(
            text.replace(b"add_column", b"add"), type=tuple[TransformationRule, ...]
        )


def test_a_program_says_what_each_step_cost_and_where_rows_stayed():
    found = ran(FilterRows(condition="ok"), CastType(column="name", data_type="bigint",
                                                     on_error=OnError.REJECT))  # fmt: skip
    assert len(found.seconds) == 2
    assert found.batch.num_rows == 0
    assert found.rejected is not None
    assert found.rejected.places.tolist() == [0, 3]
    assert found.rejected.columns == ("name", "name")
    kept = ran(FilterRows(condition="NOT ok"))
    assert kept.places is not None
    assert kept.places.tolist() == [2]
    assert ran(RenameColumn(column="qty", to="n")).places is None
    assert ORDERS.columns[3].name == "qty"


def test_a_preview_shows_all_rows_that_fail():
    found = ran(CastType(column="name", data_type="bigint"), tolerant=True)
    assert found.rejected is not None
    assert found.rejected.places.tolist() == [0, 1, 3]
    assert [flaw.action for flaw in found.flaws] == [OnError.FAIL]
