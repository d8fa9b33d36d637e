"""Every DDL on a table that streams, by every policy, at every kind of target.

One task a policy and target has a table a DDL, so that all of them happen side by side.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from deltalake import DeltaTable
from msgspec.structs import replace

from dtaas.model.connectors import DeltaFileConfig
from dtaas.model.drift import DriftPolicy, SchemaChange, SchemaChangeKind, SchemaChangeState
from dtaas.model.execution import ExecutionStatus, TablePhase
from dtaas.model.schema import TableRef
from dtaas.model.task import TaskMode, TaskStatus
from tests.integration.sqlserver_source.database import Database
from tests.integration.streaming.conftest import LIMIT_S, Life, Setting

K, S, P = SchemaChangeKind, SchemaChangeState, DriftPolicy
COLUMNS = "id int NOT NULL PRIMARY KEY, name nvarchar(50) NULL, n int NULL"
ADDED, FILLED, DROPPED, WIDENED, GONE = (
    TableRef("dbo", name) for name in ("added", "filled", "dropped", "widened", "gone")
)
TABLES = (ADDED, FILLED, DROPPED, WIDENED, GONE)
DDL = {
    ADDED: "ALTER TABLE added ADD extra int NULL",
    FILLED: "ALTER TABLE filled ADD extra int NOT NULL DEFAULT 5",
    DROPPED: "ALTER TABLE dropped DROP COLUMN name",
    WIDENED: "ALTER TABLE widened ALTER COLUMN n bigint NULL",
    GONE: "DROP TABLE gone",
}
KINDS = {
    ADDED: K.COLUMN_ADDED,
    FILLED: K.COLUMN_ADDED,
    DROPPED: K.COLUMN_DROPPED,
    WIDENED: K.TYPE_CHANGED,
    GONE: K.TABLE_DROPPED,
}
STATES = {
    P.EVOLVE: (S.APPLIED, S.APPLIED, S.APPLIED, S.APPLIED, S.FAILED),
    P.ADD_COLUMNS_ONLY: (S.APPLIED, S.APPLIED, S.IGNORED, S.FAILED, S.FAILED),
    P.IGNORE: (S.IGNORED, S.IGNORED, S.IGNORED, S.FAILED, S.FAILED),
    P.FAIL: (S.FAILED, S.FAILED, S.FAILED, S.FAILED, S.FAILED),
}
AFTER = ("INSERT INTO {0} (id, n) VALUES (77, 7)", "UPDATE {0} SET n = n + 1 WHERE id = 2")
Rows = dict[int, dict[str, Any]]


class Files(Setting):
    watches = True

    async def rows(self, table: TableRef) -> Rows:
        return {row["id"]: row for row in self.table(table).state(("id",)).values()}


class Delta(Files):
    kind = "delta_file"
    config_type = DeltaFileConfig

    async def rows(self, table: TableRef) -> Rows:
        found = DeltaTable(str(self.lake / "dbo" / table.name)).to_pyarrow_dataset().to_table()
        return {row["id"]: row for row in found.to_pylist()}


@pytest.fixture(params=[Files, Delta], ids=["files", "delta"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path, database: Database) -> Files:
    made: Files = request.param(tmp_path, database)
    return made


@pytest.fixture
def lake(tmp_path: Path, database: Database) -> Files:
    return Files(tmp_path, database)


async def until(met: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(2 * LIMIT_S):
        while not await met():
            await anyio.sleep(0.1)


async def made(setting: Files, *tables: TableRef) -> None:
    for table in tables:
        await setting.database.create(table, COLUMNS, *(f"{i}, N'r {i}', {i}" for i in range(5)))


async def altered(setting: Files, *tables: TableRef) -> None:
    for table in tables:
        capture = setting.database.server.capture
        capture.paused = table == GONE
        await setting.database.run(DDL[table])
        capture.resume()
        if table != GONE:
            await setting.database.run(*(sql.format(table.name) for sql in AFTER))


async def expected_rows(setting: Files, table: TableRef, *columns: str) -> Rows:
    names = ("id", *columns)
    rows = await setting.database.run(f"SELECT {', '.join(names)} FROM {table.name}")
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows}


async def holds(setting: Files, table: TableRef, *columns: str) -> bool:
    """Return whether the target holds what the source holds of these columns."""
    expected = await expected_rows(setting, table, *columns)
    found = await setting.rows(table)
    return expected == {
        key: {"id": key} | {name: row.get(name) for name in columns} for key, row in found.items()
    }


async def changes(life: Life, table: TableRef) -> list[SchemaChange]:
    return list(await life.store.schema_history.changes_of(life.task_id, table))


async def noticed(life: Life, *tables: TableRef) -> dict[TableRef, SchemaChange]:
    async def all_of_them() -> bool:
        return all([await changes(life, table) for table in tables])

    await until(all_of_them)
    return {table: (await changes(life, table))[0] for table in tables}


def phase(life: Life, table: TableRef) -> tuple[TablePhase, str | None]:
    progress = life.supervisor.progress(life.task_id)
    assert progress is not None
    found = next(t for t in progress.tables if t.table == table)
    return found.phase, found.error_code


@pytest.mark.parametrize("policy", [P.EVOLVE, P.ADD_COLUMNS_ONLY, P.IGNORE, P.FAIL])
async def test_every_ddl_by_every_policy(anywhere: Files, policy: DriftPolicy) -> None:
    still = TableRef("dbo", "still")  # so that the task goes on when all others stop
    anywhere.settings = {"schema_drift_policy": policy}
    await made(anywhere, *TABLES, still)
    async with anywhere.life(*TABLES, still, merge_interval_s=0) as life:
        await life.start()
        await life.streaming()
        await altered(anywhere, *TABLES)
        found = await noticed(life, *TABLES)
        assert {t: c.kind for t, c in found.items()} == KINDS
        states = dict(zip(TABLES, STATES[policy], strict=True))
        assert {t: c.state for t, c in found.items()} == states
        assert all(c.policy is policy for c in found.values())
        for table in TABLES[:-1]:
            await _arrives_by(anywhere, life, table, states[table])

        async def lost() -> bool:
            return phase(life, GONE) == (TablePhase.FAILED, "capture_lost")

        await until(lost)
        await anywhere.database.run("UPDATE still SET n = 99 WHERE id = 1")

        async def still_streams() -> bool:
            return await holds(anywhere, still, "name", "n")

        await until(still_streams)
        running = await life.store.engine.running_execution(life.task_id)
        assert running is not None
        assert running.schema_changes_detected == len(TABLES)


async def _arrives_by(
    setting: Files, life: Life, table: TableRef, state: SchemaChangeState
) -> None:
    if state is S.FAILED:

        async def stopped() -> bool:
            return phase(life, table) == (TablePhase.FAILED, "schema_change_refused")

        await until(stopped)
        return
    columns = ["n"] if table == DROPPED else ["name", "n"]
    copied = table in {ADDED, FILLED} and state is S.APPLIED

    async def arrived() -> bool:
        return await holds(setting, table, *columns, *(["extra"] if copied else []))

    await until(arrived)
    row = (await setting.rows(table))[77]
    assert copied or "extra" not in row
    if table == DROPPED:
        assert row.get("name") is None
        assert (await setting.rows(table))[1].get("name", "r 1") == "r 1"  # what arrived stays
    if table == ADDED and copied and type(setting) is not Files:
        assert "ADD COLUMN" in (await changes(life, table))[0].ddl[0]


async def test_a_paused_task_goes_on_after_the_last_decision(anywhere: Files) -> None:
    anywhere.settings = {"schema_drift_policy": P.PAUSE}
    await made(anywhere, ADDED)
    async with anywhere.life(ADDED, merge_interval_s=0) as life:
        await life.start()
        await life.streaming()
        await altered(anywhere, ADDED)
        task = await life.until(lambda task, _: task.status is TaskStatus.PAUSED)
        assert task.last_error_code == "schema_change_pending"
        assert "added changed at the source" in (task.last_error or "")
        change = (await changes(life, ADDED))[0]
        assert change.state is S.PENDING
        await life.store.schema_history.revise(replace(change, state=S.APPLIED))
        await life.start()

        async def arrived() -> bool:
            return await holds(anywhere, ADDED, "name", "n", "extra")

        await until(arrived)


async def test_a_table_waits_for_approval_while_others_go_on(anywhere: Files) -> None:
    anywhere.settings = {"schema_drift_approval": True}
    await made(anywhere, ADDED, DROPPED)
    async with anywhere.life(ADDED, DROPPED, merge_interval_s=0) as life:
        await life.start()
        await life.streaming()
        await altered(anywhere, ADDED)
        change = (await noticed(life, ADDED))[ADDED]
        assert change.state is S.PENDING

        def warned(_: object, progress: Any) -> bool:
            return "waits for a decision" in (progress.tables[0].warning or "")

        await life.until(warned)
        position = (await life.store.streams.stream(life.task_id, ADDED)).position  # type: ignore[union-attr]
        await altered(anywhere, DROPPED)

        async def other() -> bool:
            return await holds(anywhere, DROPPED, "n")

        await until(other)
        assert 77 not in await anywhere.rows(ADDED)
        stands = await life.store.streams.stream(life.task_id, ADDED)
        assert stands is not None
        assert stands.position == position
        await life.store.schema_history.revise(replace(change, state=S.APPLIED))
        await life.supervisor.wake(life.task_id)

        async def arrived() -> bool:
            return await holds(anywhere, ADDED, "name", "n", "extra")

        await until(arrived)


async def test_what_was_refused_goes_on_once_it_is_approved(lake: Files) -> None:
    lake.settings = {"schema_drift_policy": P.FAIL}
    await made(lake, ADDED, DROPPED)
    async with lake.life(ADDED, DROPPED) as life:
        await life.start()
        await life.streaming()
        await altered(lake, ADDED)

        async def stopped() -> bool:
            return phase(life, ADDED) == (TablePhase.FAILED, "schema_change_refused")

        await until(stopped)
        change = (await changes(life, ADDED))[0]
        await life.store.schema_history.revise(replace(change, state=S.APPLIED))
        await life.supervisor.wake(life.task_id)

        async def arrived() -> bool:
            return await holds(lake, ADDED, "name", "n", "extra")

        await until(arrived)


@pytest.mark.parametrize("policy", [P.EVOLVE, P.IGNORE, P.FAIL])
async def test_full_loads_by_policy(anywhere: Files, policy: DriftPolicy) -> None:
    """Between two loads a column comes, one goes, one is renamed; a load by force is anew."""
    anywhere.settings = {"schema_drift_policy": policy}
    renamed = TableRef("dbo", "renamed")
    await made(anywhere, ADDED, DROPPED, renamed)
    async with anywhere.life(ADDED, DROPPED, renamed, mode=TaskMode.FULL_LOAD) as life:
        assert (await life.execute()).status is ExecutionStatus.COMPLETED
        before = await anywhere.rows(ADDED) if type(anywhere) is not Files else {}
        await altered(anywhere, ADDED, DROPPED)
        await anywhere.database.run("EXEC sp_rename N'dbo.renamed.name', N'title', N'COLUMN'")
        ended = await life.execute()
        kinds = {t: (await changes(life, t))[0].kind for t in (ADDED, DROPPED, renamed)}
        assert kinds == {
            ADDED: K.COLUMN_ADDED, DROPPED: K.COLUMN_DROPPED, renamed: K.COLUMN_RENAMED,
        }  # fmt: skip
        assert ended.schema_changes_detected == 3
        if policy is P.FAIL:
            assert ended.status is ExecutionStatus.FAILED
            assert not before or await anywhere.rows(ADDED) == before
            ended = await life.execute(force=True)
            assert ended.status is ExecutionStatus.COMPLETED
            return
        assert ended.status is ExecutionStatus.COMPLETED
        if type(anywhere) is Files:
            return  # plain loads are read by other tests; here the settings of tables count
        assert ("extra" in (await anywhere.rows(ADDED))[1]) is (policy is P.EVOLVE)
        assert (await anywhere.rows(DROPPED))[1]["name"] is None
        row = (await anywhere.rows(renamed))[1]
        assert row["name"] is None
        assert row.get("title") == ("r 1" if policy is P.EVOLVE else None)
        await life.execute(force=True)
        assert "name" not in (await anywhere.rows(DROPPED))[1]
