"""Column names by template and types by rule: the steps that follow a task's transformations."""

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtaas.model.column_rules import ColumnTypeRule, TypeRule
from dtaas.model.ids import ConnectorId
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.table_rules import TableRules
from dtaas.model.task import TableMapping, TaskSpec
from dtaas.model.transformations import (
    AddColumn,
    ApplyFunction,
    CastType,
    DropColumn,
    OnError,
    RenameColumn,
    Transformation,
    TransformationRule,
)
from dtaas.model.type_text import parse_type, type_text
from dtaas.transforms.compile import Compilation, compile_steps, require_program

T = TableRef("Sales", "OrderLines")


def table(*columns: tuple[str, str, str], key: tuple[str, ...] = ("OrderId",)) -> TableSchema:
    """Return a table of columns: name, type of ours, type of the source."""
    found = (
        Column(name=name, type=parse_type(kind), nullable=name not in key, native_type=native)
        for name, kind, native in columns
    )
    return TableSchema(table=T, columns=tuple(found), key=key)


LINES = table(
    ("OrderId", "bigint", "bigint"),
    ("UnitPrice", "decimal(19,4)", "money"),
    ("Tax", "decimal(19,4)", "decimal(19,4)"),
    ("CustomerName", "string(50)", "nvarchar(50)"),
    ("Note", "string", "nvarchar(max)"),
)
ROWS = pa.RecordBatch.from_pydict(
    {
        "OrderId": [1, 2, 3],
        "UnitPrice": [Decimal("1.2500"), None, Decimal("99999999.9999")],
        "Tax": [Decimal("0.1000"), Decimal(2), None],
        "CustomerName": ["12", "x", None],
        "Note": ["a", None, "b"],
    },
    schema=LINES.arrow_schema(),
)


def spec(
    *steps: Transformation,
    names: str = "",
    types: tuple[TypeRule, ...] = (),
    own: dict[str, Any] | None = None,
) -> TaskSpec:
    return TaskSpec(
        name="Nightly Run",
        source_connector_id=ConnectorId(1),
        destination_connector_id=ConnectorId(2),
        source_tables=(T,),
        table_rules=TableRules(column_names=names, types=types),
        table_mappings=(TableMapping(source=T, **own),) if own else (),
        transformations=(TransformationRule(steps=steps),) if steps else (),
    )


def shape(found: Compilation) -> list[str]:
    return [f"{c.name} {type_text(c.type)}" for c in found.output.columns]


def compiled(
    task: TaskSpec, schema: TableSchema = LINES, *, streaming: bool = False
) -> Compilation:
    return compile_steps(task.steps(T), schema, streaming=streaming)


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{column:snake}", ["order_id", "unit_price", "tax", "customer_name", "note"]),
        ("{column:upper}", ["ORDERID", "UNITPRICE", "TAX", "CUSTOMERNAME", "NOTE"]),
        ("src_{column:lower}_v", ["src_orderid_v", "src_unitprice_v", "src_tax_v",
                                  "src_customername_v", "src_note_v"]),
        ("{table:snake}.{column}", ["order_lines.OrderId", "order_lines.UnitPrice",
                                    "order_lines.Tax", "order_lines.CustomerName",
                                    "order_lines.Note"]),
    ],
)  # fmt: skip
def test_columns_are_named_by_template(template: str, names: list[str]):
    found = compiled(spec(names=template), streaming=True)
    batch = require_program(found).run(ROWS).batch
    assert batch.schema.names == names
    assert found.output.key == (names[0],)
    assert batch.columns == ROWS.columns


def test_a_table_may_have_its_own_template_or_none():
    task = spec(names="{column:snake}", own={"column_names": "c_{column:lower}"})
    assert shape(compiled(task))[0] == "c_orderid bigint"
    plain = spec(names="{column:snake}", own={"column_names": ""})
    assert shape(compiled(plain))[0] == "OrderId bigint"


