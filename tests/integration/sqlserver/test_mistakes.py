"""What users do wrong, and SQL Server's own numbers and texts for it."""

import pytest

from tests.integration.sqlserver.odbc_session import Connector, OdbcSession

SETUP = """
CREATE TABLE parent (id int PRIMARY KEY, code varchar(5) UNIQUE, amount tinyint CHECK (amount < 100))
CREATE TABLE child (id int IDENTITY PRIMARY KEY, parent_id int NOT NULL REFERENCES parent (id))
INSERT parent VALUES (1, 'a', 1)
INSERT child VALUES (1)
"""

MISTAKES = [
    ("SELEC 1", 2812, "Could not find stored procedure 'SELEC'."),
    ("SELECT 1 +", 102, "Incorrect syntax near '+'."),
    ("SELECT * FROM", 102, "Incorrect syntax near 'FROM'."),
    ("SELECT * FORM parent", 102, "Incorrect syntax near 'FORM'."),
    ("SELECT id, FROM parent", 156, "Incorrect syntax near the keyword 'FROM'."),
    ("SELECT 'a", 105, "Unclosed quotation mark after the character string 'a'."),
    ("/* SELECT 1", 113, "Missing end comment mark '*/'."),
    (
        "RETURN 5",
        178,
        "A RETURN statement with a return value cannot be used in this context.",
    ),
    ("SELECT @x", 137, 'Must declare the scalar variable "@x".'),
    ("SELECT nope FROM parent", 207, "Invalid column name 'nope'."),
    ("SELECT * FROM nope", 208, "Invalid object name 'nope'."),
    ("SELECT * FROM no_such.parent", 208, "Invalid object name 'no_such.parent'."),
    ("SELECT id FROM parent AS a, child AS b", 209, "Ambiguous column name 'id'."),
    ("SELECT x.id FROM parent", 4104, 'The multi-part identifier "x.id" could not be bound.'),
    ("SELECT NO_SUCH(1)", 195, "'NO_SUCH' is not a recognized built-in function name."),
    ("SELECT LEFT('a')", 174, "The left function requires 2 argument(s)."),
    (
        "SELECT code, COUNT(*) FROM parent",
        8120,
        (
            "Column 'parent.code' is invalid in the select list because it is not contained in either "
            "an aggregate function or the GROUP BY clause."
        ),
    ),
    ("SELECT 1 / 0", 8134, "Divide by zero error encountered."),
    (
        "SELECT CAST('x' AS int)",
        245,
        "Conversion failed when converting the varchar value 'x' to data type int.",
    ),
    (
        "SELECT CAST('x' AS decimal(5, 2))",
        8114,
        "Error converting data type varchar to numeric.",
    ),
    (
        "SELECT CAST('x' AS date)",
        241,
        "Conversion failed when converting date and/or time from character string.",
    ),
    (
        "SELECT CAST('x' AS uniqueidentifier)",
        8169,
        "Conversion failed when converting from a character string to uniqueidentifier.",
    ),
    (
        "SELECT CAST(300 AS tinyint)",
        220,
        "Arithmetic overflow error for data type tinyint, value = 300.",
    ),
    (
        "SELECT 2147483647 + 1",
        8115,
        "Arithmetic overflow error converting expression to data type int.",
    ),
    (
        "SELECT (SELECT 1 UNION SELECT 2)",
        512,
        (
            "Subquery returned more than 1 value. This is not permitted when the subquery follows "
            "=, !=, <, <= , >, >= or when the subquery is used as an expression."
        ),
    ),
    (
        "SELECT 1 UNION SELECT 1, 2",
        205,
        (
            "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number "
            "of expressions in their target lists."
        ),
    ),
    (
        "INSERT parent VALUES (1, 'b', 1)",
        2627,
        (
            "Violation of PRIMARY KEY constraint '*'. Cannot insert duplicate key in object "
            "'dbo.parent'. The duplicate key value is (1)."
        ),
    ),
    (
        "INSERT parent VALUES (2, 'a', 1)",
        2627,
        (
            "Violation of UNIQUE KEY constraint '*'. Cannot insert duplicate key in object "
            "'dbo.parent'. The duplicate key value is (a)."
        ),
    ),
    (
        "INSERT parent VALUES (2, 'b', 100)",
        547,
        (
            'The INSERT statement conflicted with the CHECK constraint "*". The conflict occurred in '
            'database "test_mistakes", table "dbo.parent", column \'amount\'.'
        ),
    ),
    (
        "INSERT child VALUES (9)",
        547,
        (
            'The INSERT statement conflicted with the FOREIGN KEY constraint "*". The conflict '
            'occurred in database "test_mistakes", table "dbo.parent", column \'id\'.'
        ),
    ),
    (
        "DELETE parent",
        547,
        (
            'The DELETE statement conflicted with the REFERENCE constraint "*". The conflict occurred '
            'in database "test_mistakes", table "dbo.child", column \'parent_id\'.'
        ),
    ),
    (
        "INSERT child VALUES (NULL)",
        515,
        (
            "Cannot insert the value NULL into column 'parent_id', table 'test_mistakes.dbo.child'; "
            "column does not allow nulls. INSERT fails."
        ),
    ),
    (
        "INSERT parent VALUES (2, 'toolong', 1)",
        2628,
        (
            "String or binary data would be truncated in table 'test_mistakes.dbo.parent', column "
            "'code'. Truncated value: 'toolo'."
        ),
    ),
    (
        "INSERT child (id, parent_id) VALUES (7, 1)",
        544,
        (
            "Cannot insert explicit value for identity column in table 'child' when IDENTITY_INSERT is "
            "set to OFF."
        ),
    ),
    (
        "INSERT parent (id) VALUES (1, 2)",
        110,
        (
            "There are fewer columns in the INSERT statement than values specified in the VALUES "
            "clause. The number of values in the VALUES clause must match the number of columns "
            "specified in the INSERT statement."
        ),
    ),
    (
        "INSERT parent VALUES (1)",
        213,
        "Column name or number of supplied values does not match table definition.",
    ),
    (
        "UPDATE child SET id = 2",
        8102,
        "Cannot update identity column 'id'.",
    ),
    (
        "CREATE TABLE parent (a int)",
        2714,
        "There is already an object named 'parent' in the database.",
    ),
    (
        "CREATE TABLE twice (a int, A int)",
        2705,
        (
            "Column names in each table must be unique. Column name 'A' in table 'twice' is specified "
            "more than once."
        ),
    ),
    (
        "DROP TABLE nope",
        3701,
        "Cannot drop the table 'nope', because it does not exist or you do not have permission.",
    ),
    (
        "DROP TABLE parent",
        3726,
        "Could not drop object 'parent' because it is referenced by a FOREIGN KEY constraint.",
    ),
    (
        "ALTER TABLE nope ADD a int",
        4902,
        'Cannot find the object "nope" because it does not exist or you do not have permissions.',
    ),
    (
        "CREATE TABLE odd (a no_such_type)",
        2715,
        "Column, parameter, or variable #1: Cannot find data type no_such_type.",
    ),
    (
        "DECLARE @a no_such_type",
        2715,
        "Column, parameter, or variable #1: Cannot find data type no_such_type.",
    ),
    (
        "USE no_such_database",
        911,
        "Database 'no_such_database' does not exist. Make sure that the name is entered correctly.",
    ),
    ("EXEC no_such_procedure", 2812, "Could not find stored procedure 'no_such_procedure'."),
    (
        "EXEC sp_executesql N'SELECT @a', N'@a int'",
        8178,
        (
            "The parameterized query '(@a int)SELECT @a' expects the parameter '@a', which was not "
            "supplied."
        ),
    ),
    (
        "EXEC sp_pkeys",
        201,
        "Procedure or function 'sp_pkeys' expects parameter '@table_name', which was not supplied.",
    ),
    ("EXEC sp_pkeys @nope = 1", 8145, "@nope is not a parameter for procedure sp_pkeys."),
    (
        "WAITFOR DELAY '99:00:00'",
        148,
        "Incorrect time syntax in time string '99:00:00' used with WAITFOR.",
    ),
    (
        "THROW 1, 'x', 1",
        35100,
        (
            "Error number 1 in the THROW statement is outside the valid range. Specify an error number "
            "in the valid range of 50000 to 2147483647."
        ),
    ),
    (
        "EXEC sp_help 'nope'",
        15009,
        (
            "The object 'nope' does not exist in database 'test_mistakes' or is invalid for this "
            "operation."
        ),
    ),
]


@pytest.fixture(scope="module", autouse=True)
async def tables(connector: Connector) -> None:
    await connector.server.run_script(SETUP, database=connector.database)


@pytest.mark.parametrize(("batch", "number", "text"), MISTAKES, ids=[m[0] for m in MISTAKES])
async def test_number_and_text(sql: OdbcSession, batch: str, number: int, text: str) -> None:
    found_number, found = await sql.fails(batch)
    assert found_number == number
    start, _, end = text.partition("*")
    assert found.startswith(start)
    assert found.endswith(end)
    assert await sql.value("SELECT 1") == 1
