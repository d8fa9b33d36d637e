import pytest

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql.compile import (
    compile_scalar,
    compile_statement,
    compile_view,
    translate,
    type_of,
)
from dtaas.sandbox.sqlserver.tsql.compiled import Assignment
from dtaas.sandbox.sqlserver.tsql.errors import from_postgres
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, MAX, SqlType
from tests.unit.sandbox.tsql_compile.catalog import NUMBERED, ORDERS, TinyCatalog, scope, varchar


def test_columns_keep_names_and_types():
    compiled = compile_statement("SELECT *, amount + 1 AS more FROM ORDERS", scope())
    assert compiled.columns is not None
    assert [c.name for c in compiled.columns] == [
        "Id",
        "Customer",
        "Note",
        "Amount",
        "Placed",
        "more",
    ]
    assert [c.nullable for c in compiled.columns] == [False, False, True, True, True, True]
    assert compiled.columns[-1].type == SqlType("numeric", precision=11, scale=2)


def test_plain_columns_cost_nothing():
    compiled = compile_statement(
        "SELECT id, customer FROM orders WHERE id > 5 ORDER BY id", scope()
    )
    assert compiled.sql == (
        "SELECT t1.c1 AS c1, t1.c2 AS c2 FROM d5.t_1 AS t1 WHERE (t1.c1 > 5) ORDER BY t1.c1 NULLS FIRST"
    )


def test_variables_become_placeholders_in_order():
    compiled = compile_statement(
        "SELECT @b FROM orders WHERE id > @a AND id < @b + @a",
        scope(a=SqlType("int"), b=SqlType("bigint")),
    )
    assert compiled.arguments == ("@b", "@a")
    assert compiled.sql.count("$1::bigint") == 2
    assert compiled.sql.count("$2::integer") == 2


def test_assignment_takes_the_type_of_its_variable():
    compiled = compile_statement("SELECT @v = id FROM orders", scope(v=varchar(10)))
    assert compiled.columns is None
    assert compiled.assignments == (Assignment(variable="@v", index=0),)
    assert "::text" in compiled.sql


def test_placeholders_only_for_variables_in_use():
    compiled = compile_statement("SELECT @v = 1", scope(v=SqlType("int")))
    assert compiled.arguments == ()


def test_insert_lists_defaults_and_leaves_the_rest():
    compiled = compile_statement("INSERT INTO orders (id, customer) VALUES (1, 'x')", scope())
    assert compiled.sql == (
        "INSERT INTO d5.t_1 (c1, c2, c4) VALUES (1, 'x'::text, 5::numeric(10,2))"
    )
    assert (compiled.columns, compiled.command) == (None, 0xC3)


def test_select_into_describes_the_table():
    compiled = compile_statement("SELECT id, note AS n INTO dbo.copy FROM orders", scope())
    assert compiled.columns is None
    assert compiled.creates is not None
    assert compiled.creates.parts == ("dbo", "copy")
    assert [(c.name, c.nullable) for c in compiled.creates.columns] == [
        ("id".title(), False),
        ("n", True),
    ]


def test_fixed_binaries_keep_their_index():
    sql = "SELECT id FROM numbered WHERE version > @v AND 0x01 <= version"
    compiled = compile_statement(sql, scope(v=SqlType("varbinary", 8)))
    assert "(t1.c4 > tsql.pad_bytes($1::bytea, 8))" in compiled.sql
    assert "<= t1.c4)" in compiled.sql


def test_conditions_are_bits():
    compiled = compile_scalar("1 = 2 OR NOT EXISTS (SELECT 1)", scope())
    assert compiled.columns is not None
    assert compiled.columns[0].type == SqlType("bit")


