"""INSERT, UPDATE, DELETE and MERGE, their counts and their transactions."""

from typing import Any

import anyio
import pytest
from snowflake.connector.errors import DatabaseError, ProgrammingError

from tests.integration.sandbox.snowflake.conftest import Connect, Run


@pytest.fixture
async def _table(run: Run) -> None:
    await run("CREATE TABLE T (ID INT, V VARCHAR)")
    await run("INSERT INTO T VALUES (1, 'a'), (2, 'b'), (3, 'c')")


pytestmark = pytest.mark.usefixtures("_table")

MERGE = """
    MERGE INTO "T" AS T USING (
        SELECT * FROM (SELECT $1 AS "ID", $2 AS "V", $3 AS "_OP", $4 AS "_SEQ" FROM VALUES {rows})
        QUALIFY ROW_NUMBER() OVER (PARTITION BY "ID" ORDER BY "_SEQ" DESC) = 1
    ) AS S ON T."ID" = S."ID"
    WHEN MATCHED AND S."_OP" = 'D' THEN DELETE
    WHEN MATCHED THEN UPDATE SET T."V" = S."V"
    WHEN NOT MATCHED AND S."_OP" <> 'D' THEN INSERT ("ID", "V") VALUES (S."ID", S."V")
"""


async def test_counts_of_changes(connect: Connect) -> None:
    cursor = (await connect()).cursor()
    for sql, rows in (
        ("INSERT INTO T VALUES (4, 'd'), (5, NULL)", 2),
        ("UPDATE T SET V = 'x' WHERE ID > 3", 2),
        ("DELETE FROM T WHERE ID = 1", 1),
        ("DELETE FROM T WHERE ID = 1", 0),
    ):
        await cursor.execute(sql)
        assert cursor.rowcount == rows


async def test_thousands_of_rows_in_one_insert(connect: Connect, run: Run) -> None:
    await run("CREATE TABLE MANY (ID INT, S VARCHAR, F NUMBER(10,2), B BOOLEAN)")
    cursor = (await connect()).cursor()
    rows = [(i, f"it's {i}\\ \n;", i / 4 if i % 3 else None, i % 2 == 0) for i in range(3000)]
    await cursor.executemany("INSERT INTO MANY (ID, S, F, B) VALUES (%s, %s, %s, %s)", rows)
    assert cursor.rowcount == 3000
    plain = ", ".join(f"({i}, 'it''s; -- {i}', {i / 4}, TRUE)" for i in range(3000, 9000))
    assert await run(f"INSERT INTO MANY VALUES {plain}") == [(6000,)]
    assert await run("SELECT S FROM MANY WHERE ID IN (1, 5000) ORDER BY ID") == [
        ("it's 1\\ \n;",),
        ("it's; -- 5000",),
    ]
    assert await run("SELECT COUNT(*), SUM(F), COUNT_IF(B) FROM MANY") == [
        (9000, sum(i / 4 for i in range(9000) if i >= 3000 or i % 3), 7500)
    ]


async def test_a_merge_deletes_updates_and_inserts_the_last_of_each_key(
    connect: Connect, run: Run
) -> None:
    cursor = (await connect()).cursor()
    rows = "(1,NULL,'D',9),(2,'old','U',1),(2,'new','U',2),(7,'n','I',3),(8,NULL,'D',4)"
    await cursor.execute(MERGE.format(rows=rows))
    columns = [column[0] for column in cursor.description]
    assert columns == [
        "number of rows inserted",
        "number of rows updated",
        "number of rows deleted",
    ]
    assert await cursor.fetchall() == [(1, 1, 1)]
    assert cursor.rowcount == 3
    assert await run("SELECT * FROM T ORDER BY ID") == [(2, "new"), (3, "c"), (7, "n")]


async def test_a_merge_tells_only_of_the_clauses_it_has(connect: Connect) -> None:
    cursor = (await connect()).cursor()
    await cursor.execute(
        "MERGE INTO T USING (SELECT 9 AS ID) S ON T.ID = S.ID "
        "WHEN NOT MATCHED THEN INSERT (ID) VALUES (S.ID)"
    )
    assert [column[0] for column in cursor.description] == ["number of rows inserted"]


async def test_a_merge_with_two_rows_for_one_is_refused(run: Run) -> None:
    with pytest.raises(DatabaseError) as refused:
        await run(
            "MERGE INTO T USING (SELECT 1 AS ID, 'x' AS V UNION ALL SELECT 1, 'y') S "
            "ON T.ID = S.ID WHEN MATCHED THEN UPDATE SET V = S.V"
        )
    assert refused.value.errno == 100090
    assert await run("SELECT V FROM T WHERE ID = 1") == [("a",)]


