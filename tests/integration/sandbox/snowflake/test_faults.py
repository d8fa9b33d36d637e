"""What goes wrong on demand, and what the real connector makes of it."""

import time
from typing import Any

import anyio
import pyarrow as pa
import pytest
from snowflake.connector.errors import DatabaseError, Error, OperationalError, ProgrammingError

from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator, snowflake_emulator
from dtaas.sandbox.snowflake.faults import Fault
from tests.integration.sandbox.snowflake.conftest import Connect, Run
from tests.integration.sandbox.snowflake.staged import BY_NAME, parquet, put


@pytest.mark.parametrize("kind", ["status", "reset"])
@pytest.mark.parametrize("statement", ["COMMIT", "INSERT INTO T VALUES (1)"])
async def test_a_lost_reply_is_asked_for_again_and_nothing_runs_twice(
    connect: Connect, run: Run, snowflake: SnowflakeEmulator, kind: Any, statement: str
) -> None:
    await run("CREATE TABLE T (I INT)")
    cursor = (await connect()).cursor()
    await snowflake.inject(Fault(match=f"^{statement[:6]}", kind=kind, when="after"))
    await cursor.execute("BEGIN")
    await cursor.execute("INSERT INTO T VALUES (1)")
    await cursor.execute("COMMIT")
    assert await run("SELECT COUNT(*) FROM T") == [(1,)]
    assert await snowflake.waiting_faults() == []
    ran = [said.sql for said in await snowflake.log() if said.sql.startswith(statement[:6])]
    assert len(ran) == 1


async def test_a_reply_cut_in_its_middle_leaves_the_outcome_unknown(
    connect: Connect, run: Run, snowflake: SnowflakeEmulator
) -> None:
    await run("CREATE TABLE T (I INT)")
    cursor = (await connect()).cursor()
    await snowflake.inject(Fault(match="^COMMIT", kind="drop", when="after"))
    await cursor.execute("BEGIN")
    await cursor.execute("INSERT INTO T VALUES (1)")
    with pytest.raises(Error) as refused:  # connector 5.2 does not ask again for such a reply
        await cursor.execute("COMMIT")
    assert refused.value.errno == 6
    assert await run("SELECT COUNT(*) FROM T") == [(1,)]


async def test_an_outage_before_the_statement_is_waited_out(
    run: Run, snowflake: SnowflakeEmulator
) -> None:
    await snowflake.inject(Fault(match="SELECT 'soon'", kind="status", status=503, times=2))
    assert await run("SELECT 'soon'") == [("soon",)]


async def test_the_nth_statement_is_refused(run: Run, snowflake: SnowflakeEmulator) -> None:
    await snowflake.inject(
        Fault(match="^SELECT 'n'", kind="error", skip=2, code=90073, sqlstate="22000", message="no")
    )
    assert await run("SELECT 'n'") == await run("SELECT 'n'")
    with pytest.raises(ProgrammingError, match="no") as refused:
        await run("SELECT 'n'")
    assert (refused.value.errno, refused.value.sqlstate) == (90073, "22000")
    assert await run("SELECT 'n'") == [("n",)]


async def test_a_session_expires_in_the_middle_of_a_transaction(
    connect: Connect, run: Run, snowflake: SnowflakeEmulator
) -> None:
    await run("CREATE TABLE T (I INT)")
    cursor = (await connect()).cursor()
    await snowflake.inject(Fault(match="VALUES \\(2\\)", kind="expire"))
    await cursor.execute("BEGIN")
    await cursor.execute("INSERT INTO T VALUES (1)")
    await cursor.execute("INSERT INTO T VALUES (2)")
    await cursor.execute("COMMIT")
    assert await run("SELECT COUNT(*) FROM T") == [(2,)]


async def test_a_statement_takes_longer(run: Run, snowflake: SnowflakeEmulator) -> None:
    await snowflake.inject(Fault(match="^SELECT 'slow'", kind="delay", delay_s=0.5))
    before = time.monotonic()
    await run("SELECT 'slow'")
    assert time.monotonic() - before >= 0.5