def test_what_a_step_names_keeps_that_name():
    task = spec(
        RenameColumn(column="OrderId", to="Id"),
        AddColumn(column="LoadedBy", value="us"),
        ApplyFunction(column="Note", function="upper", to="NoteUpper"),
        ApplyFunction(column="Note", function="lower"),
        names="{column:snake}",
    )
    names = [c.name for c in compiled(task, streaming=False).output.columns]
    assert names == ["Id", "unit_price", "tax", "customer_name", "note", "LoadedBy", "NoteUpper"]


def test_names_that_collide_are_refused_with_both():
    schema = table(
        ("OrderId", "bigint", "bigint"), ("UserName", "string(5)", ""), ("user_name", "uuid", "")
    )
    (problem,) = compiled(spec(names="{column:snake}"), schema).problems
    assert problem.code == "duplicate_column"
    assert problem.field == "$.table_rules.column_names"
    assert "'UserName'" in problem.detail
    assert "'user_name'" in problem.detail
    dropped = spec(DropColumn(columns=("user_name",)), names="{column:snake}")
    assert compiled(dropped, schema).problems == ()


def test_a_name_of_a_step_collides_too():
    task = spec(AddColumn(column="unit_price", value=1), names="{column:snake}")
    (problem,) = compiled(task).problems
    assert problem.code == "duplicate_column"


def test_names_that_change_places_are_no_collision():
    schema = table(("OrderId", "bigint", ""), ("A", "string(5)", ""), ("a_", "uuid", ""))
    found = compiled(spec(names="{column:lower}_"), schema)
    assert [c.name for c in found.output.columns] == ["orderid_", "a_", "a__"]
    rows = pa.RecordBatch.from_pydict(
        {"OrderId": [1], "A": ["x"], "a_": ["y"]}, schema=schema.arrow_schema()
    )
    assert require_program(found).run(rows).batch.to_pylist() == [
        {"orderid_": 1, "a_": "x", "a__": "y"}
    ]


def test_a_name_that_is_too_long_is_refused():
    (problem,) = compiled(spec(names="{column}" + "x" * 125)).problems
    assert problem.field == "$.table_rules.column_names"
    assert "OrderId" in problem.detail


@pytest.mark.parametrize(
    ("rule", "typed"),
    [
        ({"source_types": ("money",), "data_type": "double"}, {"UnitPrice"}),
        ({"source_types": ("decimal(19,4)",), "data_type": "double"}, {"UnitPrice", "Tax"}),
        ({"source_types": ("DECIMAL(*)",), "data_type": "double"}, {"UnitPrice", "Tax"}),
        ({"columns": ("*price", "tax"), "data_type": "double"}, {"UnitPrice", "Tax"}),
        ({"columns": ("OrderId", "Tax"), "data_type": "double", "tables": ("hr.*",)}, set()),
        ({"columns": ("t*",), "data_type": "double", "tables": ("sales.*",)}, {"Tax"}),
    ],
)
def test_types_by_rule(rule: dict[str, Any], typed: set[str]):
    found = compiled(spec(types=(msgspec.convert(rule, TypeRule),)))
    assert found.problems == ()
    doubles = {c.name for c in found.output.columns if type_text(c.type) == "double"}
    assert doubles == typed
    batch = require_program(found).run(ROWS).batch
    for name in typed:
        wanted = [None if v is None else float(v) for v in ROWS.column(name).to_pylist()]
        assert batch.column(name).to_pylist() == wanted


def test_the_first_rule_counts_and_the_mappings_own_before_those_of_the_task():
    task = spec(
        types=(
            TypeRule(source_types=("decimal*",), data_type="string(30)"),
            TypeRule(source_types=("money", "bigint"), data_type="decimal(38,0)"),
        ),
        own={"types": (ColumnTypeRule(columns=("Tax",), data_type="decimal(20,5)"),)},
    )
    assert shape(compiled(task, streaming=True))[:3] == [
        "OrderId decimal(38,0)", "UnitPrice string(30)", "Tax decimal(20,5)",
    ]  # fmt: skip


