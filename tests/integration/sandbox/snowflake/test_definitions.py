"""Tables and their columns: made, changed, swapped, described."""

from typing import Any

import pytest
from anyio import create_task_group
from snowflake.connector.errors import ProgrammingError

from tests.integration.sandbox.snowflake.conftest import Connect, Run

EVERY_TYPE = {
    "NUMBER(38,0)": "NUMBER(38,0)",
    "INT": "NUMBER(38,0)",
    "NUMBER(10)": "NUMBER(10,0)",
    "DECIMAL(20,4)": "NUMBER(20,4)",
    "DOUBLE PRECISION": "FLOAT",
    "BOOLEAN": "BOOLEAN",
    "VARCHAR": "VARCHAR(16777216)",
    "VARCHAR(12)": "VARCHAR(12)",
    "CHAR": "VARCHAR(1)",
    "STRING": "VARCHAR(16777216)",
    "BINARY": "BINARY(8388608)",
    "BINARY(20)": "BINARY(20)",
    "DATE": "DATE",
    "TIME(7)": "TIME(7)",
    "TIMESTAMP_NTZ(7)": "TIMESTAMP_NTZ(7)",
    "TIMESTAMP_LTZ": "TIMESTAMP_LTZ(9)",
    "TIMESTAMP_TZ(7)": "TIMESTAMP_TZ(7)",
    "DATETIME": "TIMESTAMP_NTZ(9)",
    "VARIANT": "VARIANT",
}


async def _types(run: Run, table: str) -> dict[str, str]:
    return {row[0]: row[1] for row in await run(f"DESCRIBE TABLE {table}")}


async def test_every_declared_type_is_described_exactly(run: Run) -> None:
    columns = ", ".join(f"C{i} {kind}" for i, kind in enumerate(EVERY_TYPE))
    await run(f"CREATE TABLE T ({columns})")
    assert list((await _types(run, "T")).values()) == list(EVERY_TYPE.values())


async def test_the_information_schema_tells_the_parameters_of_types(run: Run) -> None:
    await run(
        "CREATE TABLE T (N NUMBER(20,4) NOT NULL, V VARCHAR(12), B BINARY(20), "
        "TS TIMESTAMP_NTZ(7), F FLOAT DEFAULT 1)"
    )
    found = await run(
        "SELECT COLUMN_NAME, DATA_TYPE, NUMERIC_PRECISION, NUMERIC_SCALE, "
        "CHARACTER_MAXIMUM_LENGTH, DATETIME_PRECISION, IS_NULLABLE "
        "FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = CURRENT_SCHEMA() "
        "AND TABLE_NAME = 'T' ORDER BY ORDINAL_POSITION"
    )
    assert found == [
        ("N", "NUMBER", 20, 4, None, None, "NO"),
        ("V", "TEXT", None, None, 12, None, "YES"),
        ("B", "BINARY", None, None, 20, None, "YES"),
        ("TS", "TIMESTAMP_NTZ", None, None, None, 7, "YES"),
        ("F", "FLOAT", None, None, None, None, "YES"),
    ]


async def test_names_fold_unless_they_are_quoted(run: Run) -> None:
    await run('CREATE TABLE "Order" (id INT, "select" INT, "Größe ""x""" INT)')
    assert list(await _types(run, '"Order"')) == ["ID", "select", 'Größe "x"']
    await run('INSERT INTO "Order" (ID, "select") VALUES (1, 2)')
    assert await run('SELECT Id, "select" FROM "Order"') == [(1, 2)]
    with pytest.raises(ProgrammingError) as missing:
        await run("DESCRIBE TABLE Order_")
    assert missing.value.errno == 2003


async def test_names_may_have_an_apostrophe(run: Run) -> None:
    await run("CREATE TABLE \"it's\" (\"a's\" INT) COMMENT = 'it''s'")
    await run('CREATE TEMPORARY TABLE "tmp\'s" AS SELECT 1 AS "a\'s"')
    await run('INSERT INTO "it\'s" SELECT * FROM "tmp\'s"')
    await run('CREATE TABLE "x\'s" LIKE "it\'s"')
    await run('ALTER TABLE "it\'s" SWAP WITH "x\'s"')
    assert await run('SELECT "a\'s" FROM "x\'s"') == [(1,)]
    await run('DROP TABLE "x\'s"')


async def test_keys_are_not_enforced_but_make_columns_not_null(run: Run) -> None:
    await run("CREATE TABLE T (A INT, B INT UNIQUE, V VARCHAR, PRIMARY KEY (A))")
    await run("INSERT INTO T VALUES (1, 1, 'x'), (1, 1, 'y')")
    assert [row[3] for row in await run("DESCRIBE TABLE T")] == ["N", "Y", "Y"]


