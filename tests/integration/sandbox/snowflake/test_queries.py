"""The real connector asks; the emulated Snowflake answers."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import anyio
import pytest
from snowflake.connector import connect as blocking_connect
from snowflake.connector.errors import ProgrammingError

from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator
from tests.integration.sandbox.snowflake.conftest import Connect, Run


async def test_every_type_comes_back(run: Run) -> None:
    rows = await run(
        "SELECT 1::NUMBER(38,0) AS N, 99999999999999999999999999999999999999 AS BIG, "
        "-1.2345::NUMBER(10,4) AS D, 1.5::FLOAT AS F, TRUE AS B, 'ä€😀' AS T, "
        "TO_BINARY('00FF', 'HEX') AS X, '2024-02-29'::DATE AS DAY, '23:59:59.999999'::TIME AS TI, "
        "'1600-01-02 03:04:05.123456'::TIMESTAMP_NTZ AS NTZ, "
        "'2024-01-02T03:04:05+05:30'::TIMESTAMP_TZ AS TZ, PARSE_JSON('{\"a\": [1, null]}') AS V"
    )

    assert rows[0][:11] == (
        1,
        99999999999999999999999999999999999999,
        Decimal("-1.2345"),
        1.5,
        True,
        "ä€😀",
        b"\x00\xff",
        date(2024, 2, 29),
        time(23, 59, 59, 999999),
        datetime(1600, 1, 2, 3, 4, 5, 123456),
        datetime(2024, 1, 1, 21, 34, 5, tzinfo=UTC),
    )
    assert rows[0][11].replace(" ", "") == '{"a":[1,null]}'


async def test_every_type_is_null(run: Run) -> None:
    types = ("NUMBER(5,2)", "FLOAT", "BOOLEAN", "VARCHAR", "BINARY", "DATE", "TIME")
    times = ("TIMESTAMP_NTZ", "TIMESTAMP_TZ", "TIMESTAMP_LTZ", "VARIANT")
    rows = await run(f"SELECT {', '.join(f'NULL::{kind}' for kind in (*types, *times))}, NULL")
    assert rows == [(None,) * 12]


async def test_a_result_without_alias_is_named_by_its_text(connect: Connect) -> None:
    cursor = (await connect()).cursor()
    await cursor.execute("SELECT COUNT(*), MAX(1), 1 AS ONE, CURRENT_DATABASE()")
    assert [c[0] for c in cursor.description] == [
        "COUNT(*)",
        "MAX(1)",
        "ONE",
        "CURRENT_DATABASE()",
    ]


async def test_times_are_written_in_a_format(run: Run) -> None:
    rows = await run(
        "SELECT TO_VARCHAR('0001-02-03 04:05:06.123456'::TIMESTAMP_NTZ, "
        "'YYYY-MM-DD\"T\"HH24:MI:SS.FF7'), "
        "TO_CHAR('2024-01-02T03:04:05+05:30'::TIMESTAMP_TZ, 'DD.MM.YYYY HH24:MI TZH:TZM'), "
        "TO_VARCHAR('01:02:03.1234567'::TIME(7), 'HH24:MI:SS.FF9'), "
        "TO_VARCHAR('2024-02-29'::DATE, 'YYYYMMDD'), TO_VARCHAR(NULL::DATE, 'YYYY'), "
        "TO_VARCHAR(TO_BINARY('00ff', 'HEX'), 'HEX')"
    )
    assert rows == [
        (
            "0001-02-03T04:05:06.1234560",
            "01.01.2024 21:34 +00:00",
            "01:02:03.123456700",
            "20240229",
            None,
            "00FF",
        )
    ]


async def test_bound_values_of_every_type(connect: Connect, run: Run) -> None:
    await run(
        "CREATE TABLE T (N NUMBER(20,2), S VARCHAR, D DATE, TS TIMESTAMP_NTZ, B BINARY, O BOOLEAN)"
    )
    connection = await connect(paramstyle="qmark")
    values = (
        Decimal("12.34"),
        "it's",
        date(2020, 1, 2),
        datetime(2020, 1, 2, 3, 4, 5, 6),
        b"\1",
        True,
    )
    await connection.cursor().execute("INSERT INTO T VALUES (?, ?, ?, ?, ?, ?)", values)
    await connection.cursor().execute("INSERT INTO T VALUES (?, ?, ?, ?, ?, ?)", (None,) * 6)
    assert await run("SELECT * FROM T ORDER BY N NULLS LAST") == [values, (None,) * 6]


async def test_many_rows_are_one_statement(connect: Connect, run: Run) -> None:
    await run("CREATE TABLE T (I INT, S VARCHAR)")
    connection = await connect(paramstyle="qmark")
    cursor = connection.cursor()
    await cursor.executemany("INSERT INTO T VALUES (?, ?)", [(i, f"r{i}") for i in range(300)])
    assert cursor.rowcount == 300
    assert await run("SELECT COUNT(*), SUM(I), MAX(S) FROM T") == [(300, 44850, "r99")]


def test_the_blocking_connector_works_too(snowflake: SnowflakeEmulator) -> None:
    with blocking_connect(**snowflake.connection, database="TEST") as connection:
        assert connection.cursor().execute("SELECT 42").fetchone() == (42,)


async def test_a_result_of_many_rows_comes_as_arrow(connect: Connect) -> None:
    cursor = (await connect()).cursor()
    await cursor.execute(
        "SELECT SEQ4() AS I, 'text' AS S, NULL::TIMESTAMP_NTZ AS T "
        "FROM TABLE(GENERATOR(ROWCOUNT => 50000))"
    )
    table = await cursor.fetch_arrow_all()
    assert table.num_rows == 50_000
    assert table.column("S")[49_999].as_py() == "text"


async def test_a_query_runs_without_the_client_waiting(connect: Connect) -> None:
    connection = await connect()
    cursor = connection.cursor()
    await cursor.execute_async("SELECT COUNT(*) AS N FROM TABLE(GENERATOR(ROWCOUNT => 1000))")
    query_id = cursor.sfqid
    with anyio.fail_after(20):
        while connection.is_still_running(await connection.get_query_status(query_id)):
            await anyio.sleep(0.01)
    later = connection.cursor()
    await later.get_results_from_sfqid(query_id)
    assert await later.fetchall() == [(1000,)]


@pytest.mark.parametrize(
    ("sql", "code", "sqlstate"),
    [
        ("SELEC 1", 1003, "42000"),
        ("SELECT * FROM NOWHERE", 2003, "42S02"),
        ("SELECT NOTHING FROM (SELECT 1 AS ONE)", 904, "42000"),
        ("SELECT 'x'::NUMBER", 100038, "22018"),
        ("USE DATABASE NOWHERE", 2003, "02000"),
        ("DROP TABLE NOWHERE", 2003, "02000"),
        ("SELECT 1; SELECT 2", 8, "0A000"),
        ("SELECT TO_VARCHAR(1.5, '999')", 2, "0A000"),
        ("COPY INTO NOWHERE FROM @NOWHERE", 2003, "02000"),
        ("LIST @NOWHERE", 2003, "02000"),
    ],
)
async def test_errors_carry_the_numbers_of_snowflake(
    run: Run, sql: str, code: int, sqlstate: str
) -> None:
    with pytest.raises(ProgrammingError) as refused:
        await run(sql)
    assert (refused.value.errno, refused.value.sqlstate) == (code, sqlstate)
    assert refused.value.sfqid


async def test_a_cancelled_query_ends_on_the_server_too(
    connect: Connect, snowflake: SnowflakeEmulator
) -> None:
    connection = await connect()
    endless = (
        "SELECT COUNT(*) FROM RANGE(100000000000) A JOIN RANGE(1000000) B ON A.RANGE <> B.RANGE"
    )
    with anyio.move_on_after(1.0) as scope:
        await connection.cursor().execute(endless)
    assert scope.cancelled_caught
    cursor = connection.cursor()
    await cursor.execute("SELECT 1")
    assert await cursor.fetchall() == [(1,)]
    ended = [said for said in await snowflake.log() if said.sql == endless]
    assert [said.code for said in ended] == [604]


@pytest.mark.parametrize("how", ["session", "statement"])
async def test_a_statement_ends_at_its_limit(connect: Connect, how: str) -> None:
    endless = (
        "SELECT COUNT(*) FROM RANGE(100000000000) A JOIN RANGE(1000000) B ON A.RANGE <> B.RANGE"
    )
    limit = {"STATEMENT_TIMEOUT_IN_SECONDS": 1}
    connection = await connect(**({"session_parameters": limit} if how == "session" else {}))
    cursor = connection.cursor()
    with pytest.raises(ProgrammingError) as refused:
        await cursor.execute(
            endless, **({"_statement_params": limit} if how == "statement" else {})
        )
    assert (refused.value.errno, refused.value.sqlstate) == (630, "57014")
    await cursor.execute("SELECT 1")
    assert await cursor.fetchall() == [(1,)]


async def test_the_log_tells_statement_tag_and_session(
    connect: Connect, snowflake: SnowflakeEmulator
) -> None:
    connection = await connect(session_parameters={"QUERY_TAG": "task 7"})
    cursor = connection.cursor()
    await cursor.execute("SELECT 'one'")
    await cursor.execute("ALTER SESSION SET QUERY_TAG = 'task 8'")
    await cursor.execute("SELECT 'two'", _statement_params={"QUERY_TAG": "only this"})
    await cursor.execute("SELECT 'three'")
    tags = {said.sql: said.tag for said in await snowflake.log() if said.sql.startswith("SELECT")}
    assert tags == {
        "SELECT 'one'": "task 7",
        "SELECT 'two'": "only this",
        "SELECT 'three'": "task 8",
    }


async def test_parameters_of_the_session_are_kept(
    connect: Connect, snowflake: SnowflakeEmulator
) -> None:
    wanted = {"TIMEZONE": "UTC", "LOCK_TIMEOUT": 300, "ABORT_DETACHED_QUERY": True}
    connection = await connect(session_parameters=wanted, warehouse="WH", role="LOADER")
    cursor = connection.cursor()
    await cursor.execute("SELECT CURRENT_WAREHOUSE(), CURRENT_ROLE(), CURRENT_SESSION()")
    warehouse, role, session_id = (await cursor.fetchall())[0]
    assert (warehouse, role) == ("WH", "LOADER")
    found = next(s for s in await snowflake.sessions() if str(s["session"]) == session_id)
    kept = {name: found["parameters"][name].lower() for name in wanted}
    assert kept == {"TIMEZONE": "utc", "LOCK_TIMEOUT": "300", "ABORT_DETACHED_QUERY": "true"}
    await cursor.execute("SHOW PARAMETERS LIKE 'LOCK_TIMEOUT' IN SESSION")
    assert (await cursor.fetchall())[0][:2] == ("LOCK_TIMEOUT", "300")


async def test_fifty_sessions_at_once(connect: Connect) -> None:
    found: list[Any] = []

    async def one(number: int) -> None:
        cursor = (await connect()).cursor()
        await cursor.execute(f"SELECT {number}")
        found.extend(await cursor.fetchall())

    async with anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(one, number)
    assert sorted(found) == [(number,) for number in range(50)]


async def test_a_statement_with_comments_and_a_semicolon(run: Run) -> None:
    assert await run("-- why\n/* what */ SELECT 1; ") == [(1,)]


async def test_no_such_database_at_login_leaves_no_current_one(connect: Connect) -> None:
    cursor = (await connect(database="NOWHERE")).cursor()
    await cursor.execute("SELECT CURRENT_DATABASE()")
    assert await cursor.fetchall() == [(None,)]
    with pytest.raises(ProgrammingError) as refused:
        await cursor.execute("CREATE TABLE T (I INT)")
    assert refused.value.errno == 90105
