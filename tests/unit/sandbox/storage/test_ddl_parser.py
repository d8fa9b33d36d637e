"""The grammar of data definition."""

import pytest

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.ddl import statements as ddl
from dtaas.sandbox.sqlserver.storage.ddl.columns import stored_definition
from dtaas.sandbox.sqlserver.storage.ddl.key_values import duplicate_value
from dtaas.sandbox.sqlserver.storage.ddl.parser import parse_ddl
from dtaas.sandbox.sqlserver.tsql.tree import TypeName


def test_create_table() -> None:
    parsed = parse_ddl(
        """CREATE TABLE [my db].dbo.[t] ( -- a comment
            a int IDENTITY(1, -1) NOT NULL /* another */ PRIMARY KEY CLUSTERED WITH (PAD_INDEX = OFF) ON [PRIMARY],
            b varchar(max) COLLATE Latin1_General_BIN2 NULL CONSTRAINT d DEFAULT ('x''y'),
            timestamp,
            c AS (a + 1) PERSISTED NOT NULL,
            CONSTRAINT f FOREIGN KEY (a, b) REFERENCES p (x, y) ON UPDATE SET NULL ON DELETE SET DEFAULT,
            UNIQUE NONCLUSTERED (b DESC, a),
            CHECK (a > 0 AND b IN ('(', ')'))
        ) ON ps (a)"""
    )
    assert isinstance(parsed, ddl.CreateTable)
    assert parsed.table == ("my db", "dbo", "t")
    assert parsed.space == ("ps", "a")
    a, b, stamp, c = parsed.columns
    assert a.identity == (1, -1)
    assert a.constraints == (ddl.Key(primary=True, clustered=True, columns=(ddl.KeyColumn("a"),)),)
    assert (b.type, b.collation, b.nullable) == (
        TypeName(("varchar",), (-1,)),
        "Latin1_General_BIN2",
        True,
    )
    assert b.constraints == (ddl.Default(name="d", expression="('x''y')", column="b"),)
    assert stamp.type == TypeName(("timestamp",))
    assert (c.computed, c.persisted, c.nullable) == ("(a + 1)", True, False)
    key, unique, check = parsed.constraints
    assert isinstance(key, ddl.ForeignKey)
    assert (key.update_action, key.delete_action, key.referenced) == (2, 3, ("x", "y"))
    assert isinstance(unique, ddl.Key)
    assert unique.columns == (ddl.KeyColumn("b", descending=True), ddl.KeyColumn("a"))
    assert isinstance(check, ddl.Check)
    assert check.condition == "a > 0 AND b IN ('(', ')')"


@pytest.mark.parametrize(
    ("sql", "parsed"),
    [
        ("DROP TABLE IF EXISTS a, b.c;", ddl.DropObjects(word="TABLE", names=(("a",), ("b", "c")), if_exists=True)),
        ("TRUNCATE TABLE dbo.t", ddl.Truncate(("dbo", "t"))),
        ("DROP INDEX t.ix", ddl.DropIndex(name="ix", table=("t",), if_exists=False)),
        ("DROP INDEX ix ON s.t WITH (ONLINE = ON)", ddl.DropIndex(name="ix", table=("s", "t"), if_exists=False)),
        (
            "ALTER TABLE t DROP CONSTRAINT a, b, COLUMN c",
            ddl.DropFromTable(table=("t",), columns=("c",), constraints=("a", "b")),
        ),
        (
            "ALTER TABLE t WITH CHECK CHECK CONSTRAINT ALL",
            ddl.CheckConstraints(table=("t",), names=(), enabled=True, validate=True),
        ),
        ("CREATE SCHEMA [s t] AUTHORIZATION dbo", ddl.CreateSchema("s t")),
        ("CREATE DATABASE d ON PRIMARY (NAME = x) COLLATE Latin1_General_BIN2", ddl.CreateDatabase("d", "Latin1_General_BIN2")),
        (
            "ALTER DATABASE d SET ALLOW_SNAPSHOT_ISOLATION ON, RECOVERY SIMPLE WITH NO_WAIT",
            ddl.AlterDatabase(name="d", options=(("ALLOW_SNAPSHOT_ISOLATION", "ON"), ("RECOVERY", "SIMPLE"))),
        ),
        (
            "CREATE PARTITION FUNCTION f (int) AS RANGE LEFT FOR VALUES (-1, 2)",
            ddl.CreatePartitionFunction(name="f", type=TypeName(("int",)), right=False, values=("-1", "2")),
        ),
        (
            "GRANT SELECT, INSERT ON OBJECT::dbo.t TO a, b WITH GRANT OPTION",
            ddl.ChangeRights(word="GRANT", permissions=("SELECT", "INSERT"), table=("dbo", "t"), principals=("a", "b")),
        ),
        ("EXEC sp_rename N'a''b', 'c', NULL", ddl.Rename(name="a'b", new_name="c", kind=None)),
        ("UPDATE STATISTICS t", ddl.Nothing("UPDATE")),
    ],
)  # fmt: skip
def test_statement(sql: str, parsed: ddl.Statement) -> None:
    assert parse_ddl(sql) == parsed


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ("CREATE TABLE t (a int", 102),
        ("CREATE TABLE t (a int) nonsense", 102),
        ("CREATE TABLE t (a int DEFAULT)", 102),
        ("CREATE TABLE (a int)", 102),
        ("CREATE TABLE select (a int)", 156),
        ("CREATE TRIGGER x ON t AFTER INSERT AS RETURN", 156),
        ("ALTER TABLE t FROB", 102),
        ("DROP TABLE t ON x", 156),
    ],
)
def test_syntax_errors(sql: str, number: int) -> None:
    with pytest.raises(SqlError) as caught:
        parse_ddl(sql)
    assert (caught.value.number, caught.value.severity) == (number, 15)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("0", "((0))"),
        ("((-1.5))", "((-1.5))"),
        ("getdate()", "(getdate())"),
        ("(N'x)')", "(N'x)')"),
        ("(a)+(b)", "((a)+(b))"),
    ],
)
def test_definitions_are_kept_in_parentheses(text: str, stored: str) -> None:
    assert stored_definition(text) == stored


def test_duplicate_values() -> None:
    assert duplicate_value("Key (c1)=(5) already exists.") == "(5)"
    assert duplicate_value("Key (c1, c2)=(5, null) is duplicated.") == "(5, <NULL>)"
    assert duplicate_value("Key (coll.sql_ci_as(c1))=(a/\x0eb/\x02c) already exists.") == "(a_b/c)"
    assert duplicate_value("something else") == "()"