async def test_columns_are_added_widened_renamed_and_dropped(run: Run) -> None:
    await run("CREATE TABLE T (ID INT NOT NULL, V VARCHAR(10), N NUMBER(10,2))")
    await run("INSERT INTO T VALUES (1, 'a', 1.25)")
    await run("ALTER TABLE T ADD COLUMN A VARCHAR(5), B NUMBER(5,0) DEFAULT 7")
    await run("ALTER TABLE T ADD COLUMN IF NOT EXISTS A VARCHAR(5)")
    await run("ALTER TABLE T ALTER COLUMN V SET DATA TYPE VARCHAR(20)")
    await run("ALTER TABLE T MODIFY (COLUMN N TYPE NUMBER(20,2), COLUMN ID DROP NOT NULL)")
    await run('ALTER TABLE T RENAME COLUMN A TO "a b"')
    await run("ALTER TABLE T ALTER COLUMN V COMMENT 'words'")
    await run("COMMENT ON COLUMN T.N IS 'it''s a number'")
    assert await _types(run, "T") == {
        "ID": "NUMBER(38,0)",
        "V": "VARCHAR(20)",
        "N": "NUMBER(20,2)",
        "a b": "VARCHAR(5)",
        "B": "NUMBER(5,0)",
    }
    assert await run("SELECT * FROM T") == [(1, "a", pytest.approx(1.25), None, 7)]
    assert [row[9] for row in await run("DESCRIBE TABLE T")] == [
        None,
        "words",
        "it's a number",
        None,
        None,
    ]
    await run("INSERT INTO T (ID) VALUES (NULL)")
    await run('ALTER TABLE T DROP COLUMN "a b", B')
    await run("ALTER TABLE T DROP COLUMN IF EXISTS B")
    assert list(await _types(run, "T")) == ["ID", "V", "N"]


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("ADD COLUMN V INT", 1430),
        ("DROP COLUMN NONE", 904),
        ("RENAME COLUMN NONE TO X", 904),
        ("RENAME COLUMN V TO ID", 1430),
        ("ALTER COLUMN V SET DATA TYPE VARCHAR(5)", 2108),
        ("ALTER COLUMN V SET DATA TYPE NUMBER(5,0)", 2108),
        ("ALTER COLUMN ID SET DATA TYPE NUMBER(38,2)", 2108),
        ("ALTER COLUMN NONE DROP NOT NULL", 904),
        ("SWAP WITH NONE", 2003),
    ],
)
async def test_what_snowflake_does_not_alter_is_refused(run: Run, action: str, code: int) -> None:
    await run("CREATE TABLE T (ID INT, V VARCHAR(10))")
    with pytest.raises(ProgrammingError) as refused:
        await run(f"ALTER TABLE T {action}")
    assert refused.value.errno == code
    assert await _types(run, "T") == {"ID": "NUMBER(38,0)", "V": "VARCHAR(10)"}


async def test_a_swap_exchanges_rows_and_columns(run: Run) -> None:
    await run("CREATE TABLE T (ID INT, V VARCHAR(10))")
    await run("CREATE TABLE T__LOAD (ID INT, V VARCHAR(99), N TIME(7))")
    await run("INSERT INTO T VALUES (1, 'old')")
    await run("INSERT INTO T__LOAD (ID) VALUES (2), (3)")
    await run("ALTER TABLE IF EXISTS T__LOAD SWAP WITH T")
    assert await run("SELECT ID FROM T ORDER BY 1") == [(2,), (3,)]
    assert await run("SELECT V FROM T__LOAD") == [("old",)]
    assert await _types(run, "T") == {"ID": "NUMBER(38,0)", "V": "VARCHAR(99)", "N": "TIME(7)"}
    await run("DROP TABLE T__LOAD")
    await run("ALTER TABLE IF EXISTS T__LOAD SWAP WITH T")


async def test_tables_are_made_from_others(run: Run) -> None:
    await run("CREATE TABLE T (ID INT NOT NULL, V VARCHAR(10) DEFAULT 'x', TS TIMESTAMP_NTZ(3))")
    await run("INSERT INTO T (ID) VALUES (1)")
    await run("CREATE TABLE L LIKE T")
    await run("CREATE TABLE C CLONE T")
    await run("CREATE TRANSIENT TABLE S AS SELECT ID, V FROM T")
    described = await run("DESCRIBE TABLE T")
    assert await run("DESCRIBE TABLE L") == described
    assert await _types(run, "C") == await _types(run, "T")
    assert await run("SELECT COUNT(*) FROM L") == [(0,)]
    assert await run("SELECT * FROM C") == [(1, "x", None)]
    assert await run("SELECT * FROM S") == [(1, "x")]


async def test_if_exists_and_or_replace(run: Run) -> None:
    await run("CREATE TABLE T (ID INT)")
    with pytest.raises(ProgrammingError):
        await run("CREATE TABLE T (ID INT)")
    assert "already exists" in (await run("CREATE TABLE IF NOT EXISTS T (OTHER INT)"))[0][0]
    assert list(await _types(run, "T")) == ["ID"]
    await run("CREATE OR REPLACE TABLE T (OTHER VARCHAR(3))")
    assert await _types(run, "T") == {"OTHER": "VARCHAR(3)"}
    await run("DROP TABLE T")
    await run("DROP TABLE IF EXISTS T")
    await run("TRUNCATE TABLE IF EXISTS T")


