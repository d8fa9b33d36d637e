"""Expressions: SQL in, Arrow out, with NULL as SQL has it; everything else is refused by place."""

import datetime as dt
from decimal import Decimal

import pytest

from dtaas.model.errors import TransformationFailedError
from dtaas.model.transformations import AddColumn, OnError
from tests.unit.transforms.orders import column, compiled, ran

T, F, N = True, False, None


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("price * qty", "decimal(21,2)", [Decimal("1.50"), N, N, Decimal("0.00")]),
        ("qty + 1", "bigint", [2, 3, N, 1]),
        ("qty - 3 % 2", "bigint", [0, 1, N, -1]),
        ("-qty * 2", "bigint", [-2, -4, N, 0]),
        ("7 / 2", "bigint", [3, 3, 3, 3]),
        ("qty / 2.0", "decimal(15,4)", [Decimal("0.5000"), Decimal("1.0000"), N, Decimal("0.0000")]),
        ("amount * 2", "double", [3.0, N, -4.5, 2e300]),
        ("name || '!'", "string(21)", [" Ann !", "b,c!", N, "Ärger x!"]),
        ("'n' + name", "string(21)", ["n Ann ", "nb,c", N, "nÄrger x"]),
        ("upper(trim(name))", "string(20)", ["ANN", "B,C", N, "ÄRGER X"]),
        ("len(name)", "integer", [5, 3, N, 7]),
        ("substring(name, 2, 3)", "string(20)", ["Ann", ",c", N, "rge"]),
        ("[name]", "string(20)", [" Ann ", "b,c", N, "Ärger x"]),
        ('"name"', "string(20)", [" Ann ", "b,c", N, "Ärger x"]),
        ("NAME", "string(20)", [" Ann ", "b,c", N, "Ärger x"]),
        ("CASE WHEN qty > 1 THEN 'many' WHEN qty = 1 THEN 'one' END", "string(4)",
         ["one", "many", N, N]),
        ("CASE qty WHEN 1 THEN 'x' ELSE 'y' END", "string(1)", ["x", "y", "y", "y"]),
        ("CASE WHEN qty <> 0 THEN 10 / qty END", "bigint", [10, 5, N, N]),
        ("COALESCE(name, mail, '?')", "string(50)", [" Ann ", "b,c", "nobody", "Ärger x"]),
        ("ISNULL(qty, 9)", "integer", [1, 2, 9, 0]),
        ("NULLIF(qty, 0)", "integer", [1, 2, N, N]),
        ("IIF(ok, 1, 2)", "integer", [1, 2, 2, 1]),
        ("CONCAT(name, qty, NULL)", "string(61)", [" Ann 1", "b,c2", "", "Ärger x0"]),
        ("CONCAT_WS('-', name, qty)", "string(61)", [" Ann -1", "b,c-2", "", "Ärger x-0"]),
        ("ok", "boolean", [T, N, F, T]),
        ("ok = 1", "boolean", [T, N, F, T]),
        ("NOT ok", "boolean", [F, N, T, F]),
        ("ok AND qty > 0", "boolean", [T, N, F, F]),
        ("ok OR qty > 0", "boolean", [T, T, N, T]),
        ("qty <> 1", "boolean", [F, T, N, T]),
        ("qty IN (1, 2)", "boolean", [T, T, N, F]),
        ("qty IN (1, NULL)", "boolean", [T, N, N, N]),
        ("qty NOT IN (1, NULL)", "boolean", [F, N, N, N]),
        ("qty IN (NULL)", "boolean", [N, N, N, N]),
        ("id IN (qty, 3)", "boolean", [T, T, T, F]),
        ("qty BETWEEN 1 AND 2", "boolean", [T, T, N, F]),
        ("qty NOT BETWEEN 1 AND 2", "boolean", [F, F, N, T]),
        ("name LIKE '%c'", "boolean", [F, T, N, F]),
        ("name NOT LIKE '%n%'", "boolean", [F, T, N, T]),
        ("name LIKE 'b!,_' ESCAPE '!'", "boolean", [F, T, N, F]),
        ("name IS NULL", "boolean", [F, F, T, F]),
        ("name IS NOT NULL", "boolean", [T, T, F, T]),
        ("ok IS TRUE", "boolean", [T, F, F, T]),
        ("name IS DISTINCT FROM 'b,c'", "boolean", [T, F, T, T]),
        ("NULL = NULL", "boolean", [N, N, N, N]),
        ("price > 1.5 OR qty = 0", "boolean", [F, N, T, T]),
        ("at > '2000-01-01'", "boolean", [T, N, F, T]),
        ("at < day", "boolean", [F, N, F, T]),
        ("day = DATE '2020-02-29'", "boolean", [T, N, F, F]),
        ("zoned = '2020-01-01 08:00:00 +00:00'", "boolean", [T, N, F, F]),
        ("exact > '2020-05-06 07:08:09.1234566'", "boolean", [T, N, F, T]),
        ("guid = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "boolean", [T, N, F, F]),
        ("year(at)", "integer", [2020, N, 1950, 2020]),
        ("DATEPART(month, exact)", "integer", [5, N, 1, 12]),
        ("DATETRUNC(month, day)", "date",
         [dt.date(2020, 2, 1), N, dt.date(1, 1, 1), dt.date(9999, 12, 1)]),
        ("DATEADD(day, -1, at)", "timestamp(3)",
         [dt.datetime(2020, 5, 5, 7, 8, 9, 123000), N, dt.datetime(1949, 12, 31),
          dt.datetime(2020, 3, 28, 1, 30)]),
        ("CAST(at AS date)", "date",
         [dt.date(2020, 5, 6), N, dt.date(1950, 1, 1), dt.date(2020, 3, 29)]),
        ("TRY_CAST(name AS int)", "integer", [N, N, N, N]),
        ("JSON_VALUE(doc, '$.a.b[1]')", "string", ["x", N, N, N]),
        ("1e3", "double", [1000.0] * 4),
        ("N'ü'", "string(1)", ["ü"] * 4),
        ("LEFT(mail, 3)", "string(3)", ["ann", N, "nob", "x@y"]),
    ],
)  # fmt: skip
def test_expressions_give_what_sql_gives(text, kind, values):
    assert column(text) == (kind, values)