async def test_a_merge_may_update_all_rows_of_a_key(run: Run) -> None:
    await run("INSERT INTO T VALUES (1, 'twin')")
    counted = await run(
        "MERGE INTO T USING (SELECT 1 AS ID, 'x' AS V) S "
        "ON T.ID = S.ID WHEN MATCHED THEN UPDATE SET V = S.V"
    )
    assert counted == [(2,)]


async def test_a_refused_merge_leaves_nothing_to_commit(connect: Connect, run: Run) -> None:
    cursor = (await connect()).cursor()
    await cursor.execute("BEGIN")
    with pytest.raises(DatabaseError):
        await cursor.execute(
            "MERGE INTO T USING (SELECT 1 AS ID, 'x' AS V UNION ALL SELECT 1, 'y') S "
            "ON T.ID = S.ID WHEN MATCHED THEN UPDATE SET V = S.V"
        )
    with pytest.raises(DatabaseError):
        await cursor.execute("COMMIT")
    assert await run("SELECT V FROM T WHERE ID = 1") == [("a",)]
    await cursor.execute("UPDATE T SET V = 'usable' WHERE ID = 1")


async def test_a_transaction_is_seen_whole_or_not_at_all(connect: Connect, run: Run) -> None:
    cursor = (await connect()).cursor()
    await cursor.execute("BEGIN NAME mine")
    await cursor.execute("BEGIN")  # a second one is ignored
    await cursor.execute("INSERT INTO T VALUES (4, 'd')")
    await cursor.execute(MERGE.format(rows="(1,NULL,'D',1)"))
    assert await run("SELECT COUNT(*) FROM T") == [(3,)]
    await cursor.execute("SELECT COUNT(*), CURRENT_TRANSACTION() IS NULL FROM T")
    assert await cursor.fetchall() == [(3, False)]
    await cursor.execute("COMMIT")
    assert await run("SELECT ID FROM T ORDER BY 1") == [(2,), (3,), (4,)]
    await cursor.execute("COMMIT")  # outside of a transaction nothing happens
    await cursor.execute("ROLLBACK")


async def test_rollback_undoes_everything_but_definitions(connect: Connect, run: Run) -> None:
    cursor = (await connect()).cursor()
    await cursor.execute("BEGIN")
    await cursor.execute("INSERT INTO T VALUES (4, 'd')")
    await cursor.execute("CREATE TABLE OTHER (I INT)")  # commits what is open, as Snowflake does
    await cursor.execute("INSERT INTO T VALUES (5, 'e')")
    await cursor.execute("ROLLBACK")
    assert await run("SELECT COUNT(*) FROM T") == [(5,)]
    await cursor.execute("BEGIN")
    await cursor.execute("TRUNCATE TABLE T")
    await cursor.execute("ROLLBACK")
    assert await run("SELECT COUNT(*) FROM T") == [(5,)]


async def test_without_autocommit_changes_wait_for_commit(connect: Connect, run: Run) -> None:
    connection = await connect(autocommit=False)
    cursor = connection.cursor()
    await cursor.execute("INSERT INTO T VALUES (4, 'd')")
    assert await run("SELECT COUNT(*) FROM T") == [(3,)]
    await connection.rollback()
    await cursor.execute("INSERT INTO T VALUES (5, 'e')")
    await connection.commit()
    assert await run("SELECT MAX(ID), COUNT(*) FROM T") == [(5, 4)]


async def test_a_session_that_ends_undoes_its_transaction(connect: Connect, run: Run) -> None:
    connection = await connect()
    await connection.cursor().execute("BEGIN")
    await connection.cursor().execute("DELETE FROM T")
    await connection.close()
    assert await run("SELECT COUNT(*) FROM T") == [(3,)]
    await run("UPDATE T SET V = 'free'")


async def test_a_second_writer_waits_for_the_lock_of_the_table(connect: Connect, run: Run) -> None:
    first, second = (await connect()).cursor(), (await connect()).cursor()
    await first.execute("BEGIN")
    await first.execute(MERGE.format(rows="(1,'first','U',1)"))
    order: list[str] = []

    async def write() -> None:
        await second.execute("UPDATE T SET V = V || ' second' WHERE ID = 1")
        order.append("second")

    async with anyio.create_task_group() as group:
        group.start_soon(write)
        await run("INSERT INTO T VALUES (9, 'no lock needed')")
        order.append("insert")
        await first.execute("COMMIT")
    assert order == ["insert", "second"]
    assert await run("SELECT V FROM T WHERE ID = 1") == [("first second",)]


async def test_the_wait_for_a_lock_ends(connect: Connect) -> None:
    first = (await connect()).cursor()
    second = (await connect(session_parameters={"LOCK_TIMEOUT": 1})).cursor()
    await first.execute("BEGIN")
    await first.execute("DELETE FROM T WHERE ID = 1")
    with pytest.raises(ProgrammingError) as refused:
        await second.execute("DELETE FROM T WHERE ID = 2")
    assert (refused.value.errno, refused.value.sqlstate) == (625, "57014")


