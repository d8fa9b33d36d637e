"""Change data capture of the simulated server, through Microsoft's driver: sqlserver-facts A."""

from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.capture import job, process
from dtaas.sandbox.sqlserver.storage.capture.tables import instance_of
from dtaas.sandbox.sqlserver.storage.capture.triggers import Instance
from tests.integration.sqlserver.captured import ENABLE, Captured
from tests.integration.sqlserver.odbc_session import Connector


async def test_change_tables_have_the_documented_columns(captured: Captured) -> None:
    await captured.table("shape", "id int NOT NULL PRIMARY KEY, rv rowversion, name nvarchar(9)")
    found = await captured.sql.rows(
        "SELECT c.name, t.name, c.max_length FROM sys.columns c JOIN sys.types t"
        " ON t.user_type_id = c.user_type_id WHERE c.object_id = OBJECT_ID('cdc.shape_CT')"
        " ORDER BY c.column_id"
    )
    assert found == [
        ("__$start_lsn", "binary", 10),
        ("__$end_lsn", "binary", 10),
        ("__$seqval", "binary", 10),
        ("__$operation", "int", 4),
        ("__$update_mask", "varbinary", 128),
        ("id", "int", 4),
        ("rv", "binary", 8),
        ("name", "nvarchar", 18),
        ("__$command_id", "int", 4),
    ]


async def test_operations_and_masks(captured: Captured) -> None:
    await captured.table("ops", "id int NOT NULL PRIMARY KEY, name varchar(9), n int")
    await captured.sql.run("INSERT INTO ops VALUES (1, 'a', 1)")
    await captured.sql.run("UPDATE ops SET name = 'b' WHERE id = 1")
    await captured.sql.run("DELETE FROM ops")
    found = await captured.changes("ops", "__$update_mask, id, name, n")
    assert found == [
        (2, b"\x07", 1, "a", 1),
        (3, b"\x02", 1, "a", 1),
        (4, b"\x02", 1, "b", 1),
        (1, b"\x07", 1, "b", 1),
    ]


async def test_lowest_ordinals_lie_in_the_last_byte(captured: Captured) -> None:
    columns = ", ".join(f"c{i} int" for i in range(2, 12))
    await captured.table("wide", f"c1 int NOT NULL PRIMARY KEY, {columns}")
    await captured.sql.run("INSERT INTO wide (c1) VALUES (1); UPDATE wide SET c2 = 1, c10 = 1")
    masks = [mask for _, mask in await captured.changes("wide", "__$update_mask")]
    assert masks == [b"\x07\xff", b"\x02\x02", b"\x02\x02"]
    bits = await captured.sql.rows(
        "SELECT sys.fn_cdc_is_bit_set(2, 0x0202), sys.fn_cdc_is_bit_set(1, 0x0202),"
        " sys.fn_cdc_is_bit_set(10, 0x0202), sys.fn_cdc_is_bit_set(17, 0x0202),"
        " sys.fn_cdc_get_column_ordinal('wide', 'C10')"
    )
    assert bits == [(True, False, True, False, 10)]


async def test_single_row_key_update_keeps_its_position(captured: Captured) -> None:
    await captured.table("one", "id int NOT NULL PRIMARY KEY, name varchar(9)")
    await captured.sql.run("INSERT INTO one VALUES (1, 'a')")
    await captured.sql.run("UPDATE one SET id = 2")
    _, gone, come = await captured.changes("one", "__$start_lsn, __$seqval, __$command_id, id")
    assert (gone[0], gone[4], come[0], come[4]) == (1, 1, 2, 2)
    assert gone[1:3] == come[1:3]
    assert gone[3] < come[3]


