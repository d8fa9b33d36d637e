"""Bugs of other products that lose or spoil changes, each with a test by its number.

Numbers follow the list this project keeps of complaints about change data capture. Those whose tests
lie elsewhere:

    1   idle tables lose their place      test_streaming::test_idle_tables_keep_moving
    2   a re-load that goes in circles    engine/test_streams (Airbyte 73706), change contract
    3   capture switched off is silence   test_streaming::test_a_disabled_instance_stops_its_table…
    4   tail of a transaction skipped     test_streaming::test_lives_cut_short_at_random…
    6   columns lost after DDL            test_new_columns::test_bug_06_…
    7   gap or doubles at the hand-over   engine/test_streams (Olake 843, Materialize 33202)
    8   a stopped agent looks idle        unit/engine/test_lag (DBZ-4346)
    12  slow polling of many tables       engine/test_streams (Estuary 1643, Redpanda 4691)
    13  a snapshot starts from zero       integration/engine/test_supervisor, system/test_kills
    14  rows skipped between chunks       sqlserver_storage/test_values (DBZ-7359), test_planning
    15  one table resets all              engine/test_streams (Airbyte 3520, 13781)
    16  locks and poisoned sessions       sqlserver_source/test_source
"""

from typing import Any

import anyio
import pytest

from dtaas.model.schema import TableRef
from dtaas.model.task import TaskStatus
from tests.integration.sqlserver_source.database import Database
from tests.integration.streaming.conftest import LIMIT_S, Setting

T = TableRef("dbo", "t")


async def arrived(setting: Setting, expected: dict[tuple[Any, ...], dict[str, Any]]) -> None:
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    with anyio.move_on_after(LIMIT_S):
        while found != expected:
            await anyio.sleep(0.05)
            found = setting.table(T).state(("id",))
    assert found == expected


async def test_bug_05_many_versions_of_a_row_in_one_transaction(setting: Setting) -> None:
    """Airbyte 23850, rivet: versions of one LSN have an order of their own; the last one counts."""
    database = setting.database
    await database.create(T, "id int NOT NULL PRIMARY KEY, n int NULL", "1, 0", "2, 0")
    async with setting.life(T, window_rows=10) as life:
        await life.start()
        await life.streaming()
        updates = "; ".join(f"UPDATE t SET n = {n} WHERE id = 1" for n in range(1, 201))
        again = "DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (2, 7); UPDATE t SET n = 8 WHERE id = 2"
        await database.run(f"BEGIN TRAN; {updates}; {again}; COMMIT")
        await arrived(setting, {(1,): {"id": 1, "n": 200}, (2,): {"id": 2, "n": 8}})
    changes = setting.table(T).changes()
    assert len({c["_lsn"] for c in changes}) == 1
    assert [c["n"] for c in changes if c["id"] == 1] == list(range(1, 201))


@pytest.mark.parametrize("name", ["Orders", "it's [odd]; – é"])
async def test_bug_09_names_that_differ_by_case_or_hold_anything(
    setting: Setting, name: str
) -> None:
    """rivet lost every event of a table asked for in another case; DBZ-9117, DBZ-1153."""
    database = setting.database
    table = TableRef("dbo", name)
    await database.create(table, "[Id] int NOT NULL PRIMARY KEY, [N o'] int NULL", "1, 1")
    asked = TableRef("dbo", name.swapcase()) if name.isascii() else table
    quoted = name.replace("]", "]]")
    async with setting.life(asked) as life:
        await life.start()
        await life.streaming()
        await database.run(
            f"UPDATE [{quoted}] SET [N o'] = 2", f"INSERT INTO [{quoted}] VALUES (2, 3)"
        )
        with anyio.fail_after(LIMIT_S):
            while True:
                lake = next(iter((setting.lake / "dbo").glob("*")), None)
                state = await life.store.streams.streams(life.task_id)
                progress = life.supervisor.progress(life.task_id)
                if lake and state and progress and progress.tables[0].changes == 2:
                    break
                await anyio.sleep(0.05)
        assert state[0].stream.tracked.schema.key == ("Id",)