async def test_temporary_tables_belong_to_a_session(
    connect: Connect, run: Run, schema: str
) -> None:
    cursors: list[Any] = [(await connect()).cursor() for _ in range(2)]
    for number, cursor in enumerate(cursors):
        await cursor.execute("CREATE TEMPORARY TABLE IF NOT EXISTS STG (ID INT, V VARCHAR(3))")
        await cursor.execute(f"INSERT INTO TEST.{schema}.STG (ID) VALUES ({number})")
        await cursor.execute("DELETE FROM STG WHERE ID = 9")
    for number, cursor in enumerate(cursors):
        await cursor.execute(f'SELECT STG.ID FROM "TEST"."{schema}"."STG"')
        assert await cursor.fetchall() == [(number,)]
    with pytest.raises(ProgrammingError):
        await run("SELECT * FROM STG")
    await cursors[0].execute("DESCRIBE TABLE STG")
    assert [row[:2] for row in await cursors[0].fetchall()] == [
        ("ID", "NUMBER(38,0)"),
        ("V", "VARCHAR(3)"),
    ]
    await cursors[0].execute("DROP TABLE STG")


async def test_databases_and_schemas(run: Run) -> None:
    await run("CREATE DATABASE SIDE")
    assert await run("SELECT CURRENT_DATABASE(), CURRENT_SCHEMA()") == [("SIDE", "PUBLIC")]
    await run('CREATE SCHEMA "my schema"')
    await run("CREATE TABLE T (I INT)")
    assert await run('SELECT COUNT(*) FROM SIDE."my schema".T') == [(0,)]
    found = {row[1] for row in await run("SHOW SCHEMAS IN DATABASE SIDE")}
    assert {"PUBLIC", "my schema"} <= found
    with pytest.raises(ProgrammingError) as there:
        await run("CREATE DATABASE SIDE")
    assert there.value.errno == 2002
    await run("CREATE DATABASE IF NOT EXISTS SIDE")
    await run('DROP SCHEMA "my schema"')
    await run("DROP DATABASE SIDE")
    await run("DROP DATABASE IF EXISTS SIDE")
    assert await run("SELECT CURRENT_DATABASE()") == [(None,)]


async def test_tables_are_shown(run: Run, schema: str) -> None:
    await run("CREATE TABLE ONE (I INT) COMMENT = 'first'")
    await run("CREATE TABLE TWO (I INT)")
    assert [row[1] for row in await run(f"SHOW TABLES IN SCHEMA TEST.{schema}")] == ["ONE", "TWO"]
    assert [row[1] for row in await run("SHOW TABLES LIKE 'on%'")] == ["ONE"]
    found = await run(
        "SELECT TABLE_NAME, COMMENT FROM INFORMATION_SCHEMA.TABLES "
        f"WHERE TABLE_SCHEMA = '{schema}' ORDER BY 1"
    )
    assert found == [("ONE", "first"), ("TWO", None)]


async def test_what_an_account_needs_is_accepted(run: Run) -> None:
    for sql in (
        "CREATE WAREHOUSE IF NOT EXISTS WH WAREHOUSE_SIZE = XSMALL AUTO_SUSPEND = 60",
        "ALTER WAREHOUSE WH RESUME IF SUSPENDED",
        "CREATE ROLE LOADER",
        "GRANT USAGE ON WAREHOUSE WH TO ROLE LOADER",
        "USE WAREHOUSE WH",
        "USE ROLE LOADER",
    ):
        await run(sql)
    assert await run("SELECT CURRENT_WAREHOUSE(), CURRENT_ROLE()") == [("WH", "LOADER")]


async def test_a_schema_may_be_wished_for_by_many_at_once(connect: Connect) -> None:
    connections = [await connect() for _ in range(6)]

    async def wish(connection: Any, name: str) -> None:
        cursor = connection.cursor()
        await cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "TEST"."{name}"')

    for name in ("many 1", "many 2", "many 3"):
        async with create_task_group() as group:
            for connection in connections:
                group.start_soon(wish, connection, name)


async def test_names_have_255_characters_at_most(run: Run) -> None:
    longest, text = "é" * 255, "x" * 300
    await run(f'CREATE TABLE "{longest}" ("{longest}" VARCHAR)')
    await run(f"INSERT INTO \"{longest}\" SELECT 'it''s \"{text}\"'")
    assert await run(f'SELECT LENGTH("{longest}") FROM "{longest}"') == [(307,)]
    with pytest.raises(ProgrammingError, match="256") as refused:
        await run(f'CREATE TABLE "{longest}x" ("A" INT)')
    assert refused.value.errno == 1003
