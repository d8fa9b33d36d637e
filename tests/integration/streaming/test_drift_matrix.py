"""Every DDL that SQL Server lets happen, by every policy, at S3, Delta Lake and Snowflake.

One task a policy and target has a table a DDL, so that all of them happen side by side. What change
data capture forbids happens the way a DBA does it, in one transaction with the end of capture, and
between two full loads.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from dtaas.model.drift import (
    DriftDecision,
    DriftPolicy,
    SchemaChange,
    SchemaChangeKind,
    SchemaChangeState,
)
from dtaas.model.errors import ActionNotAllowedError, RetryableError, SourceQueryError
from dtaas.model.execution import ExecutionStatus
from dtaas.model.schema import TableRef
from dtaas.model.task import OnGap, TableMapping, TaskMode, TaskStatus
from dtaas.sandbox.seaweed import SeaweedServer
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator
from tests.integration.sqlserver_source.database import Database
from tests.integration.streaming.conftest import Life
from tests.integration.streaming.drift_steps import (
    AFTER,
    arrives,
    changes,
    holds,
    made,
    noticed,
    stops,
    until,
)
from tests.integration.streaming.targets import S3, Delta, Files, Snowflake

K, S, P = SchemaChangeKind, SchemaChangeState, DriftPolicy
A, N, W, F = S.APPLIED, S.IGNORED, S.PENDING, S.FAILED
BY_POLICY = (P.EVOLVE, P.ADD_COLUMNS_ONLY, P.IGNORE, P.PAUSE, P.FAIL)
KEYED = "id int NOT NULL CONSTRAINT pk_{0} PRIMARY KEY, name nvarchar(50) NULL, n int NOT NULL"
PLAIN = "id int NOT NULL PRIMARY KEY, name nvarchar(50) NULL, n int NULL"
FREED = "EXEC sys.sp_cdc_disable_table N'dbo', N'{0}', N'all'"


@dataclass(frozen=True)
class Ddl:
    """What happens to a table.

    Attributes:
        states: what becomes of it by evolve, add_columns_only, ignore, pause and fail.
        forbidden: the number of the error while the table is captured.
        codes: why the table stops whatever is decided, () when it does not.
        comes: the column that the target has once it is applied.
        keeps: the columns that every target holds afterwards.
        after: what is written then.
    """

    sql: str
    kind: SchemaChangeKind
    states: tuple[SchemaChangeState, ...]
    columns: str = PLAIN
    forbidden: int | None = None
    codes: tuple[str, ...] = ()
    comes: str | None = None
    keeps: tuple[str, ...] = ("name", "n")
    after: tuple[str, ...] = field(default=AFTER)

    def state(self, policy: DriftPolicy) -> SchemaChangeState:
        return self.states[BY_POLICY.index(policy)]


COMES, GOES, ALWAYS, STOPS = (A, A, N, W, F), (A, N, N, W, F), (A, A, A, W, F), (F, F, F, W, F)
LOST = ("capture_lost", "table_not_found")
STREAMED = {
    "added": Ddl("ALTER TABLE {0} ADD extra int NULL", K.COLUMN_ADDED, COMES, comes="extra"),
    "filled": Ddl(
        "ALTER TABLE {0} ADD extra int NOT NULL DEFAULT 5", K.COLUMN_ADDED, COMES, comes="extra"
    ),
    "dropped": Ddl("ALTER TABLE {0} DROP COLUMN name", K.COLUMN_DROPPED, GOES, keeps=("n",)),
    "widened": Ddl(
        "ALTER TABLE {0} ALTER COLUMN n bigint NULL",
        K.TYPE_CHANGED,
        (A, F, F, W, F),
        after=("INSERT INTO {0} (id, n) VALUES (77, 5000000000)",),
    ),
    "narrowed": Ddl("ALTER TABLE {0} ALTER COLUMN name nvarchar(20) NULL", K.TYPE_CHANGED, ALWAYS),
    "family": Ddl(
        "ALTER TABLE {0} ALTER COLUMN n nvarchar(20) NULL", K.TYPE_CHANGED, (A, F, F, W, F)
    ),
    "nulled": Ddl("ALTER TABLE {0} ALTER COLUMN n int NOT NULL", K.NULLABILITY_CHANGED, GOES),
    "loosened": Ddl(
        "ALTER TABLE {0} ALTER COLUMN n int NULL",
        K.NULLABILITY_CHANGED,
        GOES,
        columns=KEYED,
        after=("INSERT INTO {0} (id) VALUES (77)", "UPDATE {0} SET n = NULL WHERE id = 2"),
    ),
    "rekeyed": Ddl(
        "ALTER TABLE {0} DROP CONSTRAINT pk_{0}; ALTER TABLE {0} ADD PRIMARY KEY (n)",
        K.KEY_CHANGED,
        STOPS,
        columns=KEYED,
        forbidden=22979,
        codes=("capture_lost",),
    ),
    "renamed": Ddl(
        "EXEC sp_rename N'dbo.{0}.name', N'title', N'COLUMN'",
        K.COLUMN_RENAMED,
        COMES,
        forbidden=4928,
        comes="title",
        keeps=("n",),
    ),
    "moved": Ddl("EXEC sp_rename N'dbo.{0}', N'{0}_away'", K.TABLE_DROPPED, (F,) * 5, codes=LOST),
    "gone": Ddl("DROP TABLE {0}", K.TABLE_DROPPED, (F,) * 5, codes=LOST),
}
SLOWLY: dict[str, Any] = {"poll_interval_ms": 200}
"""A poll of a dozen tables costs the simulated server more than anything else here."""
STILL, TRUNCATED = "still", "truncated"
RENAMED = TableRef("dbo", "renamed")


@pytest.fixture(params=[S3, Delta, Snowflake], ids=["s3", "delta", "snowflake"])
async def anywhere(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    database: Database,
    buckets: SeaweedServer,
    snowflake: SnowflakeEmulator,
) -> AsyncIterator[Files]:
    made: Files = request.param(tmp_path, database)
    if isinstance(made, S3):
        made.server = buckets
    if isinstance(made, Snowflake):
        made.emulator = snowflake
    yield made
    await made.aclose()


def expected(setting: Files, name: str, ddl: Ddl, policy: DriftPolicy) -> SchemaChangeState:
    """Return what becomes of a DDL: a table cannot hold texts where it has numbers, files can."""
    cannot = name == "family" and not isinstance(setting, S3) and policy is P.EVOLVE
    return F if cannot else ddl.state(policy)


async def altered(setting: Files, name: str, ddl: Ddl) -> None:
    """Let it happen, and write to the table afterwards."""
    database, sql = setting.database, ddl.sql.format(name)
    if ddl.forbidden is not None:
        with pytest.raises(SourceQueryError) as refused:
            await database.run(sql)
        assert str(ddl.forbidden) in refused.value.detail
        sql = f"BEGIN TRAN; {FREED.format(name)}; {sql}; COMMIT"
    await executed(database, sql)
    if ddl.kind is not K.TABLE_DROPPED:
        await database.run(*(statement.format(name) for statement in ddl.after))


async def executed(database: Database, sql: str) -> None:
    """Run DDL, again where it was chosen as the victim of a deadlock with the capture process."""
    for _ in range(5):
        with suppress(RetryableError):
            await database.run(sql)
            return
    await database.run(sql)


async def decided(life: Life, over: Callable[[], Awaitable[bool]]) -> None:
    """Decide about what waits, whenever the task pauses, until it is over."""

    async def paused() -> bool:
        task = await life.store.engine.task(life.task_id)
        return task.status is TaskStatus.PAUSED or await over()

    while True:
        await until(paused)
        waiting = await life.store.schema_history.held(life.task_id)
        for change in [c for c in waiting if c.state is W]:
            await by_a_person(life, change)
        if await over():
            return


async def all_known(life: Life) -> bool:
    return all([await changes(life, TableRef("dbo", name)) for name in STREAMED])


async def by_a_person(life: Life, change: SchemaChange) -> None:
    """Approve what is possible, and see that the rest cannot be approved."""
    if change.possible:
        done = await life.decide(change, DriftDecision.APPROVE)
        assert (done.state, done.decided_by) == (A, "a person")
        return
    with pytest.raises(ActionNotAllowedError):
        await life.decide(change, DriftDecision.APPROVE)
    assert (await life.decide(change, DriftDecision.REJECT)).state is S.REJECTED


@pytest.mark.timeout(480)  # with `pause` it stops and goes on a dozen times
@pytest.mark.parametrize("policy", BY_POLICY)
async def test_every_ddl_of_a_table_that_streams(anywhere: Files, policy: DriftPolicy) -> None:
    setting, names = anywhere, (*STREAMED, STILL)
    tables = {name: TableRef("dbo", name) for name in names}
    setting.settings = {"schema_drift_policy": policy}
    setting.mappings = (TableMapping(source=RENAMED, on_gap=OnGap.RELOAD),)
    for name, table in tables.items():
        ddl = STREAMED.get(name)
        await made(setting, table, columns=(ddl.columns if ddl else PLAIN).format(name))
    async with setting.life(*tables.values(), merge_interval_s=0, **SLOWLY) as life:
        await life.start()
        await life.streaming()
        for name, ddl in STREAMED.items():
            await altered(setting, name, ddl)
        with pytest.raises(SourceQueryError, match="4711"):
            await setting.database.run(f"TRUNCATE TABLE {STILL}")
        if policy is P.PAUSE:
            await decided(life, lambda: all_known(life))
        found = await noticed(life, *(tables[name] for name in STREAMED))
        for name, ddl in STREAMED.items():
            change = found[tables[name]]
            assert (change.kind, change.policy) == (ddl.kind, policy), name
            if policy is not P.PAUSE:
                assert change.state is expected(setting, name, ddl, policy), (name, change.note)
            assert change.note or change.state is A, name
        for name, ddl in STREAMED.items():
            await _ends(setting, life, tables[name], ddl)
        await setting.database.run(f"UPDATE {STILL} SET n = 99 WHERE id = 1")
        await arrives(setting, tables[STILL], "name", "n")
        assert not await changes(life, tables[STILL])


async def _ends(setting: Files, life: Life, table: TableRef, ddl: Ddl) -> None:
    """See what became of a table and of its rows."""
    change = (await changes(life, table))[0]
    if ddl.codes or change.state.holds:
        await stops(life, table, *ddl.codes, "schema_change_refused")
        rows = await setting.rows(table)
        assert [rows[i]["name"] for i in range(5)] == [f"r {i}" for i in range(5)]
        assert 77 not in rows
        return
    comes = [ddl.comes] if ddl.comes is not None and change.state is A else []
    if table.name == "family":

        async def as_texts() -> bool:
            held = await setting.rows(table)
            return {k: str(r["n"]) for k, r in held.items()} == {
                i: str(40 if i == 2 else i) for i in range(5)
            } | {77: "7"}

        await until(as_texts)
        return
    await arrives(setting, table, *ddl.keeps, *comes)
    row = (await setting.rows(table))[77]
    assert comes or ddl.comes not in row
    if "name" not in ddl.keeps:
        assert row.get("name") is None  # kept, and NULL from then on
    if comes and table != RENAMED and not isinstance(setting, S3):
        assert "ADD COLUMN" in change.ddl[0]
    if comes and table.name == "filled":

        async def counted() -> bool:
            return bool((await changes(life, table))[0].affected_rows)

        await until(counted)


LOADED = {
    "added": STREAMED["added"],
    "dropped": STREAMED["dropped"],
    "family": STREAMED["family"],
    "rekeyed": replace(STREAMED["rekeyed"], states=(A, F, F, W, F)),
    "keyless": replace(
        STREAMED["rekeyed"],
        sql="ALTER TABLE {0} DROP CONSTRAINT pk_{0}",
        states=(A, F, F, W, F),
    ),
    "renamed": STREAMED["renamed"],
    "moved": STREAMED["moved"],
}


@pytest.mark.parametrize("policy", BY_POLICY)
async def test_every_ddl_between_two_loads(anywhere: Files, policy: DriftPolicy) -> None:
    setting, tables = anywhere, {name: TableRef("dbo", name) for name in (*LOADED, TRUNCATED)}
    setting.settings = {"schema_drift_policy": policy}
    for name, table in tables.items():
        ddl = LOADED.get(name)
        await made(setting, table, columns=(ddl.columns if ddl else PLAIN).format(name))
    async with setting.life(*tables.values(), mode=TaskMode.FULL_LOAD) as life:
        assert (await life.execute()).status is ExecutionStatus.COMPLETED
        for name, ddl in LOADED.items():
            await setting.database.run(ddl.sql.format(name))
            if ddl.kind is not K.TABLE_DROPPED:
                await setting.database.run(*(sql.format(name) for sql in ddl.after))
        await setting.database.run(f"TRUNCATE TABLE {TRUNCATED}")
        if policy is P.PAUSE:
            await life.start()
            await decided(life, lambda: at_rest(life))
        else:
            ended = await life.execute()
            assert ended.status is ExecutionStatus.PARTIAL, ended.error_message
            assert ended.schema_changes_detected == len(LOADED)
        for name, ddl in LOADED.items():
            change = (await changes(life, tables[name]))[0]
            assert change.kind is ddl.kind
            if policy is not P.PAUSE:
                assert change.state is ddl.state(policy), (name, change.note)
            await _is_loaded(setting, tables[name], ddl, change)
        assert await setting.rows(tables[TRUNCATED]) == {}
        assert not await changes(life, tables[TRUNCATED])


async def at_rest(life: Life) -> bool:
    return (await life.store.engine.task(life.task_id)).status in {
        TaskStatus.IDLE,
        TaskStatus.FAILED,
    }


async def _is_loaded(setting: Files, table: TableRef, ddl: Ddl, change: SchemaChange) -> None:
    rows = await setting.rows(table)
    if change.state.holds:
        assert [rows[i]["name"] for i in range(5)] == [f"r {i}" for i in range(5)]
        assert 77 not in rows
        return
    comes = [ddl.comes] if ddl.comes is not None and change.state is A else []
    assert await holds(setting, table, *ddl.keeps, *comes)
    assert comes or ddl.comes not in rows[77]
    assert "name" in ddl.keeps or rows[1]["name"] is None