def test_what_a_step_types_keeps_that_type():
    task = spec(
        CastType(column="Tax", data_type="string(40)"),
        AddColumn(column="Gross", expression="UnitPrice * 2", data_type="decimal(19,4)"),
        types=(TypeRule(source_types=("decimal(19,4)", "string*"), data_type="string"),),
    )
    assert shape(compiled(task)) == [
        "OrderId bigint", "UnitPrice string", "Tax string(40)", "CustomerName string",
        "Note string", "Gross decimal(19,4)",
    ]  # fmt: skip


def test_rules_speak_of_the_sources_names():
    task = spec(
        RenameColumn(column="Tax", to="Vat"),
        names="{column:snake}",
        types=(TypeRule(columns=("Tax",), data_type="double"),),
    )
    assert shape(compiled(task))[1:3] == ["unit_price decimal(19,4)", "Vat double"]


@pytest.mark.parametrize(
    ("task", "field", "word"),
    [
        (spec(types=(TypeRule(columns=("OrderId",), data_type="uuid"),)),
         "$.table_rules.types[0].data_type", "OrderId (bigint)"),
        (spec(own={"types": (ColumnTypeRule(columns=("Nothing",), data_type="uuid"),)}),
         "$.table_mappings[0].types[0].columns", "Nothing"),
        (spec(own={"types": (ColumnTypeRule(data_type="no type"),)}),
         "$.table_mappings[0].types[0].data_type", "no type"),
    ],
)  # fmt: skip
def test_rules_that_cannot_work_are_refused_with_their_path(task: TaskSpec, field: str, word: str):
    (problem,) = compiled(task).problems
    assert problem.field == field
    assert word in problem.detail
    assert problem.hint or problem.code == "bad_type"


def test_a_rule_that_may_merge_keys_is_refused_for_changes():
    task = spec(types=(TypeRule(columns=("OrderId",), data_type="double"),))
    assert compiled(task).output.key == ()
    (problem,) = compiled(task, streaming=True).problems
    assert problem.code == "key_changed"


@pytest.mark.parametrize("policy", list(OnError))
def test_values_that_do_not_fit_meet_the_policy(policy: OnError):
    rule = TypeRule(columns=("CustomerName",), data_type="integer", on_error=policy)
    program = require_program(compiled(spec(names="{column:snake}", types=(rule,))))
    done = program.run(ROWS, tolerant=True)
    arrived = done.batch.column("customer_name").to_pylist()
    if policy is OnError.NULL:
        assert arrived == [12, None, None]
        assert done.rejected is None
        return
    assert arrived == [12, None]
    assert done.rejected is not None
    assert done.rejected.places.tolist() == [1]
    assert done.rejected.columns == ("CustomerName",)
    assert program.steps[done.rejected.steps[0]].path == "$.table_rules.types[0]"


@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(-(10**18), 10**18).map(lambda n: Decimal(n).scaleb(-4)),
            st.none() | st.datetimes(dt.datetime(1, 1, 1)),
            st.none() | st.text("aé 1", max_size=6),
        ),
        max_size=10,
    )
)
def test_types_and_names_equal_a_plain_reference(rows: list[tuple[Any, ...]]):
    schema = table(
        ("OrderId", "bigint", "bigint"), ("Price", "decimal(19,4)", "money"),
        ("At", "timestamp(6)", "datetime2(6)"), ("Text", "string(6)", "nvarchar(6)"),
    )  # fmt: skip
    task = spec(
        names="x_{column:lower}",
        types=(
            TypeRule(source_types=("money",), data_type="decimal(12,4)", on_error=OnError.REJECT),
            TypeRule(source_types=("datetime2*",), data_type="string(40)"),
        ),
    )
    found = [{"OrderId": i, "Price": p, "At": a, "Text": t} for i, (p, a, t) in enumerate(rows)]
    batch = pa.RecordBatch.from_pylist(found, schema=schema.arrow_schema())
    done = require_program(compiled(task, schema)).run(batch)
    assert done.batch.to_pylist() == [
        {
            "x_orderid": row["OrderId"],
            "x_price": row["Price"],
            "x_at": None if row["At"] is None else row["At"].isoformat(" ", "microseconds"),
            "x_text": row["Text"],
        }
        for row in found
        if row["Price"] is None or abs(row["Price"]) < 10**8
    ]