async def test_a_bad_fault_is_refused(snowflake: SnowflakeEmulator) -> None:
    with pytest.raises(ValueError, match="unterminated"):
        await snowflake.inject(Fault(match="(", kind="drop"))
    assert await snowflake.waiting_faults() == []


@pytest.fixture
async def mortal(tmp_path: Any) -> Any:
    """An emulator of its own, which a test may kill."""
    async with snowflake_emulator(tmp_path, user="u", password="p") as running:
        await running.create_database("TEST", "S")
        yield running


async def _all(emulator: SnowflakeEmulator, connect: Connect, sql: str) -> list[Any]:
    cursor = (await connect(**{**emulator.connection, "schema": "S"})).cursor()
    await cursor.execute(sql)
    return await cursor.fetchall()


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("when", "rows"), [("before", 0), ("after", 1)])
async def test_a_server_that_dies_around_commit_decides_the_outcome(
    mortal: SnowflakeEmulator, connect: Connect, when: Any, rows: int
) -> None:
    cursor = (await connect(**mortal.connection, schema="S", query_timeout=5)).cursor()
    await cursor.execute("CREATE TABLE T (I INT)")
    await mortal.inject(Fault(match="^COMMIT", kind="exit", when=when))
    await cursor.execute("BEGIN")
    await cursor.execute("INSERT INTO T VALUES (1)")
    with pytest.raises(Error):
        await cursor.execute("COMMIT")
    await mortal.wait_dead()
    await mortal.start()
    with pytest.raises((DatabaseError, OperationalError)) as refused:
        await cursor.execute("SELECT COUNT(*) FROM T")
    assert refused.value.errno in (390104, 390114)
    assert await _all(mortal, connect, "SELECT COUNT(*) FROM T") == [(rows,)]


@pytest.mark.timeout(180)
async def test_everything_committed_outlives_a_crash(
    mortal: SnowflakeEmulator, connect: Connect
) -> None:
    async def connect_here(**changes: Any) -> Any:
        return await connect(**{**mortal.connection, "schema": "S", **changes})

    cursor = (await connect_here()).cursor()
    await cursor.execute("CREATE TABLE T (ID NUMBER(20,0) NOT NULL, V VARCHAR(7))")
    await cursor.execute("CREATE STAGE ST")
    await cursor.execute("CREATE FILE FORMAT F TYPE = PARQUET USE_VECTORIZED_SCANNER = TRUE")
    await put(connect_here, parquet(pa.table({"ID": [1, 2]})), "a.parquet", "@ST/p/")
    await put(connect_here, parquet(pa.table({"ID": [3]})), "b.parquet", "@ST/p/")
    await cursor.execute(f"COPY INTO T FROM @ST/p/ FILES = ('a.parquet') {BY_NAME}")
    await cursor.execute("BEGIN")
    await cursor.execute("INSERT INTO T VALUES (9, 'open')")

    await mortal.restart(crash=True)

    described = await _all(mortal, connect, "DESCRIBE TABLE T")
    assert [row[1] for row in described] == ["NUMBER(20,0)", "VARCHAR(7)"]
    listed = await _all(mortal, connect, "LIST @ST")
    assert [row[0] for row in listed] == ["st/p/a.parquet", "st/p/b.parquet"]
    copy = "COPY INTO T FROM @ST/p/ FILE_FORMAT = F MATCH_BY_COLUMN_NAME = CASE_SENSITIVE"
    loaded = await _all(mortal, connect, copy)
    assert [row[0] for row in loaded] == ["st/p/b.parquet"]  # a.parquet is known
    assert await _all(mortal, connect, "SELECT ID FROM T ORDER BY 1") == [(1,), (2,), (3,)]


@pytest.mark.timeout(180)
async def test_a_stop_in_order_waits_for_nobody(
    mortal: SnowflakeEmulator, connect: Connect
) -> None:
    cursor = (await connect(**mortal.connection, schema="S")).cursor()
    await cursor.execute("CREATE TABLE T AS SELECT 1 AS ONE")
    await cursor.execute("BEGIN")
    await cursor.execute("DELETE FROM T")
    with anyio.fail_after(60):
        await mortal.restart()
    assert await _all(mortal, connect, "SELECT * FROM T") == [(1,)]
