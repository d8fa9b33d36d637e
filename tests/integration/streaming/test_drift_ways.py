"""Tables that change, read by Change Tracking or a watermark, transformed, and filled back."""

from pathlib import Path
from typing import Any

import pytest

from dtaas.connectors.registry import Registry
from dtaas.connectors.sqlserver.incremental.source import SqlServerWatermarks
from dtaas.connectors.sqlserver.source import SqlServerSource
from dtaas.connectors.sqlserver.tracking.source import SqlServerTrackingSource
from dtaas.engine import ddl_follower
from dtaas.model.change_ports import ChangeSource, WatermarkSource
from dtaas.model.changes import Capture
from dtaas.model.connectors import Connector, SqlServerConfig
from dtaas.model.drift import DriftDecision, DriftPolicy, SchemaChangeKind, SchemaChangeState
from dtaas.model.execution import ExecutionStatus
from dtaas.model.ports import Source
from dtaas.model.schema import TableRef
from dtaas.model.task import TableMapping, TaskMode
from dtaas.model.transformations import AddColumn, RenameColumn, TransformationRule
from tests.integration.sqlserver_source.database import Database
from tests.integration.streaming.conftest import Life
from tests.integration.streaming.drift_steps import (
    AFTER,
    COLUMNS,
    arrives,
    changes,
    expected_rows,
    made,
    noticed,
    stops,
    until,
)
from tests.integration.streaming.targets import Delta, Files

K, S, P = SchemaChangeKind, SchemaChangeState, DriftPolicy
A, N, W, F = S.APPLIED, S.IGNORED, S.PENDING, S.FAILED
POLICIES = [P.EVOLVE, P.ADD_COLUMNS_ONLY, P.IGNORE, P.FAIL]
ADDED, FILLED, DROPPED, WIDENED, NARROWED = (
    TableRef("dbo", name) for name in ("added", "filled", "dropped", "widened", "narrowed")
)
TABLES = (ADDED, FILLED, DROPPED, WIDENED, NARROWED)
STILL = TableRef("dbo", "still")  # so that a task goes on when all others stop
DDL = {
    ADDED: ("ALTER TABLE added ADD extra int NULL", K.COLUMN_ADDED, (A, A, N, F)),
    FILLED: ("ALTER TABLE filled ADD extra int NOT NULL DEFAULT 5", K.COLUMN_ADDED, (A, A, N, F)),
    DROPPED: ("ALTER TABLE dropped DROP COLUMN name", K.COLUMN_DROPPED, (A, N, N, F)),
    WIDENED: ("ALTER TABLE widened ALTER COLUMN n bigint NULL", K.TYPE_CHANGED, (A, F, F, F)),
    NARROWED: (
        "ALTER TABLE narrowed ALTER COLUMN name nvarchar(20) NULL",
        K.TYPE_CHANGED,
        (A, A, A, F),
    ),
}
MARKED = f"{COLUMNS}, rv rowversion"


