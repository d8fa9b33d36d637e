"""What a task costs: statements and credits by table, and nothing while nothing changes."""

from pathlib import Path

from msgspec.structs import replace

from dtaas.connectors.snowflake.load import tag_of
from dtaas.model.connectors import ConnectorRole, SnowflakeConfig
from dtaas.model.load import Owner
from dtaas.model.task import DesiredState, TaskStatus
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator
from dtaas.store.connectors import ConnectorDraft
from tests.integration.engine.conftest import (
    LINES,
    ORDERS,
    Works,
    running,
    table_rows,
    table_schema,
)
from tests.integration.engine.test_streams import all_stream, change, streaming_task, tables_are
from tests.integration.snowflake.conftest import Run

_POLLS = 10


async def snowflake_task(works: Works, config: SnowflakeConfig) -> int:
    """Make a task that streams two tables into Snowflake."""
    for table in (ORDERS, LINES):
        works.source.add(table_schema(table), table_rows(50))
    task_id = await streaming_task(works, merge_interval_s=0)
    connector = await works.store.connectors.create(
        ConnectorDraft(name="snow", role=ConnectorRole.DESTINATION, kind="snowflake", config=config)
    )
    task = await works.store.engine.task(task_id)
    spec = replace(task.spec, destination_connector_id=connector.id)
    await works.store.tasks.update(task_id, spec)
    return task_id


async def idle(works: Works) -> None:
    """Wait until the source was asked some more times."""
    polls = works.source.log.polls
    await tables_are(works, lambda _: works.source.log.polls > polls + _POLLS)


async def test_a_task_pays_for_what_changes_and_says_what(
    snowflake: SnowflakeEmulator, config: SnowflakeConfig, run: Run, tmp_path: Path
) -> None:
    async with running(tmp_path) as works:
        task_id = await snowflake_task(works, replace(config, warehouse="WH"))
        await works.want(task_id, DesiredState.RUNNING)
        await works.task_is(TaskStatus.STREAMING)
        await tables_are(works, all_stream)
        await idle(works)

        before = await snowflake.log()
        await idle(works)
        await idle(works)
        assert await snowflake.log() == before  # no change, no statement

        change(works, ORDERS, 1_000)
        tables = await tables_are(works, lambda t: t[ORDERS].changes == 1)
        paid = [said.sql for said in (await snowflake.log())[len(before) :]]
        assert sum(sql.startswith("COPY") for sql in paid) == 1  # a new row behind all others
        assert not any(sql.startswith("MERGE") or "lines" in sql for sql in paid)

        task = await works.store.engine.task(task_id)
        installation = await works.store.engine.installation()
        owner = Owner(installation=installation, task_id=task_id, task_name=task.spec.name)
        ways = {t: (p.appended_windows, p.merged_windows) for t, p in tables.items()}
        assert ways == {ORDERS: (1, 0), LINES: (0, 0)}
        for table, progress in tables.items():
            tag = f"{tag_of(owner, table)}/execution 1"  # the first of this store
            puts = 2 if table == ORDERS else 1  # the connector sends no tag with a PUT
            tagged = sum(said.tag == tag for said in await snowflake.log())
            assert progress.queries == tagged + puts
            assert progress.credits is not None
            assert 0 < progress.credits < 1
        shared = sum(progress.credits or 0 for progress in tables.values())
        assert shared * 3600 < 60 + 60 + 120  # one awake X-Small, not one for each statement
    schema = config.schema.format(schema="dbo")
    assert await run(f'SELECT COUNT(*) FROM "TEST"."{schema}"."orders"') == [(51,)]
