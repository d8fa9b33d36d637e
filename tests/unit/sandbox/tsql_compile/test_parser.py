import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql import predicates, tree
from dtaas.sandbox.sqlserver.tsql.lexer import Kind, tokenize
from dtaas.sandbox.sqlserver.tsql.parse import parse_scalar, parse_statement
from dtaas.sandbox.sqlserver.types import SqlType


@pytest.mark.parametrize(
    ("sql", "number", "text"),
    [
        ("SELECT FROM t", 156, "Incorrect syntax near the keyword 'FROM'."),
        ("SELECT * FORM t", 102, "Incorrect syntax near 'FORM'."),
        ("SELECT 1 +", 102, "Incorrect syntax near '+'."),
        ("SELECT (1", 102, "Incorrect syntax near '1'."),
        ("SELECT 'abc", 105, "Unclosed quotation mark after the character string 'abc'."),
        ("SELECT [abc", 105, "Unclosed quotation mark after the character string 'abc'."),
        ("SELECT 1 /* a /* b */", 113, "Missing end comment mark '*/'."),
        ("SELECT 1 FROM t WITH (READPAST)", 102, "Incorrect syntax near 'READPAST'."),
        ("SELECT CASE END", 156, "Incorrect syntax near the keyword 'END'."),
        ("DELETE FROM t WHERE", 102, "Incorrect syntax near 'WHERE'."),
        (
            "MERGE t USING s ON 1 = 1 WHEN MATCHED THEN DELETE",
            10713,
            "A MERGE statement must be terminated by a semi-colon (;).",
        ),
        (
            "SELECT 1.234567890123456789012345678901234567890",
            1007,
            "The number '1.234567890123456789012345678901234567890' is out of the range for numeric representation (maximum precision 38).",
        ),
    ],
)
def test_errors(sql: str, number: int, text: str):
    with pytest.raises(SqlError) as raised:
        parse_statement(sql)
    assert (raised.value.number, raised.value.text) == (number, text)


def test_error_line():
    with pytest.raises(SqlError) as raised:
        parse_statement("SELECT 1,\n2,\nFROM t")
    assert raised.value.line == 3


@pytest.mark.parametrize(
    ("sql", "type_"),
    [
        ("42", SqlType("int")),
        ("2147483648", SqlType("numeric", precision=10)),
        ("0.50", SqlType("numeric", precision=2, scale=2)),
        ("00.5", SqlType("numeric", precision=1, scale=1)),
        ("1.", SqlType("numeric", precision=1)),
        ("1e5", SqlType("float", precision=53)),
        ("$1.5", SqlType("money")),
        ("0x0AB", SqlType("varbinary", 2)),
        ("''", SqlType("varchar", 1)),
        ("'it''s'", SqlType("varchar", 4)),
        ("N'😀'", SqlType("nvarchar", 2)),
    ],
)
def test_literal_types(sql: str, type_: SqlType):
    node = parse_scalar(sql)
    assert isinstance(node, tree.Literal)
    assert node.type == type_


def test_precedence():
    a, b, c = (tree.Column((name,)) for name in "abc")
    assert parse_scalar("a + b * c") == tree.Binary("+", a, tree.Binary("*", b, c))
    assert parse_scalar("a - b - c") == tree.Binary("-", tree.Binary("-", a, b), c)
    assert parse_scalar("NOT a = b AND c = a OR b = c") == predicates.Or(
        predicates.And(
            predicates.Not(predicates.Compare("=", a, b)), predicates.Compare("=", c, a)
        ),
        predicates.Compare("=", b, c),
    )
    assert parse_scalar("a BETWEEN b AND c AND a = b") == predicates.And(
        predicates.Between(a, b, c, negated=False), predicates.Compare("=", a, b)
    )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT TOP 5 * FROM t",
        "SELECT a.precision, [odd ]] name] FROM db..t a (NOLOCK) OPTION (RECOMPILE, MAXDOP 1)",
        "SELECT x = 1, 'y' AS 'quoted alias' FROM (a JOIN b ON a.i = b.i) LEFT OUTER JOIN c ON 1 = 1",
        "SELECT 1 FROM a LEFT JOIN b JOIN c ON b.i = c.i ON a.i = b.i",
        "SELECT LEFT(a, 1), COUNT(*) OVER (PARTITION BY b ORDER BY c ROWS 1 PRECEDING) FROM t",
        "INSERT t DEFAULT VALUES;",
        "UPDATE TOP (1) t SET a += 1, b = DEFAULT OUTPUT inserted.* FROM t WHERE a IN (1, 2)",
        "(SELECT 1 UNION SELECT 2) EXCEPT SELECT 3 ORDER BY 1 OFFSET 1 ROW FETCH FIRST 1 ROW ONLY",
    ],
)
def test_accepts(sql: str):
    parse_statement(sql)


@given(st.text(alphabet="abc'\"[]- /*\n😀é", max_size=20))
def test_strings_survive(text: str):
    tokens = tokenize("N'" + text.replace("'", "''") + "' [" + text.replace("]", "]]") + "]")
    assert [(t.kind, t.text) for t in tokens[:-1]] == [(Kind.NATIONAL, text), (Kind.QUOTED, text)]
