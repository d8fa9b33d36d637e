"""What the connector's page is told of capture instances, by the owner and by a reader's login."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count

import pytest
from msgspec.structs import replace

from dtaas.connectors.sqlserver.capture.source import SqlServerChangeSource
from dtaas.model.errors import RequestError
from dtaas.model.schema import TableRef
from dtaas.sandbox.sqlserver.simulated import SimulatedSqlServer
from tests.integration.sqlserver_source.database import Database

LOGIN, PASSWORD = "survey_reader", "Reader-1"
ORDERS = TableRef("dbo", "or]ders")
_numbers = count()


@pytest.fixture
async def database(server: SimulatedSqlServer) -> AsyncIterator[Database]:
    """A database with one table that nothing captures."""
    name = f"survey_{next(_numbers)}"
    admin = Database(server, "master", server.password)
    await admin.run(f"CREATE DATABASE {name}")
    await admin.aclose()
    database = Database(server, name, server.password)
    await database.create(ORDERS, "id int NOT NULL PRIMARY KEY, [a]]b] nvarchar(20), note int")
    yield database
    await database.aclose()


@asynccontextmanager
async def opened(database: Database, **changed: object) -> AsyncIterator[SqlServerChangeSource]:
    source = SqlServerChangeSource(replace(database.config, **changed), application="dtaas/tests")
    try:
        yield source
    finally:
        await source.aclose()


async def enable(database: Database, instance: str, columns: str = "NULL") -> None:
    await database.run(
        "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'or]ders',"
        f" @role_name = N'readers', @capture_instance = N'{instance}',"
        f" @captured_column_list = {columns}"
    )
    while await database.server.capture.scan_now():
        pass


async def test_a_database_without_capture_says_what_to_run(database: Database) -> None:
    async with opened(database) as source:
        survey = await source.survey()
    assert not survey.enabled
    assert survey.instances == ()
    assert survey.fix == "EXEC sys.sp_cdc_enable_db;"


async def test_an_instance_of_somebody_else_shows_what_it_leaves_out(database: Database) -> None:
    await database.run("EXEC sys.sp_cdc_enable_db")
    await enable(database, f"theirs_{database.config.database}", "N'[id], [a]]b]'")
    async with opened(database) as source:
        survey = await source.survey()
    assert survey.enabled
    assert survey.trouble == ""
    assert survey.retention_s == 3 * 86_400
    await database.run("EXEC sys.sp_cdc_drop_job N'cleanup'")
    async with opened(database) as source:
        assert (await source.survey()).retention_s is None
    (theirs,) = survey.instances
    assert theirs.table == ORDERS
    assert theirs.columns == ("id", "a]b")
    assert theirs.missing == ("note",)
    assert theirs.role == "readers"
    assert not theirs.made_by_us
    assert len(theirs.start) == 20
    assert theirs.start <= survey.position
    assert abs((datetime.now(UTC) - theirs.created_at).total_seconds()) < 120


async def test_one_that_we_made_is_told_from_others_and_can_be_dropped(database: Database) -> None:
    await database.run("EXEC sys.sp_cdc_enable_db")
    await enable(database, f"theirs_{database.config.database}")
    async with opened(database) as source:
        await database.run(
            f"EXEC sys.sp_cdc_disable_table N'dbo', N'or]ders', N'theirs_{database.config.database}'"
        )
        (tracked,) = await source.track([ORDERS], keys={}, enable=True)
        (ours,) = (await source.survey()).instances
        assert (ours.name, ours.identity) == (tracked.instance, tracked.instance_id)
        assert ours.made_by_us
        assert ours.missing == ()
        assert ours.role is None
        await source.drop_capture(ours)
        assert (await source.survey()).instances == ()


async def test_a_login_that_owns_nothing_sees_its_instances_but_not_the_scans(
    database: Database,
) -> None:
    await database.run("EXEC sys.sp_cdc_enable_db")
    await enable(database, f"theirs_{database.config.database}")
    await database.server.engine.create_login(LOGIN, PASSWORD)
    await database.server.engine.create_user(LOGIN, database.config.database)
    async with opened(database, username=LOGIN, password=PASSWORD) as source:
        assert (await source.survey()).instances == ()
        await database.run(
            f"GRANT SELECT ON [dbo].[or]]ders] TO {LOGIN}",
            f"ALTER ROLE readers ADD MEMBER {LOGIN}",
        )
        survey = await source.survey()
    assert [one.table for one in survey.instances] == [ORDERS]
    assert survey.scanned_at is None
    assert survey.fix == "Grant it: GRANT VIEW DATABASE STATE TO [the_user];"


async def test_nothing_is_dropped_on_a_readable_secondary(database: Database) -> None:
    await database.run("EXEC sys.sp_cdc_enable_db")
    await enable(database, f"theirs_{database.config.database}")
    async with opened(database) as source:
        (theirs,) = (await source.survey()).instances
    async with opened(database, application_intent_read_only=True) as source:
        with pytest.raises(RequestError, match="readable secondary"):
            await source.drop_capture(theirs)
