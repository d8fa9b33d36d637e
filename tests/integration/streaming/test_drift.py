"""What a person decides about tables that changed, and what must not pass by the decision.

Every DDL by every policy is in test_drift_matrix.py, other ways of reading in test_drift_ways.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anyio import create_task_group

from dtaas.connectors.registry import Registry
from dtaas.connectors.sqlserver.capture.source import SqlServerChangeSource
from dtaas.model.alerts import AlertEvent, AlertKind, AlertRuleSpec, AlertState
from dtaas.model.changes import TrackedTable
from dtaas.model.connectors import ConnectorRole
from dtaas.model.drift import (
    DriftDecision,
    DriftPolicy,
    SchemaChange,
    SchemaChangeKind,
    SchemaChangeState,
)
from dtaas.model.errors import ActionNotAllowedError
from dtaas.model.execution import ExecutionStatus
from dtaas.model.schema import TableRef
from dtaas.model.task import TaskMode, TaskStatus
from dtaas.services.alerting.watcher import AlertWatcher
from dtaas.store.store import utc_now
from tests.integration.sqlserver_source.database import Database
from tests.integration.streaming.conftest import Life
from tests.integration.streaming.drift_steps import (
    AFTER,
    arrives,
    changes,
    held,
    made,
    noticed,
    stops,
    until,
)
from tests.integration.streaming.targets import Delta, Files

K, S, P = SchemaChangeKind, SchemaChangeState, DriftPolicy
APPROVE = DriftDecision.APPROVE
ADDED, DROPPED = TableRef("dbo", "added"), TableRef("dbo", "dropped")
ADD = "ALTER TABLE added ADD extra int NULL"
DROP = "ALTER TABLE dropped DROP COLUMN name"


@pytest.fixture(params=[Files, Delta], ids=["files", "delta"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path, database: Database) -> Files:
    made: Files = request.param(tmp_path, database)
    return made


@pytest.fixture
def lake(tmp_path: Path, database: Database) -> Files:
    return Files(tmp_path, database)


async def altered(setting: Files, table: TableRef, sql: str) -> None:
    await setting.database.run(sql, *(after.format(table.name) for after in AFTER))


async def streams(life: Life) -> None:
    await life.start()
    await life.streaming()


async def test_a_paused_task_goes_on_after_the_last_decision(anywhere: Files) -> None:
    anywhere.settings = {"schema_drift_policy": P.PAUSE}
    await made(anywhere, ADDED)
    async with anywhere.life(ADDED) as life:
        await streams(life)
        await altered(anywhere, ADDED, ADD)
        task = await life.until(lambda task, _: task.status is TaskStatus.PAUSED)
        assert task.last_error_code == "schema_change_pending"
        assert "added changed at the source" in (task.last_error or "")
        await life.decide(await held(life, ADDED), APPROVE)
        await arrives(anywhere, ADDED, "name", "n", "extra")


async def test_a_decision_begins_a_stream_again_whose_tables_all_stopped(anywhere: Files) -> None:
    anywhere.settings = {"schema_drift_policy": P.FAIL}
    await made(anywhere, ADDED)
    async with anywhere.life(ADDED) as life:
        await streams(life)
        await altered(anywhere, ADDED, ADD)
        await life.until(lambda task, _: task.status is TaskStatus.FAILED)
        (stopped,) = await changes(life, ADDED)
        await life.decide(stopped, APPROVE)
        await arrives(anywhere, ADDED, "name", "n", "extra")
        await life.until(lambda task, _: task.status is TaskStatus.STREAMING)


@pytest.mark.parametrize("status", [TaskStatus.STREAMING, TaskStatus.PAUSING])
async def test_a_decision_is_taken_while_the_task_still_pauses(
    lake: Files, status: TaskStatus
) -> None:
    """Whether it comes before the task is told to pause, or while it drains."""
    lake.settings = {"schema_drift_policy": P.PAUSE}
    await made(lake, ADDED)
    async with lake.life(ADDED) as life:
        await streams(life)
        store, decided = life.store.engine, []
        set_status = store.set_status

        async def quick(task_id: Any, to: TaskStatus, **more: Any) -> Any:
            if to is not TaskStatus.PAUSING or decided:
                return await set_status(task_id, to, **more)
            decided.append(to)
            if status is TaskStatus.STREAMING:
                await life.decide(await held(life, ADDED), APPROVE)
                return await set_status(task_id, to, **more)
            task = await set_status(task_id, to, **more)
            await life.decide(await held(life, ADDED), APPROVE)
            return task

        store.set_status = quick  # type: ignore[method-assign]
        await altered(lake, ADDED, ADD)
        await arrives(lake, ADDED, "name", "n", "extra")
        await life.until(lambda task, _: task.status is TaskStatus.STREAMING)
        assert decided


async def test_a_table_waits_for_approval_while_others_go_on(anywhere: Files) -> None:
    anywhere.settings = {"schema_drift_approval": True}
    await made(anywhere, ADDED, DROPPED)
    async with anywhere.life(ADDED, DROPPED) as life:
        await streams(life)
        await altered(anywhere, ADDED, ADD)
        change = await held(life, ADDED)
        await life.until(warned("waits for a decision"))
        before = await life.store.streams.stream(life.task_id, ADDED)
        await altered(anywhere, DROPPED, DROP)
        await arrives(anywhere, DROPPED, "n")
        assert 77 not in await anywhere.rows(ADDED)
        stands = await life.store.streams.stream(life.task_id, ADDED)
        assert before is not None
        assert stands is not None
        assert stands.position == before.position
        await life.decide(change, APPROVE)
        await arrives(anywhere, ADDED, "name", "n", "extra")


def warned(text: str) -> Callable[[Any, Any], bool]:
    def met(_: Any, progress: Any) -> bool:
        return progress is not None and text in (progress.tables[0].warning or "")

    return met


async def test_what_was_refused_goes_on_once_it_is_approved(lake: Files) -> None:
    lake.settings = {"schema_drift_policy": P.FAIL}
    await made(lake, ADDED, DROPPED)
    async with lake.life(ADDED, DROPPED) as life:
        await streams(life)
        await altered(lake, ADDED, ADD)
        await stops(life, ADDED, "schema_change_refused")
        await life.decide((await changes(life, ADDED))[0], APPROVE)
        await arrives(lake, ADDED, "name", "n", "extra")


@pytest.mark.parametrize("later", [False, True], ids=["at once", "in another life"])
async def test_a_column_that_was_ignored_can_be_approved(anywhere: Files, later: bool) -> None:
    """It comes with all that was written into it while it was ignored."""
    anywhere.settings = {"schema_drift_policy": P.IGNORE}
    await made(anywhere, ADDED)
    async with anywhere.life(ADDED) as life:
        await streams(life)
        await altered(anywhere, ADDED, ADD)
        await anywhere.database.run("UPDATE added SET extra = 5 WHERE id = 1")
        await arrives(anywhere, ADDED, "name", "n")
        assert "extra" not in (await anywhere.rows(ADDED))[1]
        change = (await noticed(life, ADDED))[ADDED]
        assert change.state is S.IGNORED
        if not later:
            await _takes_it(anywhere, life, change)
    if later:
        async with anywhere.life() as life:
            await streams(life)
            await _takes_it(anywhere, life, change)


async def _takes_it(setting: Files, life: Life, change: SchemaChange) -> None:
    done = await life.decide(change, APPROVE)
    assert (done.state, done.decided_by) == (S.APPLIED, "a person")
    await arrives(setting, ADDED, "name", "n", "extra")
    await setting.database.run("UPDATE added SET extra = 6 WHERE id = 2")
    await arrives(setting, ADDED, "name", "n", "extra")
    with pytest.raises(ActionNotAllowedError):
        await life.decide(done, APPROVE)


async def test_an_ignored_column_that_went_cannot_be_approved(lake: Files) -> None:
    lake.settings = {"schema_drift_policy": P.IGNORE}
    await made(lake, ADDED)
    async with lake.life(ADDED) as life:
        await streams(life)
        await altered(lake, ADDED, ADD)
        change = (await noticed(life, ADDED))[ADDED]
        await lake.database.run(
            "ALTER TABLE added DROP COLUMN extra", "UPDATE added SET n = 9 WHERE id = 3"
        )

        async def went() -> bool:
            return len(await changes(life, ADDED)) == 2

        await until(went)
        with pytest.raises(ActionNotAllowedError, match="no column extra any more"):
            await life.decide(change, APPROVE)
        await arrives(lake, ADDED, "name", "n")
        assert "extra" not in (await lake.rows(ADDED))[1]


class Racing(SqlServerChangeSource):
    """Lets more DDL happen between the look at a table and the following of what was seen."""

    more: tuple[str, ...] = ()
    run: Any = None

    async def follow_ddl(self, tracked: TrackedTable, *, enable: bool) -> TrackedTable:
        sql, Racing.more = Racing.more, ()
        await Racing.run(*sql)
        return await super().follow_ddl(tracked, enable=enable)


class RacingRegistry(Registry):
    def change_source(self, connector: Any, capture: Any = None, *, beside: Any = None) -> Any:
        assert connector.role is ConnectorRole.SOURCE
        return Racing(connector.config, beside=beside)


@pytest.mark.parametrize(
    ("settings", "sql", "state"),
    [
        (
            {"schema_drift_policy": P.ADD_COLUMNS_ONLY},
            "ALTER TABLE added ALTER COLUMN n bigint NULL",
            S.FAILED,
        ),
        ({"schema_drift_approval": True}, "ALTER TABLE added ADD more int NULL", S.PENDING),
        ({"schema_drift_policy": P.IGNORE}, "ALTER TABLE added ADD more int NULL", S.IGNORED),
    ],
)
async def test_ddl_right_behind_the_look_is_not_followed_undecided(
    anywhere: Files, settings: dict[str, Any], sql: str, state: SchemaChangeState
) -> None:
    approves = bool(settings.get("schema_drift_approval"))
    first = "ALTER TABLE added DROP COLUMN name" if approves else ADD
    anywhere.settings, anywhere.registry_type = settings, RacingRegistry
    await made(anywhere, ADDED, DROPPED)  # one goes on, so that the task does
    Racing.run = anywhere.database.run
    async with anywhere.life(ADDED, DROPPED) as life:
        await streams(life)
        Racing.more = (sql, "INSERT INTO added (id, n) VALUES (88, 8)")
        await anywhere.database.run(first)

        async def seen() -> bool:
            return [c.state for c in await changes(life, ADDED)][1:] == [state]

        await until(seen)
        if state is S.FAILED:
            await stops(life, ADDED, "schema_change_refused")
        if state is S.PENDING:
            await life.until(warned("waits for a decision"))
        if state is S.IGNORED:
            await arrives(anywhere, ADDED, "name", "n")
            assert not {"more", "extra"} & set((await anywhere.rows(ADDED))[88])
            return
        assert 88 not in await anywhere.rows(ADDED)
        await life.decide((await changes(life, ADDED))[1], APPROVE)
        await arrives(anywhere, ADDED, "n", *(["more"] if approves else ["name", "extra"]))


async def test_the_alert_rule_fires(lake: Files) -> None:
    lake.settings = {"schema_drift_policy": P.FAIL}
    await made(lake, ADDED)
    async with lake.life(ADDED) as life, create_task_group() as group:
        for rule in await life.store.alert_rules.every():
            await life.store.alert_rules.delete(rule.id)
        await life.store.alert_rules.save(AlertRuleSpec(name="columns", kind=AlertKind.DRIFT))
        watcher = AlertWatcher(life.store, life.bus, data_dir=lake.folder, now=utc_now)
        group.start_soon(watcher.serve)
        await streams(life)
        firing: list[AlertEvent] = []

        async def fires() -> bool:
            firing[:] = (await life.store.alert_events.list({AlertState.FIRING})).items
            return bool(firing)

        assert not await fires()
        await altered(lake, ADDED, ADD)
        await until(fires)
        assert "The columns of a source table changed" in firing[0].title
        assert "dbo.added: column_added extra is failed" in firing[0].detail
        group.cancel_scope.cancel()


async def test_a_load_by_force_takes_a_table_as_it_is(anywhere: Files) -> None:
    """What was held, ignored or kept is done with."""
    anywhere.settings = {"schema_drift_policy": P.IGNORE}
    await made(anywhere, ADDED, DROPPED)
    async with anywhere.life(ADDED, DROPPED, mode=TaskMode.FULL_LOAD) as life:
        assert (await life.execute()).status is ExecutionStatus.COMPLETED
        await altered(anywhere, ADDED, ADD)
        await altered(anywhere, DROPPED, DROP)
        await anywhere.database.run("ALTER TABLE added ALTER COLUMN n bigint NULL")
        assert (await life.execute()).status is ExecutionStatus.PARTIAL
        assert (await anywhere.rows(DROPPED))[1]["name"] is None
        assert "extra" not in (await anywhere.rows(ADDED))[1]
        assert (await life.execute(force=True)).status is ExecutionStatus.COMPLETED
        assert "name" not in (await anywhere.rows(DROPPED))[1]
        await arrives(anywhere, ADDED, "name", "n", "extra")
        recorded = [*await changes(life, ADDED), *await changes(life, DROPPED)]
        assert len(recorded) == 3
        assert all(change.closed for change in recorded)
        with pytest.raises(ActionNotAllowedError):
            await life.decide((await changes(life, ADDED))[0], APPROVE)
