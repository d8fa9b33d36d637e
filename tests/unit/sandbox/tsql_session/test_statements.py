"""Batches to programs: where statements end, and what the parser refuses."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql import program
from dtaas.sandbox.sqlserver.tsql.program import Branch, Jump, Run
from dtaas.sandbox.sqlserver.tsql.statements import parse_batch


def texts(sql: str) -> list[str]:
    """Return the statements handed on, in order."""
    return [
        i.action.text
        for i in parse_batch(sql).instructions
        if isinstance(i, Run) and isinstance(i.action, program.Sql | program.Define)
    ]


def actions(sql: str) -> list[program.Action]:
    return [i.action for i in parse_batch(sql).instructions if isinstance(i, Run)]


def error(sql: str) -> SqlError:
    with pytest.raises(SqlError) as caught:
        parse_batch(sql)
    return caught.value


@pytest.mark.parametrize(
    "statements",
    [
        ["SELECT 1", "SELECT 2"],
        ["SELECT 1 UNION ALL SELECT 2", "SELECT 3"],
        ["SELECT CASE WHEN 1 = 1 THEN 2 ELSE 3 END", "SELECT 4"],
        ["SELECT a FROM t WHERE a IN (SELECT b FROM u)", "DELETE t"],
        ["INSERT INTO t (a) SELECT 1 UNION SELECT 2", "SELECT 3"],
        ["INSERT INTO t VALUES (1), (2)", "SELECT 3"],
        ["INSERT INTO t DEFAULT VALUES", "SELECT 3"],
        ["INSERT t (SELECT 1)", "SELECT 2"],
        ["UPDATE t SET a = 1 FROM t JOIN u ON t.a = u.a", "SELECT 3"],
        ["DELETE FROM t WHERE a = 1", "UPDATE t SET a = 2"],
        ["WITH c AS (SELECT 1 AS a) SELECT a FROM c", "SELECT 2"],
        ["WITH c AS (SELECT 1 AS a) INSERT INTO t SELECT a FROM c", "SELECT 2"],
        ["SELECT a FROM t ORDER BY a OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY", "SELECT 2"],
        ["CREATE TABLE t (a int DEFAULT 1, b AS (a + 1))", "SELECT 2"],
        [
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u ON DELETE SET NULL ON UPDATE CASCADE",
            "CREATE INDEX i ON t (a)",
        ],
        ["ALTER TABLE t DROP CONSTRAINT k", "DROP TABLE IF EXISTS t"],
        ["ALTER TABLE t ALTER COLUMN a bigint", "ALTER TABLE t ADD b int"],
        ["ALTER DATABASE d SET OFFLINE WITH ROLLBACK IMMEDIATE", "DROP DATABASE d"],
        ["GRANT SELECT, INSERT, EXECUTE ON t TO u", "SELECT 1"],
        ["TRUNCATE TABLE t", "UPDATE STATISTICS t"],
        ["MERGE t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET b = 1;", "SELECT 1"],
    ],
)
@pytest.mark.parametrize("between", [" ", "\n", ";", " ; \n"])
def test_statements_end_without_semicolons(statements: list[str], between: str) -> None:
    assert texts(between.join(statements)) == statements


def test_reserved_words_in_names_and_texts_end_nothing() -> None:
    one = "SELECT [SELECT], 'DELETE', t.[UPDATE] /* INSERT */ FROM [SET] -- DROP\n AS t"
    assert texts(one) == [one]


def test_if_jumps_over_what_is_not_taken() -> None:
    parsed = parse_batch("IF 1 = 1 PRINT 'a' ELSE PRINT 'b' PRINT 'c'")
    branch, _then, jump, _otherwise, _after = parsed.instructions
    assert isinstance(branch, Branch)
    assert (branch.condition, branch.target) == ("1 = 1", 3)
    assert isinstance(jump, Jump)
    assert jump.target == 4


def test_while_break_and_continue() -> None:
    parsed = parse_batch(
        "DECLARE @i int = 0\nWHILE @i < 9 BEGIN SET @i += 1 IF @i = 2 CONTINUE IF @i = 5 BREAK END"
    )
    loop = parsed.instructions[1]
    assert isinstance(loop, Branch)
    assert loop.target == len(parsed.instructions)
    jumps = [i.target for i in parsed.instructions if isinstance(i, Jump)]
    assert jumps == [1, len(parsed.instructions), 1]
    assert actions("DECLARE @i int SET @i -= 2")[0] == program.SetVariable("@i", "@i - (2)")


def test_try_guards_its_block_and_only_that() -> None:
    parsed = parse_batch(
        "PRINT 'before' BEGIN TRY PRINT 'try' END TRY BEGIN CATCH PRINT 'catch'; THROW END CATCH "
        "PRINT 'after'"
    )
    (guard,) = parsed.guards
    assert parsed.handler(0) is None
    assert parsed.handler(1) is guard
    assert parsed.caught(guard.handler + 1) == [guard.handler]
    assert parsed.handler(len(parsed.instructions) - 1) is None


def test_inner_try_comes_first() -> None:
    parsed = parse_batch(
        "BEGIN TRY BEGIN TRY PRINT 1 END TRY BEGIN CATCH PRINT 2 END CATCH END TRY "
        "BEGIN CATCH PRINT 3 END CATCH"
    )
    inner, outer = parsed.guards
    assert parsed.handler(0) is inner
    assert parsed.handler(inner.handler) is outer


def test_goto_jumps_to_labels_before_and_after() -> None:
    parsed = parse_batch("again: PRINT 1 GOTO finish PRINT 2 GOTO again finish: PRINT 3")
    assert [i.target for i in parsed.instructions if isinstance(i, Jump)] == [4, 0]


def test_execute_in_its_forms() -> None:
    assert actions("sp_help orders")[0] == program.Call(
        "sp_help", (program.CallArgument("", "N'orders'"),)
    )
    assert actions("DECLARE @r int, @o int EXEC @r = dbo.p 1, @x = @o OUTPUT, @y = DEFAULT") == [
        program.Call(
            "dbo.p",
            (
                program.CallArgument("", "1"),
                program.CallArgument("@x", "@o", output=True),
                program.CallArgument("@y", "DEFAULT"),
            ),
            "@r",
        )
    ]
    assert actions("EXEC ('SELECT ' + '1')") == [program.CallText("'SELECT ' + '1'")]
    assert actions("INSERT INTO t (a) EXEC p 1") == [
        program.InsertExecute(
            "INSERT INTO t (a)", program.Call("p", (program.CallArgument("", "1"),))
        )
    ]


def test_set_options() -> None:
    assert actions("SET NOCOUNT, XACT_ABORT ON SET LOCK_TIMEOUT -1") == [
        program.SetOption("NOCOUNT", "ON"),
        program.SetOption("XACT_ABORT", "ON"),
        program.SetOption("LOCK_TIMEOUT", "-1"),
    ]
    assert actions("SET TRANSACTION ISOLATION LEVEL READ COMMITTED") == [
        program.SetOption("TRANSACTION ISOLATION LEVEL", "READ_COMMITTED")
    ]
    assert actions("SET IDENTITY_INSERT dbo.[my table] ON") == [
        program.SetOption("IDENTITY_INSERT ON", "dbo.[my table]")
    ]


def test_table_variables_become_temporary_tables() -> None:
    declare, insert = actions("DECLARE @t TABLE (a int) INSERT INTO @t VALUES (1)")
    assert isinstance(declare, program.DeclareTable)
    assert isinstance(insert, program.Sql)
    assert declare.table.startswith("[#@t:")
    assert declare.definition == "(a int)"
    assert insert.text == f"INSERT INTO {declare.table} VALUES (1)"
    (again, *_) = actions("DECLARE @t TABLE (a int)")
    assert again != declare


def test_line_numbers_count_from_the_batch() -> None:
    parsed = parse_batch("PRINT 1\n\nPRINT 2\n/* a\nb */ PRINT 3")
    assert [i.line for i in parsed.instructions] == [1, 3, 5]


@pytest.mark.parametrize(
    ("sql", "number", "text", "line"),
    [
        ("SELECT 1 FROM", 102, "Incorrect syntax near 'FROM'.", 1),
        ("SELECT 1\nSELECT FROM t", 156, "Incorrect syntax near the keyword 'FROM'.", 2),
        ("SELECT 'abc", 105, "Unclosed quotation mark after the character string 'abc'.", 1),
        ("SELECT 1 /* abc", 113, "Missing end comment mark '*/'.", 1),
        ("SELECT 1\nSET @a = 1", 137, 'Must declare the scalar variable "@a".', 2),
        ("SELECT @a", 137, 'Must declare the scalar variable "@a".', 1),
        (
            "DECLARE @a int, @A int",
            134,
            "The variable name '@A' has already been declared.",
            1,
        ),
        (
            "BREAK",
            135,
            "Cannot use a BREAK statement outside the scope of a WHILE statement.",
            1,
        ),
        (
            "CONTINUE",
            136,
            "Cannot use a CONTINUE statement outside the scope of a WHILE statement.",
            1,
        ),
        (
            "GOTO nowhere",
            133,
            "A GOTO statement references the label 'NOWHERE' but the label has not been declared.",
            1,
        ),
        ("PRINT 1 CREATE VIEW v AS SELECT 1 AS a", 111, "'CREATE VIEW' must be the first", 1),
        ("THROW", 10704, "To rethrow an error, a THROW statement must be used inside", 1),
        ("SET SHOWPLAN_XML ON", 195, "'SHOWPLAN_XML ON' is not a recognized SET option.", 1),
        ("SET NO_SUCH ON", 195, "'NO_SUCH' is not a recognized SET option.", 1),
        ("BEGIN END", 156, "Incorrect syntax near the keyword 'END'.", 1),
        ("BEGIN PRINT 1", 102, "Incorrect syntax near '1'.", 1),
        ("BEGIN TRY PRINT 1 END TRY", 102, "Incorrect syntax near 'TRY'", 1),
        ("DECLARE @c CURSOR", 156, "Incorrect syntax near the keyword 'CURSOR'.", 1),
        ("DECLARE c CURSOR FOR SELECT 1", 102, "Incorrect syntax near 'c'.", 1),
        ("IF 1 = 1", 102, "Incorrect syntax near '1'.", 1),
        ("SAVE TRAN", 156, "Incorrect syntax near the keyword 'TRAN'.", 1),
        ("RAISERROR ('a', 16)", 102, "Incorrect syntax near ')'.", 1),
    ],
)
def test_mistakes_get_sql_servers_numbers(sql: str, number: int, text: str, line: int) -> None:
    caught = error(sql)
    assert caught.number == number
    assert caught.text.startswith(text)
    assert caught.line == line
    assert caught.severity == 15


def test_deep_nesting_is_refused() -> None:
    assert error("IF 1 = 1 " * 100 + "PRINT 1").number == 191


WORDS = st.sampled_from(
    re.findall(
        r"\S+",
        "SELECT INSERT UPDATE DELETE SET FROM WHERE IF ELSE WHILE BEGIN END TRY CATCH DECLARE @a int "
        "= 1 ( ) , ; 'x' [y] t PRINT EXEC BREAK CASE WHEN THEN RETURN THROW COMMIT TRAN USE GOTO :",
    )
)


@given(st.lists(WORDS, max_size=25).map(" ".join))
def test_any_text_is_a_program_or_a_sql_error(sql: str) -> None:
    try:
        parsed = parse_batch(sql)
    except SqlError:
        return
    targets = [i.target for i in parsed.instructions if not isinstance(i, Run)]
    assert all(0 <= t <= len(parsed.instructions) for t in targets)