async def test_two_that_wait_for_each_other_do_not_wait_for_ever(
    connect: Connect, run: Run
) -> None:
    await run("CREATE TABLE U (ID INT)")
    cursors = [(await connect()).cursor() for _ in range(2)]
    tables = ("T", "U")
    for cursor, table in zip(cursors, tables, strict=True):
        await cursor.execute("BEGIN")
        await cursor.execute(f"DELETE FROM {table}")
    refused: list[Any] = []

    async def cross(cursor: Any, table: str) -> None:
        try:
            await cursor.execute(f"DELETE FROM {table}")
        except ProgrammingError as error:
            refused.append(error.errno)
            await cursor.execute("ROLLBACK")

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for cursor, table in zip(cursors, reversed(tables), strict=True):
                group.start_soon(cross, cursor, table)
    assert refused == [625]


async def test_a_merge_first_sees_what_the_other_writer_committed(
    connect: Connect, run: Run
) -> None:
    """A writer that merges first may then compare positions: the fence of a second writer."""
    await run("CREATE TABLE POSITIONS (LSN INT)")
    first, second = (await connect()).cursor(), (await connect()).cursor()
    await first.execute("BEGIN")
    await first.execute(MERGE.format(rows="(1,'x','U',1)"))
    await first.execute("INSERT INTO POSITIONS VALUES (10)")
    await second.execute("BEGIN")
    seen: list[Any] = []

    async def write() -> None:
        await second.execute(MERGE.format(rows="(1,'y','U',1)"))
        await second.execute("SELECT MAX(LSN) FROM POSITIONS")
        seen.extend(await second.fetchall())
        await second.execute("ROLLBACK")

    async with anyio.create_task_group() as group:
        group.start_soon(write)
        await first.execute("COMMIT")
    assert seen == [(10,)]
    assert await run("SELECT V FROM T WHERE ID = 1") == [("x",)]


async def test_many_writers_of_many_tables_do_not_hinder_each_other(
    connect: Connect, run: Run
) -> None:
    await run("CREATE TABLE POSITIONS (T VARCHAR, LSN INT)")

    async def write(number: int) -> None:
        cursor = (await connect()).cursor()
        await cursor.execute(f"CREATE TABLE T{number} (ID INT, V VARCHAR)")
        for lsn in range(3):
            await cursor.execute("BEGIN")
            await cursor.execute(
                f"MERGE INTO T{number} T USING (SELECT {lsn} AS ID) S ON T.ID = S.ID "
                "WHEN NOT MATCHED THEN INSERT (ID) VALUES (S.ID)"
            )
            await cursor.execute(f"INSERT INTO POSITIONS VALUES ('T{number}', {lsn})")
            await cursor.execute("COMMIT")

    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(write, number)
    assert await run("SELECT COUNT(*), COUNT(DISTINCT T) FROM POSITIONS") == [(30, 10)]


async def test_a_transaction_left_open_is_found_by_its_name_and_aborted(
    connect: Connect, run: Run
) -> None:
    forgotten = (await connect()).cursor()
    await forgotten.execute("BEGIN NAME dtaas_left")
    await forgotten.execute("DELETE FROM T")
    found = [row for row in await run("SHOW TRANSACTIONS IN ACCOUNT") if row[3] == "DTAAS_LEFT"]
    assert len(found) == 1
    assert [row[3] for row in await run("SHOW LOCKS") if row[0].endswith(".T")] == ["HOLDING"]
    told = await run(f"SELECT SYSTEM$ABORT_TRANSACTION({found[0][0]})")
    assert told == [("Transaction aborted.",)]
    await run("UPDATE T SET V = 'free'")
    assert await run("SELECT COUNT(*) FROM T") == [(3,)]
    with pytest.raises(ProgrammingError):
        await run(f"SELECT SYSTEM$ABORT_TRANSACTION({found[0][0]})")


async def test_after_an_error_only_rollback_helps(connect: Connect) -> None:
    """A gap of the emulator, and what TRANSACTION_ABORT_ON_ERROR does on a real account."""
    cursor = (await connect()).cursor()
    await cursor.execute("BEGIN")
    with pytest.raises(ProgrammingError):
        await cursor.execute("SELECT * FROM NOWHERE")
    with pytest.raises(ProgrammingError) as refused:
        await cursor.execute("SELECT 1 FROM T")
    assert refused.value.errno == 90232
    await cursor.execute("ROLLBACK")
    await cursor.execute("SELECT COUNT(*) FROM T")
    assert await cursor.fetchall() == [(3,)]