@pytest.fixture(params=[Files, Delta], ids=["files", "delta"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path, database: Database) -> Files:
    made: Files = request.param(tmp_path, database)
    return made


@pytest.fixture
def lake(tmp_path: Path, database: Database) -> Files:
    return Files(tmp_path, database)


@pytest.fixture
async def tracking(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change Tracking tells of no DDL: tables are looked at now and then, here more often."""
    monkeypatch.setattr(ddl_follower, "_LOOK_EVERY_S", 1.0)
    await database.run("ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON")


async def altered(setting: Files, *tables: TableRef) -> None:
    for table in tables:
        await setting.database.run(DDL[table][0], *(sql.format(table.name) for sql in AFTER))


def states(policy: DriftPolicy) -> dict[TableRef, SchemaChangeState]:
    return {t: ddl[2][POLICIES.index(policy)] for t, ddl in DDL.items()}


async def ends_as(setting: Files, table: TableRef, state: SchemaChangeState) -> None:
    """See that what was written since arrived, with the new column only where it is copied."""
    if state is F:
        assert 77 not in await setting.rows(table)
        return
    kept = ["n"] if table == DROPPED else ["name", "n"]
    await arrives(setting, table, *kept)
    row = (await setting.rows(table))[77]
    if table == FILLED and state is A:
        assert row["extra"] == 5
    assert (table in {ADDED, FILLED} and state is A) or "extra" not in row


@pytest.mark.usefixtures("tracking")
@pytest.mark.parametrize("policy", POLICIES)
async def test_change_tracking(anywhere: Files, policy: DriftPolicy) -> None:
    anywhere.settings = {"schema_drift_policy": policy}
    await made(anywhere, *TABLES, STILL)
    async with anywhere.life(*TABLES, STILL, capture=Capture.CHANGE_TRACKING) as life:
        await life.start()
        await life.streaming()
        await altered(anywhere, *TABLES)
        found = await noticed(life, *TABLES)
        assert {t: (c.kind, c.state) for t, c in found.items()} == {
            t: (DDL[t][1], state) for t, state in states(policy).items()
        }
        for table, state in states(policy).items():
            if state is F:
                await stops(life, table, "schema_change_refused")
            await ends_as(anywhere, table, state)


@pytest.mark.usefixtures("tracking")
async def test_change_tracking_fills_back(anywhere: Files) -> None:
    """When it is asked for at once, and for a column that was ignored until then."""
    anywhere.settings = {"backfill_new_columns": True}
    await made(anywhere, FILLED)
    async with anywhere.life(FILLED, capture=Capture.CHANGE_TRACKING) as life:
        await life.start()
        await life.streaming()
        await altered(anywhere, FILLED)
        await arrives(anywhere, FILLED, "name", "n", "extra")

        async def counted() -> bool:
            return (await changes(life, FILLED))[0].affected_rows == 6

        await until(counted)


@pytest.mark.usefixtures("tracking")
async def test_change_tracking_takes_an_ignored_column_in(lake: Files) -> None:
    lake.settings = {"schema_drift_policy": P.IGNORE}
    await made(lake, FILLED)
    async with lake.life(FILLED, capture=Capture.CHANGE_TRACKING) as life:
        await life.start()
        await life.streaming()
        await altered(lake, FILLED)
        change = (await noticed(life, FILLED))[FILLED]
        await ends_as(lake, FILLED, N)
        await life.decide(change, DriftDecision.APPROVE, backfill=True)
        await lake.database.run(f"UPDATE {FILLED.name} SET n = 8 WHERE id = 1")  # a new version
        await arrives(lake, FILLED, "name", "n", "extra")


@pytest.mark.parametrize("policy", POLICIES)
async def test_increments(anywhere: Files, policy: DriftPolicy) -> None:
    anywhere.settings = {"schema_drift_policy": policy}
    await made(anywhere, *TABLES, columns=MARKED)
    async with anywhere.life(*TABLES, mode=TaskMode.INCREMENTAL) as life:
        assert (await life.execute()).status is ExecutionStatus.COMPLETED
        await altered(anywhere, *TABLES)
        ended = await life.execute()
        found = {t: (await changes(life, t))[0] for t in TABLES}
        assert {t: (c.kind, c.state) for t, c in found.items()} == {
            t: (DDL[t][1], state) for t, state in states(policy).items()
        }
        assert ended.schema_changes_detected == len(TABLES)
        for table, state in states(policy).items():
            await ends_as(anywhere, table, state)
        assert (ended.status is ExecutionStatus.COMPLETED) is (policy is P.EVOLVE)
        if policy is not P.IGNORE:
            return
        await life.decide(found[FILLED], DriftDecision.APPROVE, backfill=True)
        await life.execute()
        await arrives(anywhere, FILLED, "name", "n", "extra")


@pytest.mark.parametrize("asked", [True, False])
async def test_increments_fill_back_where_it_is_asked_for(anywhere: Files, asked: bool) -> None:
    anywhere.settings = {"backfill_new_columns": asked}
    await made(anywhere, FILLED, columns=MARKED)
    async with anywhere.life(FILLED, mode=TaskMode.INCREMENTAL) as life:
        await life.execute()
        await altered(anywhere, FILLED)
        assert (await life.execute()).status is ExecutionStatus.COMPLETED
        rows = await anywhere.rows(FILLED)
        wrote = {2, 77}
        assert {i: r.get("extra") for i, r in rows.items()} == {
            i: 5 if asked or i in wrote else None for i in (0, 1, 2, 3, 4, 77)
        }
        assert (await changes(life, FILLED))[0].affected_rows == (6 if asked else None)


@pytest.mark.usefixtures("tracking")
@pytest.mark.parametrize("capture", [Capture.CDC, Capture.CHANGE_TRACKING])
async def test_columns_that_arrive_by_another_name_are_filled_back(
    anywhere: Files, capture: Capture
) -> None:
    anywhere.settings = {"backfill_new_columns": True}
    anywhere.transformations = (TransformationRule(steps=(RenameColumn(column="id", to="no"),)),)
    anywhere.mappings = (TableMapping(source=FILLED, column_names="c_{column:lower}"),)
    await made(anywhere, FILLED)
    async with anywhere.life(FILLED, capture=capture) as life:
        await life.start()
        await life.streaming()
        await altered(anywhere, FILLED)
        await noticed(life, FILLED)

        async def arrived() -> bool:
            rows = await anywhere.rows(FILLED, "no")
            return {k: row.get("c_extra") for k, row in rows.items()} == dict.fromkeys(
                (0, 1, 2, 3, 4, 77), 5
            )

        async def counted() -> bool:
            return (await changes(life, FILLED))[0].affected_rows == 6

        await until(arrived)
        await until(counted)


SHAPED = TransformationRule(
    steps=(
        RenameColumn(column="name", to="label"),
        AddColumn(column="twice", expression="n * 2"),
    ),
)


@pytest.mark.parametrize("policy", POLICIES)
async def test_transformed_tables(anywhere: Files, policy: DriftPolicy) -> None:
    """New columns pass the steps, a column that a step reads may go, and types follow."""
    anywhere.transformations = (SHAPED,)
    anywhere.settings = {"schema_drift_policy": policy}
    await made(anywhere, *TABLES, STILL)
    async with anywhere.life(*TABLES, STILL) as life:
        await life.start()
        await life.streaming()
        await altered(anywhere, *TABLES)
        found = await noticed(life, *TABLES)
        assert {t: c.state for t, c in found.items()} == states(policy)
        for table, state in states(policy).items():
            if state is F:
                await stops(life, table, "schema_change_refused")
                assert 77 not in await anywhere.rows(table)
                continue
            await _shaped(anywhere, table, copies=state is A)
            row = (await anywhere.rows(table))[77]
            assert (table in {ADDED, FILLED} and state is A) or "extra" not in row
            assert "name" not in row


async def _shaped(setting: Files, table: TableRef, *, copies: bool) -> None:
    """Wait until the target is what the steps make of the source."""
    extra = ["extra"] if copies and table in {ADDED, FILLED} else []
    named = [] if table == DROPPED else ["name"]
    held = await expected_rows(setting, table, "n", *named, *extra)
    wanted = {
        key: {"n": row["n"], "twice": 2 * row["n"]}
        | ({"label": row["name"]} if named else {})
        | {name: row[name] for name in extra}
        for key, row in held.items()
    }

    async def arrived() -> bool:
        rows: dict[Any, dict[str, Any]] = await setting.rows(table)
        return {
            key: {name: row.get(name) for name in wanted[77]} for key, row in rows.items()
        } == wanted

    await until(arrived)


async def test_a_transformed_table_loaded_again(lake: Files) -> None:
    """A step reads a column that went: it is NULL from then on, in loads as in streams."""
    lake.transformations = (SHAPED,)
    await made(lake, DROPPED, ADDED)
    async with lake.life(DROPPED, ADDED, mode=TaskMode.FULL_LOAD) as life:
        await _completed(life)
        await altered(lake, DROPPED, ADDED)
        await _completed(life)
        rows = {r["id"]: r for r in lake.table(DROPPED).load_rows()}
        assert [rows[77]["label"], rows[77]["twice"], rows[1]["label"]] == [None, 14, None]
        rows = {r["id"]: r for r in lake.table(ADDED).load_rows()}
        assert (rows[1]["label"], rows[77]["twice"], rows[77]["extra"]) == ("r 1", 14, None)


class Race:
    """More DDL, between the look at a table and the use of what was seen."""

    sql: tuple[str, ...] = ()
    run: Any = None

    @classmethod
    async def happens(cls) -> None:
        sql, cls.sql = cls.sql, ()
        await cls.run(*sql)


class RacingTracking(SqlServerTrackingSource):
    async def track(self, *args: Any, **settings: Any) -> Any:
        await Race.happens()
        return await super().track(*args, **settings)


class RacingMarks(SqlServerWatermarks):
    async def mark(self, *args: Any, **settings: Any) -> Any:
        await Race.happens()
        return await super().mark(*args, **settings)


class RacingRegistry(Registry):
    def change_source(
        self,
        connector: Connector,
        capture: Capture = Capture.CDC,
        *,
        beside: Source | None = None,
    ) -> ChangeSource:
        assert isinstance(beside, SqlServerSource)
        assert capture is Capture.CHANGE_TRACKING
        assert isinstance(connector.config, SqlServerConfig)
        return RacingTracking(connector.config)

    def watermark_source(self, connector: Connector) -> WatermarkSource:
        assert isinstance(connector.config, SqlServerConfig)
        return RacingMarks(connector.config)


WIDENS = ("ALTER TABLE added ALTER COLUMN n bigint NULL", "INSERT INTO added (id, n) VALUES (8, 8)")


@pytest.fixture
async def racing(lake: Files) -> Files:
    lake.registry_type = RacingRegistry
    lake.settings = {"schema_drift_policy": P.ADD_COLUMNS_ONLY}
    Race.run = lake.database.run
    await made(lake, ADDED, STILL, columns=MARKED)
    return lake


@pytest.mark.usefixtures("tracking")
async def test_ddl_right_behind_a_look_of_change_tracking(racing: Files) -> None:
    async with racing.life(ADDED, STILL, capture=Capture.CHANGE_TRACKING) as life:
        await life.start()
        await life.streaming()
        Race.sql = WIDENS
        await stops(life, ADDED, "schema_change_refused")
        assert [c.kind for c in await changes(life, ADDED)] == [K.TYPE_CHANGED]
        assert 8 not in await racing.rows(ADDED)


async def test_ddl_right_behind_a_look_of_an_increment(racing: Files) -> None:
    async with racing.life(ADDED, mode=TaskMode.INCREMENTAL) as life:
        await _completed(life)
        Race.sql = WIDENS
        ended = await life.execute()
        assert (ended.status, ended.schema_changes_detected) == (ExecutionStatus.FAILED, 1)
        assert 8 not in await racing.rows(ADDED)


async def _completed(life: Life) -> None:
    ended = await life.execute()
    assert ended.status is ExecutionStatus.COMPLETED, ended.error_message