@pytest.mark.parametrize(
    ("name", "change"),
    [("deferred_key", "id = id + 10"), ("deferred_unique", "reference = reference + '_v2'")],
)
async def test_deferred_update_deletes_all_then_inserts_all(
    captured: Captured, name: str, change: str
) -> None:
    await captured.table(name, "id int NOT NULL PRIMARY KEY, reference varchar(9) UNIQUE")
    await captured.sql.run(f"INSERT INTO {name} VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    await captured.sql.run(f"UPDATE {name} SET {change}")
    found = (await captured.changes(name, "__$seqval, __$command_id"))[3:]
    assert [row[0] for row in found] == [1, 1, 1, 2, 2, 2]
    assert len({row[1] for row in found}) == 6
    assert [row[2] for row in found] == sorted({row[2] for row in found})


async def test_unchanged_long_values_are_not_logged(captured: Captured) -> None:
    await captured.table(
        "longs", "id int NOT NULL PRIMARY KEY, n int, body nvarchar(max), old text"
    )
    await captured.sql.run("INSERT INTO longs VALUES (1, 1, N'x', 'y')")
    await captured.sql.run("UPDATE longs SET n = 2")
    await captured.sql.run("UPDATE longs SET body = N'z', old = 'w'")
    await captured.sql.run("UPDATE longs SET body = NULL")
    await captured.sql.run("DELETE FROM longs")
    assert await captured.changes("longs", "__$update_mask, body, old") == [
        (2, b"\x0f", "x", "y"),
        (3, b"\x02", None, None),
        (4, b"\x02", None, None),
        (3, b"\x0c", "x", None),
        (4, b"\x0c", "z", "w"),
        (3, b"\x04", "z", None),
        (4, b"\x04", None, None),
        (1, b"\x0f", None, None),
    ]


async def test_computed_columns_are_null_and_rowversions_are_bytes(captured: Captured) -> None:
    await captured.table("made", "id int NOT NULL PRIMARY KEY, twice AS id * 2, rv rowversion")
    await captured.sql.run("INSERT INTO made (id) VALUES (4)")
    ((_, twice, version),) = await captured.changes("made", "twice, rv")
    assert twice is None
    assert version == await captured.sql.value("SELECT CAST(rv AS binary(8)) FROM made")


async def test_rolled_back_work_is_not_captured(captured: Captured) -> None:
    await captured.table("undone", "id int NOT NULL PRIMARY KEY")
    await captured.sql.run("BEGIN TRAN; INSERT INTO undone VALUES (1); ROLLBACK")
    await captured.sql.run(
        "BEGIN TRAN; INSERT INTO undone VALUES (2); SAVE TRAN s; INSERT INTO undone VALUES (3);"
        " ROLLBACK TRAN s; INSERT INTO undone VALUES (4); COMMIT"
    )
    assert await captured.changes("undone", "id") == [(2, 2), (2, 4)]


async def test_transactions_come_in_commit_order(captured: Captured, connector: Connector) -> None:
    await captured.table("overlap", "id int NOT NULL PRIMARY KEY")
    async with connector.session() as other:
        await captured.sql.run("BEGIN TRAN; INSERT INTO overlap VALUES (1)")
        await other.run("INSERT INTO overlap VALUES (2)")
        await captured.sql.run("INSERT INTO overlap VALUES (3); COMMIT")
    assert await captured.changes("overlap", "id") == [(2, 2), (2, 1), (2, 3)]
    found = await captured.sql.rows(
        "SELECT DISTINCT c.__$start_lsn, m.tran_end_time FROM cdc.overlap_CT c"
        " JOIN cdc.lsn_time_mapping m ON m.start_lsn = c.__$start_lsn ORDER BY 1"
    )
    assert len(found) == 2
    assert found[0][1] <= found[1][1]


async def test_lsn_functions(captured: Captured) -> None:
    await captured.table("lsns", "id int NOT NULL PRIMARY KEY")
    await captured.sql.run("INSERT INTO lsns VALUES (1)")
    await captured.changes("lsns", "id")
    low, high, unknown, more, less = (
        await captured.sql.rows(
            "SELECT sys.fn_cdc_get_min_lsn('lsns'), sys.fn_cdc_get_max_lsn(),"
            " sys.fn_cdc_get_min_lsn('nothing'),"
            " sys.fn_cdc_increment_lsn(0x000000250000FFFFFFFF),"
            " sys.fn_cdc_decrement_lsn(0x00000025000100000000)"
        )
    )[0]
    assert bytes(10) < low <= high
    assert unknown == bytes(10)
    assert (more.hex(), less.hex()) == ("00000025000100000000", "000000250000ffffffff")
    at, back = (
        await captured.sql.rows(
            "DECLARE @at datetime = sys.fn_cdc_map_lsn_to_time(sys.fn_cdc_get_max_lsn());"
            "SELECT @at, sys.fn_cdc_map_time_to_lsn('largest less than or equal', @at)"
        )
    )[0]
    assert at is not None
    assert back == high


async def test_idle_capture_moves_the_highest_lsn(captured: Captured, connector: Connector) -> None:
    await captured.table("idle", "id int NOT NULL PRIMARY KEY")
    await captured.changes("idle", "id")
    before = await captured.sql.value("SELECT sys.fn_cdc_get_max_lsn()")
    connector.server.capture.idle_s, kept = 0.0, connector.server.capture.idle_s
    try:
        await connector.server.capture.scan_now()
    finally:
        connector.server.capture.idle_s = kept
    after, transaction = (
        await captured.sql.rows(
            "SELECT TOP 1 start_lsn, tran_id FROM cdc.lsn_time_mapping ORDER BY start_lsn DESC"
        )
    )[0]
    assert after > before
    assert transaction == b"\0"


async def test_idle_capture_does_not_pass_a_transaction_it_has_not_seen(
    captured: Captured, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    await captured.table("late", "id int NOT NULL PRIMARY KEY")
    await captured.catch_up()
    ours = await captured.sql.value("SELECT DB_ID()")
    highs: list[bytes] = []
    inserted = False

    async def scan(connection: Any, database_id: int, *, most: int) -> int:
        nonlocal inserted
        count = await job.scan(connection, database_id, most=most)
        if database_id == ours and not (count or inserted):  # an idle row comes next
            inserted = True
            await captured.sql.run("INSERT INTO late VALUES (1)")
        return count

    async def note_idle(connection: Any, database_id: int) -> None:
        await job.note_idle(connection, database_id)
        if database_id == ours:
            found = "SELECT max(start_lsn) FROM meta.capture_times WHERE database_id = $1"
            highs.append(await connection.fetchval(found, database_id))

    monkeypatch.setattr(process, "scan", scan)
    monkeypatch.setattr(process, "note_idle", note_idle)
    monkeypatch.setattr(connector.server.capture, "idle_s", 0.0)
    while not highs:  # the capture process may scan beside us
        await connector.server.capture.scan_now()
    await captured.catch_up()
    assert await captured.sql.value("SELECT MIN(__$start_lsn) FROM cdc.late_CT") > highs[0]


async def test_paused_and_failing_capture(captured: Captured, connector: Connector) -> None:
    capture = connector.server.capture
    await captured.table("paused", "id int NOT NULL PRIMARY KEY")
    await captured.changes("paused", "id")
    failure = SqlError(22859, "Log Scan process failed.")
    capture.failure = failure
    try:
        await captured.sql.run("INSERT INTO paused VALUES (1)")
        assert await captured.changes("paused", "id") == []
        errors = await captured.sql.rows(
            "SELECT error_number, error_message FROM sys.dm_cdc_errors"
        )
    finally:
        capture.failure = None
    assert (failure.number, failure.text) in errors
    assert await captured.changes("paused", "id") == [(2, 1)]
    scans = await captured.sql.rows(
        "SELECT scan_phase, tran_count FROM sys.dm_cdc_log_scan_sessions WHERE tran_count > 0"
    )
    assert ("Done", 1) in scans


async def test_scans_that_find_nothing_are_one_row(
    captured: Captured, connector: Connector
) -> None:
    capture = connector.server.capture
    await captured.table("resting", "id int NOT NULL PRIMARY KEY")
    await captured.sql.run("INSERT INTO resting VALUES (1)")
    await captured.catch_up()
    latest = (
        "SELECT TOP (1) session_id, tran_count, empty_scan_count, end_time"
        " FROM sys.dm_cdc_log_scan_sessions ORDER BY session_id DESC"
    )
    await capture.scan_now()
    ((session, _, empty, ended),) = await captured.sql.rows(latest)
    for _ in range(3):
        await capture.scan_now()
    ((again, count, more, later),) = await captured.sql.rows(latest)
    assert (again, count) == (session, 0)
    assert more >= empty + 3  # it scans by itself too
    assert later >= ended
    await captured.sql.run("INSERT INTO resting VALUES (2)")
    await captured.catch_up()
    found = await captured.sql.rows(
        f"SELECT tran_count, empty_scan_count FROM sys.dm_cdc_log_scan_sessions"
        f" WHERE session_id > {session} AND tran_count > 0"
    )
    assert found == [(1, 0)]


async def test_ddl_on_a_tracked_table(captured: Captured) -> None:
    await captured.table("altered", "id int NOT NULL PRIMARY KEY, a varchar(5), b int")
    await captured.sql.run("INSERT INTO altered VALUES (1, 'x', 1)")
    commands = [
        "ALTER TABLE altered ADD c int NULL",
        "ALTER TABLE altered ALTER COLUMN a varchar(50)",
        "ALTER TABLE altered DROP COLUMN b",
    ]
    for command in commands:
        await captured.sql.run(command)
    await captured.sql.run("INSERT INTO altered VALUES (2, 'longer than five', 9)")
    assert await captured.changes("altered", "id, a, b") == [
        (2, 1, "x", 1),
        (2, 2, "longer than five", None),
    ]
    history = await captured.sql.rows("SELECT ddl_command FROM cdc.ddl_history ORDER BY ddl_lsn")
    assert [row[0] for row in history] == commands
    number, _ = await captured.sql.fails("TRUNCATE TABLE altered")
    assert number == 4711


async def test_ddl_that_capture_forbids(captured: Captured) -> None:
    await captured.table("fixed", "id int NOT NULL CONSTRAINT pk_fixed PRIMARY KEY, a int")
    await captured.sql.run("ALTER TABLE fixed ADD b int")
    number, text = await captured.sql.fails("EXEC sp_rename 'dbo.fixed.a', 'c', 'COLUMN'")
    assert (number, text) == (4928, "Cannot alter column 'a' because it is 'REPLICATED'.")
    await captured.sql.run("EXEC sp_rename 'dbo.fixed.b', 'c', 'COLUMN'")  # came later
    number, text = await captured.sql.fails("ALTER TABLE fixed DROP CONSTRAINT pk_fixed")
    assert number == 22979
    assert "The unique index 'pk_fixed' on table 'fixed' is used by Change Data Capture." in text
    await captured.sql.run("EXEC sys.sp_cdc_disable_table N'dbo', N'fixed', N'all'")
    await captured.sql.run("ALTER TABLE fixed DROP CONSTRAINT pk_fixed")
    await captured.sql.run("EXEC sp_rename 'dbo.fixed.a', 'd', 'COLUMN'")


async def test_a_type_that_captured_values_do_not_fit(captured: Captured) -> None:
    await captured.table("narrowed", "id int NOT NULL PRIMARY KEY, a int")
    await captured.sql.run("INSERT INTO narrowed VALUES (1, 100000)")
    await captured.catch_up()
    await captured.sql.run("DELETE FROM narrowed")
    number, text = await captured.sql.fails("ALTER TABLE narrowed ALTER COLUMN a smallint")
    assert number == 22976
    assert text.startswith("Could not alter the change table")


async def test_ddl_that_waits_for_a_change_table_in_vain(
    connector: Connector, captured: Captured
) -> None:
    await captured.table("waited", "id int NOT NULL PRIMARY KEY, a int")
    await captured.sql.run("INSERT INTO waited VALUES (1, 1)")
    await captured.catch_up()
    async with connector.session() as other:
        await other.run(f"USE {await captured.sql.value('SELECT DB_NAME()')}")
        await other.run("BEGIN TRAN; DELETE FROM cdc.waited_CT")
        await captured.sql.run("SET LOCK_TIMEOUT 100")
        number, _ = await captured.sql.fails("ALTER TABLE waited ALTER COLUMN a bigint")
        assert number == 1222  # a lock it did not get, not a type that cannot follow
        await other.run("ROLLBACK")
    await captured.sql.run("ALTER TABLE waited ALTER COLUMN a bigint")


async def test_an_instance_that_is_dropped_under_a_scan(
    captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("stays", "goes"):
        await captured.table(name, "id int NOT NULL PRIMARY KEY")
        await captured.sql.run(f"INSERT INTO {name} VALUES (1)")

    async def late(connection: asyncpg.Connection, record: asyncpg.Record) -> Instance:
        monkeypatch.undo()
        await captured.sql.run("EXEC sys.sp_cdc_disable_table N'dbo', N'goes', N'all'")
        return await instance_of(connection, record)

    monkeypatch.setattr(job, "instance_of", late)
    with suppress(asyncpg.UndefinedTableError):  # where it is ours, and not the process's own
        await captured.catch_up()
    assert await captured.changes("stays", "id") == [(2, 1)]


async def test_two_instances_and_no_third(captured: Captured) -> None:
    await captured.table("twice", "id int NOT NULL PRIMARY KEY")
    again = "EXEC sys.sp_cdc_enable_table N'dbo', N'twice', NULL, N'{}'"
    assert (await captured.sql.fails(again.format("twice")))[0] == 22926
    await captured.sql.run("ALTER TABLE twice ADD n int NULL")
    await captured.sql.run(again.format("twice_2"))
    assert (await captured.sql.fails(again.format("twice_3")))[0] == 22962
    await captured.sql.run("INSERT INTO twice VALUES (1, 5)")
    assert await captured.changes("twice", "id") == [(2, 1)]
    assert await captured.changes("twice_2", "id, n") == [(2, 1, 5)]
    await captured.sql.run("EXEC sys.sp_cdc_disable_table N'dbo', N'twice', N'twice'")
    await captured.sql.run("INSERT INTO twice VALUES (2, 6)")
    assert await captured.changes("twice_2", "id, n") == [(2, 1, 5), (2, 2, 6)]
    instances = await captured.sql.rows("EXEC sys.sp_cdc_help_change_data_capture N'dbo', N'twice'")
    assert [row[2] for row in instances] == ["twice_2"]


async def test_dropping_a_table_takes_its_instances(captured: Captured) -> None:
    await captured.table("dropped", "id int NOT NULL PRIMARY KEY")
    await captured.sql.run("DROP TABLE dropped")
    number, text = await captured.sql.fails("SELECT * FROM cdc.dropped_CT")
    assert (number, text) == (208, "Invalid object name 'cdc.dropped_CT'.")
    assert await captured.sql.value("SELECT sys.fn_cdc_get_min_lsn('dropped')") == bytes(10)


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        ("N'dbo', N'missing', NULL", 22931),
        ("N'dbo', N'refused', N''", 22907),
        ("N'dbo', N'refused', NULL, N'" + "x" * 101 + "'", 22927),
        ("N'dbo', N'refused', NULL, N'r1', 1", 22939),
        ("N'dbo', N'refused', NULL, N'r1', 0, N'nothing'", 22928),
        ("N'dbo', N'refused', NULL, N'r1', 0, NULL, N'id, nothing'", 22930),
        ("N'dbo', N'refused', NULL, N'r1', 0, NULL, N'[id'", 22965),
    ],
)
async def test_what_enabling_refuses(captured: Captured, arguments: str, number: int) -> None:
    await captured.sql.run("IF OBJECT_ID('dbo.refused') IS NULL CREATE TABLE refused (id int)")
    found, _ = await captured.sql.fails(f"EXEC sys.sp_cdc_enable_table {arguments}")
    assert found == number


async def test_a_database_without_capture(connector: Connector) -> None:
    await connector.server.run_script("CREATE DATABASE plain_database")
    async with connector.session(Database="plain_database") as session:
        await session.run("CREATE TABLE t (id int NOT NULL PRIMARY KEY)")
        assert (await session.fails(ENABLE.format("t")))[0] == 22901
        assert (await session.fails("SELECT * FROM cdc.change_tables"))[0] == 208
        assert (await session.fails("EXEC sys.sp_cdc_disable_db"))[0] == 22910
        assert (await session.fails("EXEC sys.sp_cdc_help_change_data_capture"))[0] == 22901
        assert (await session.fails("EXEC sys.sp_cdc_help_jobs"))[0] == 22901
        await session.run("EXEC sys.sp_cdc_enable_db")
        await session.run(ENABLE.format("t"))
        await session.run("EXEC sys.sp_cdc_disable_db")
        assert await session.rows("SELECT is_tracked_by_cdc FROM sys.tables") == [(False,)]
        await session.run("INSERT INTO t VALUES (1)")