@pytest.mark.parametrize(
    ("sql", "type_"),
    [
        ("'a' + 'bc'", varchar(3)),
        ("CAST('a' AS varchar(max)) + N'b'", varchar(MAX, "nvarchar")),
        ("CAST('a' AS dbo.phone)", varchar(40)),
        ("CAST(1 AS sysname)", varchar(128, "nvarchar")),
        ("CAST(1 AS numeric)", SqlType("numeric", precision=18)),
        ("CAST(1 AS float(24))", SqlType("real", precision=24)),
        ("CAST(1 AS decimal(38,10)) / CAST(1 AS decimal(38,10))", SqlType("numeric", precision=38, scale=6)),
        ("CAST(1 AS decimal(38,0)) + CAST(1 AS decimal(38,38))", SqlType("numeric", precision=38)),
        ("CAST(1 AS smallint) + CAST(1 AS tinyint)", SqlType("smallint")),
        ("GETDATE() - 1", SqlType("datetime")),
    ],
)  # fmt: skip
def test_expression_types(sql: str, type_: SqlType):
    compiled = compile_scalar(sql, scope())
    assert compiled.columns is not None
    assert compiled.columns[0].type == type_


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ("SELECT nope FROM orders", 207),
        ("SELECT * FROM nope", 208),
        ("SELECT * FROM other.dbo.orders", 208),
        ("SELECT a.id FROM orders", 4104),
        ("SELECT a.id FROM orders a, orders a", 1011),
        ("SELECT id FROM orders a, orders b", 209),
        ("SELECT @x", 137),
        ("SELECT nosuch(1)", 195),
        ("SELECT id FROM orders GROUP BY customer", 8120),
        ("SELECT 1 WHERE 1", 4145),
        ("SELECT id FROM orders WHERE id", 4145),
        ("SELECT id = 1 FROM orders WHERE (id = 1) = 1", 102),
        ("SELECT @v = 1, id FROM orders", 141),
        ("INSERT INTO numbered (twice) VALUES (1)", 271),
        ("INSERT INTO numbered (version) VALUES (0x01)", 273),
        ("INSERT INTO numbered (id) VALUES (1)", 544),
        ("UPDATE numbered SET id = 2", 8102),
        ("UPDATE numbered SET version = 0x01", 272),
        ("SELECT customer + 0x01 FROM orders", 402),
        ("SELECT placed * 2 FROM orders", 8117),
        ("SELECT id FROM orders UNION ALL SELECT id, id FROM orders", 205),
        ("SELECT id FROM (SELECT id FROM orders ORDER BY id) AS t", 1033),
        ("SELECT hierarchyid::Nothing()", 6506),
        ("SELECT nosuch::Parse('/')", 243),
    ],
)
def test_errors(sql: str, number: int):
    with pytest.raises(SqlError) as raised:
        compile_statement(sql, scope(v=SqlType("int")))
    assert raised.value.number == number


def test_definitions():
    catalog = TinyCatalog()
    assert translate("((5))", SqlType("bigint"), None, catalog) == "5::bigint"
    assert translate("([Amount]>(0))", None, ORDERS, catalog) == "(c4 > 0)"
    assert type_of("(len([code])*(2))", NUMBERED, catalog) == (SqlType("int"), True)
    view = compile_view("SELECT id, note FROM dbo.orders", scope(), ("a", "b"))
    assert [c.name for c in view.columns] == ["a", "b"]
    assert view.columns[1].type == SqlType("nvarchar", 50, collation=DEFAULT_COLLATION)


@pytest.mark.parametrize(
    ("sqlstate", "message", "number", "text"),
    [
        ("TS001", "TSQL|245|16|1|Conversion | failed", 245, "Conversion | failed"),
        ("22012", "division by zero", 8134, "Divide by zero error encountered."),
        ("22003", "integer out of range", 8115, "Arithmetic overflow error converting expression to data type int."),
        ("22003", "bigint out of range", 8115, "Arithmetic overflow error converting expression to data type bigint."),
    ],
)  # fmt: skip
def test_run_time_errors(sqlstate: str, message: str, number: int, text: str):
    error = from_postgres(sqlstate, message)
    assert error is not None
    assert (error.number, error.text) == (number, text)


def test_unknown_run_time_errors_are_left_to_the_storage():
    assert from_postgres("40P01", "deadlock detected") is None