async def test_bug_10_values_that_were_not_logged_are_not_null(setting: Setting) -> None:
    """Estuary 1927, 2796, dbz 1164: NULL in a delete or an update may only mean "not logged"."""
    database = setting.database
    await database.create(
        T,
        "id int NOT NULL PRIMARY KEY, flag bit NOT NULL, body nvarchar(max) NULL, old ntext NULL,"
        " n int NULL",
        "1, 1, N'long', N'older', 0",
        "2, 1, N'gone', N'gone', 0",
    )
    async with setting.life(T) as life:
        await life.start()
        await life.streaming()
        await database.run(
            "UPDATE t SET n = 1 WHERE id = 1",  # neither long value is logged
            "UPDATE t SET flag = 0, body = NULL WHERE id = 1",  # this NULL is one
            "DELETE FROM t WHERE id = 2",
        )
        row = {"id": 1, "flag": False, "body": None, "old": "older", "n": 1}
        await arrived(setting, {(1,): row})
    first, second, deleted = setting.table(T).changes()
    assert "body" in (first["_unchanged"] or "")
    assert "body" not in (second["_unchanged"] or "")
    assert (deleted["_op"], deleted["id"]) == ("D", 2)


async def test_bug_11_a_huge_transaction_is_not_held_in_memory(setting: Setting) -> None:
    """Airbyte 23658, DBZ-8557: one transaction many times the window goes through in batches."""
    database = setting.database
    await database.create(T, "id int NOT NULL PRIMARY KEY, body varchar(500) NULL")
    async with setting.life(T, window_rows=100, in_flight_mb=8) as life:
        await life.start()
        await life.streaming()
        inserts = [
            "INSERT INTO t VALUES " + ", ".join(f"({i}, '{'x' * 200}')" for i in range(n, n + 500))
            for n in range(0, 10_000, 500)
        ]
        await database.run("; ".join(("BEGIN TRAN", *inserts, "COMMIT")))
        with anyio.fail_after(LIMIT_S):
            while not (head := setting.table(T).head()) or head["segment"] is None:
                await anyio.sleep(0.05)
    changes = setting.table(T).changes()
    assert len(changes) == 10_000
    assert len({c["_lsn"] for c in changes}) == 1


async def test_failover_without_capture_jobs_loses_nothing_once_they_run(setting: Setting) -> None:
    """A10: after a failover the jobs may be missing for a while on the new primary."""
    database: Database = setting.database
    await database.create(T, "id int NOT NULL PRIMARY KEY, n int NULL", "1, 1")
    async with setting.life(T) as life:
        await life.start()
        await life.streaming()
        database.server.capture.paused = True
        await database.run("INSERT INTO t VALUES (2, 2)")
        await life.stop()
        await life.start()
        await life.streaming()
        database.server.capture.resume()
        await arrived(setting, {(1,): {"id": 1, "n": 1}, (2,): {"id": 2, "n": 2}})


async def test_failover_to_another_recovery_fork_stops_the_task(setting: Setting) -> None:
    """A10: after a restore LSNs repeat with other content; the task must not go on."""
    database = setting.database
    await database.create(T, "id int NOT NULL PRIMARY KEY, n int NULL", "1, 1")
    async with setting.life(T) as life:
        await life.start()
        await life.streaming()
        await life.stop()
        await database.server.restore(database.config.database)
        await life.start()
        task = await life.until(lambda task, _: task.status is TaskStatus.FAILED)
        assert task.last_error_code == "source_restored"


async def test_failover_that_made_the_instance_anew_is_noticed(setting: Setting) -> None:
    """A10: another create_date or object_id under the same name is another history."""
    database = setting.database
    await database.create(T, "id int NOT NULL PRIMARY KEY, n int NULL", "1, 1")
    async with setting.life(T) as life:
        await life.start()
        await life.streaming()
        state = await life.store.streams.stream(life.task_id, T)
        assert state is not None
        await life.stop()
        name = state.stream.tracked.instance
        await database.run(
            f"EXEC sys.sp_cdc_disable_table N'dbo', N't', N'{name}'",
            "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N't',"
            f" @role_name = NULL, @capture_instance = N'{name}'",
        )
        await life.start()
        task = await life.until(lambda task, _: task.status is TaskStatus.FAILED)
        assert "capture instance" in (task.last_error or "")


async def test_a_key_that_changes_its_spelling_alone_is_one_row(setting: Setting) -> None:
    """Keys are equal whatever their case at the source; a target tells spellings apart."""
    database = setting.database
    await database.create(
        T, "id varchar(9) COLLATE Latin1_General_CI_AS NOT NULL PRIMARY KEY, n int NULL",
        "'a', 1", "'b', 2",
    )  # fmt: skip
    async with setting.life(T) as life:
        await life.start()
        await life.streaming()
        await database.run(
            "UPDATE t SET id = 'A' WHERE id = 'a'",
            "UPDATE t SET n = 5 WHERE id = 'a'",
            "UPDATE t SET id = UPPER(id), n = 6 WHERE id = 'b'",
            "DELETE FROM t WHERE id = 'b'",
        )
        await arrived(setting, {("A",): {"id": "A", "n": 5}})