@pytest.mark.parametrize(
    ("text", "code", "says", "place"),
    [
        ("nosuch(1)", "unknown_function", "nosuch", "column 1"),
        ("qty + nam", "unknown_column", "nam", "column 7"),
        ("(SELECT 1)", "unsupported_expression", "not an expression", ""),
        ("qty IN (SELECT 1)", "unsupported_expression", "IN takes", "column 1"),
        ("SUM(qty)", "unsupported_expression", "no other rows", "column 1"),
        ("GETDATE()", "unsupported_expression", "not repeatable", "column 1"),
        ("1 +", "bad_expression", "missing", "column 3"),
        ("qty >\n 'abc'", "type_mismatch", "integer", ""),
        ("at > zoned", "type_mismatch", "no type in common", "column 1"),
        ("name > 5", "type_mismatch", "no type in common", "column 1"),
        ("at > 'yesterday'", "type_mismatch", "constant", "column 1"),
        ("o.qty", "unsupported_expression", "names a table", "column 1"),
        ("qty; DROP", "bad_expression", "One expression", ""),
        ("UPPER(name) OVER ()", "unsupported_expression", "OVER", "column 1"),
        ("name LIKE mail", "unsupported_expression", "constant pattern", "column 1"),
        ("upper(name, mail, 1)", "unsupported_expression", "constants", "column 1"),
        ("upper(qty)", "type_mismatch", "upper cannot take", "column 1"),
        ("substring(name, 0)", "bad_argument", "at least 1", "column 1"),
        ("CAST(raw AS integer)", "type_mismatch", "cannot be cast", "column 6"),
        ("CAST(qty AS geometry)", "bad_type", "is no type", "column 6"),
        ("price * price * price * price * price", "type_mismatch", "38 digits", "column 1"),
        ("qty AND ok", "type_mismatch", "condition", "column 1"),
        ("doc -> 'x'", "unsupported_expression", "not supported", "column 1"),
        ("COALESCE(name)", "bad_argument", "at least 2", "column 1"),
        ("DATEADD(parsec, 1, at)", "bad_argument", "one of", "column 1"),
        ("NULL", "bad_type", "NULL", ""),
        ("(" * 3000 + "1" + ")" * 3000, "bad_expression", "deep", ""),
    ],
)
def test_what_cannot_be_compiled_is_refused_with_its_place(text, code, says, place):
    (problem,) = compiled(AddColumn(column="x", expression=text)).problems
    assert problem.code == code
    assert says in problem.detail
    assert place in problem.detail
    assert problem.field.startswith("$.transformations[0].steps[0].")


@pytest.mark.parametrize("text", ["10 / qty", "id * 9223372036854775807", "CAST(name AS int)"])
def test_a_value_that_cannot_be_worked_out_does_what_the_step_says(text):
    def step(on_error: OnError) -> AddColumn:
        return AddColumn(column="x", expression=text, on_error=on_error)

    with pytest.raises(TransformationFailedError) as caught:
        ran(step(OnError.FAIL))
    assert caught.value.field == "$.transformations[0].steps[0]"
    kept = ran(step(OnError.NULL))
    assert kept.batch.num_rows == 4
    assert kept.rejected is None
    rest = ran(step(OnError.REJECT))
    assert rest.rejected is not None
    assert rest.batch.num_rows + len(rest.rejected.places) == 4
    assert rest.rejected.rows.column("id").to_pylist() == [p + 1 for p in rest.rejected.places]
    assert set(rest.rejected.steps) == {0}
    assert all(rest.rejected.reasons)


def test_a_branch_that_is_not_taken_cannot_fail():
    _, values = column("CASE WHEN qty = 0 THEN -1 ELSE 10 / qty END")
    assert values == [10, 5, None, -1]
    assert column("qty <> 0 AND 10 / qty > 1")[1] == [True, True, None, False]
    assert column("COALESCE(qty, 10 / qty)")[1] == [1, 2, None, 0]
