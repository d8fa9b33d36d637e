"""Change tracking of the simulated server, through Microsoft's driver: sqlserver-facts C1."""

from typing import Any

import pytest

from tests.integration.sqlserver.odbc_session import Connector, OdbcSession


class Tracked:
    """A database with change tracking."""

    def __init__(self, sql: OdbcSession) -> None:
        self.sql = sql

    async def table(self, name: str, columns: str) -> None:
        await self.sql.run(f"CREATE TABLE dbo.{name} ({columns})")
        await self.sql.run(f"ALTER TABLE dbo.{name} ENABLE CHANGE_TRACKING")

    async def version(self) -> int:
        return int(await self.sql.value("SELECT CHANGE_TRACKING_CURRENT_VERSION()"))

    async def min_valid(self, name: str) -> int | None:
        found = await self.sql.value(
            f"SELECT CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID(N'dbo.{name}'))"
        )
        return None if found is None else int(found)

    async def changes(self, name: str, since: int | None, columns: str) -> list[tuple[Any, ...]]:
        return await self.sql.rows(
            f"DECLARE @since bigint = {'NULL' if since is None else since};"
            f"SELECT SYS_CHANGE_OPERATION, {columns}"
            f" FROM CHANGETABLE(CHANGES dbo.{name}, @since) AS c ORDER BY {columns}"
        )


@pytest.fixture
async def tracked(connector: Connector, sql: OdbcSession) -> Tracked:
    found = await sql.rows(
        "SELECT 1 FROM sys.change_tracking_databases WHERE database_id = DB_ID()"
    )
    if not found:
        await sql.run(
            f"ALTER DATABASE {connector.database} SET CHANGE_TRACKING = ON"
            " (CHANGE_RETENTION = 7 DAYS, AUTO_CLEANUP = OFF)"
        )
    return Tracked(sql)


async def test_what_the_catalog_says(tracked: Tracked) -> None:
    await tracked.sql.run("CREATE TABLE dbo.told (id int NOT NULL PRIMARY KEY)")
    await tracked.sql.run(
        "ALTER TABLE dbo.told ENABLE CHANGE_TRACKING WITH (TRACK_COLUMNS_UPDATED = ON)"
    )
    assert await tracked.sql.rows(
        "SELECT is_auto_cleanup_on, retention_period, retention_period_units_desc"
        " FROM sys.change_tracking_databases WHERE database_id = DB_ID()"
    ) == [(False, 7, "DAYS")]
    ((columns, low, begun),) = await tracked.sql.rows(
        "SELECT is_track_columns_updated_on, min_valid_version, begin_version"
        " FROM sys.change_tracking_tables WHERE object_id = OBJECT_ID(N'dbo.told')"
    )
    assert columns is True
    assert low == begun == await tracked.min_valid("told")
    assert low <= await tracked.version()


async def test_columns_of_changetable(tracked: Tracked) -> None:
    await tracked.table("shape", "b int, id int, a nvarchar(5), PRIMARY KEY (a, id)")
    (result,) = [
        r
        for r in await tracked.sql.run("SELECT * FROM CHANGETABLE(CHANGES dbo.shape, 0) AS c")
        if r.columns
    ]
    assert result.columns == (
        "SYS_CHANGE_VERSION",
        "SYS_CHANGE_CREATION_VERSION",
        "SYS_CHANGE_OPERATION",
        "SYS_CHANGE_COLUMNS",
        "SYS_CHANGE_CONTEXT",
        "a",
        "id",
    )


async def test_net_changes_since_a_version(tracked: Tracked) -> None:
    await tracked.table("net", "id int NOT NULL PRIMARY KEY, n int")
    await tracked.sql.run("INSERT INTO net VALUES (1, 0), (2, 0), (3, 0), (5, 0), (7, 0)")
    since = await tracked.version()
    for statement in (
        "UPDATE net SET n = 1 WHERE id = 1",
        "DELETE FROM net WHERE id = 2",
        "DELETE FROM net WHERE id = 3; INSERT INTO net VALUES (3, 9)",
        "INSERT INTO net VALUES (4, 0); UPDATE net SET n = 2 WHERE id = 4",
        "UPDATE net SET id = 50 WHERE id = 5",
        "INSERT INTO net VALUES (6, 0); DELETE FROM net WHERE id = 6",
    ):
        await tracked.sql.run(statement)
    assert await tracked.changes("net", since, "id") == [
        ("U", 1),
        ("D", 2),
        ("U", 3),
        ("I", 4),
        ("D", 5),
        ("D", 6),
        ("I", 50),
    ]
    assert await tracked.changes("net", await tracked.version(), "id") == []
    everything = await tracked.changes("net", None, "id")
    assert ("I", 7) in everything
    assert ("I", 1) in everything


async def test_versions_rise_with_commits(tracked: Tracked, connector: Connector) -> None:
    await tracked.table("overlap", "id int NOT NULL PRIMARY KEY")
    since = await tracked.version()
    async with connector.session() as other:
        await tracked.sql.run("BEGIN TRAN; INSERT INTO overlap VALUES (1)")
        await other.run("INSERT INTO overlap VALUES (2)")
        between = await other.value("SELECT CHANGE_TRACKING_CURRENT_VERSION()")
        assert between == since + 1
        await tracked.sql.run("INSERT INTO overlap VALUES (3); COMMIT")
    found = await tracked.changes("overlap", since, "SYS_CHANGE_VERSION, id")
    assert found == [("I", since + 1, 2), ("I", since + 2, 1), ("I", since + 2, 3)]
    assert await tracked.changes("overlap", between, "id") == [("I", 1), ("I", 3)]


async def test_rolled_back_work_is_not_tracked(tracked: Tracked) -> None:
    await tracked.table("undone", "id int NOT NULL PRIMARY KEY")
    since = await tracked.version()
    await tracked.sql.run("BEGIN TRAN; INSERT INTO undone VALUES (1); ROLLBACK")
    assert await tracked.version() == since
    assert await tracked.changes("undone", since, "id") == []


async def test_the_recommended_cycle_in_one_snapshot(
    tracked: Tracked, connector: Connector
) -> None:
    await tracked.table("cycle", "id int NOT NULL PRIMARY KEY, name nvarchar(9)")
    await connector.server.run_script(
        f"ALTER DATABASE {connector.database} SET ALLOW_SNAPSHOT_ISOLATION ON"
    )
    last = await tracked.version()
    await tracked.sql.run("INSERT INTO cycle VALUES (1, N'a'), (2, N'b')")
    async with connector.session() as reader:
        await reader.run("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION")
        following, low = (
            await reader.rows(
                "SELECT CHANGE_TRACKING_CURRENT_VERSION(),"
                " CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID(N'dbo.cycle'))"
            )
        )[0]
        assert low <= last < following
        await tracked.sql.run("DELETE FROM cycle WHERE id = 1; INSERT INTO cycle VALUES (3, N'c')")
        text = (
            "SELECT c.SYS_CHANGE_OPERATION, c.id, t.name"
            " FROM CHANGETABLE(CHANGES dbo.cycle, ?) AS c"
            " LEFT JOIN dbo.cycle AS t ON t.id = c.id ORDER BY c.id"
        )
        assert await reader.rows(text, last) == [("I", 1, "a"), ("I", 2, "b")]
        await reader.run("COMMIT")
        assert await reader.rows(text, following) == [("D", 1, None), ("I", 3, "c")]


async def test_truncate_ends_what_was_valid(tracked: Tracked) -> None:
    await tracked.table("emptied", "id int NOT NULL PRIMARY KEY")
    await tracked.sql.run("INSERT INTO emptied VALUES (1)")
    last = await tracked.version()
    await tracked.sql.run("TRUNCATE TABLE emptied")
    low = await tracked.min_valid("emptied")
    assert low is not None
    assert last < low <= await tracked.version()
    await tracked.sql.run("INSERT INTO emptied VALUES (1)")
    assert await tracked.changes("emptied", low, "id") == [("I", 1)]


async def test_disabling_and_dropping(tracked: Tracked, connector: Connector) -> None:
    await tracked.table("ended", "id int NOT NULL CONSTRAINT ended_key PRIMARY KEY")
    kept = await tracked.sql.fails("ALTER TABLE ended DROP CONSTRAINT ended_key")
    assert kept[0] == 3735
    refused = f"ALTER DATABASE {connector.database} SET CHANGE_TRACKING = OFF"
    assert (await tracked.sql.fails(refused))[0] == 22115
    await tracked.sql.run("ALTER TABLE ended DISABLE CHANGE_TRACKING")
    assert await tracked.min_valid("ended") is None
    text = "SELECT * FROM CHANGETABLE(CHANGES dbo.ended, 0) AS c"
    assert await tracked.sql.fails(text) == (
        22105,
        "Change tracking is not enabled on table 'dbo.ended'.",
    )
    await tracked.sql.run("INSERT INTO ended VALUES (1)")
    await tracked.sql.run("ALTER TABLE ended ENABLE CHANGE_TRACKING; DROP TABLE ended")
    assert (await tracked.sql.fails(text))[0] == 208


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("ALTER TABLE refused ENABLE CHANGE_TRACKING", 4997),
        ("ALTER TABLE refused DISABLE CHANGE_TRACKING", 4998),
        ("ALTER TABLE nothing ENABLE CHANGE_TRACKING", 4902),
        ("ALTER DATABASE CURRENT SET CHANGE_TRACKING = ON", 5088),
        ("ALTER DATABASE CURRENT SET CHANGE_TRACKING (CHANGE_RETENTION = 0 DAYS)", 5092),
        ("ALTER DATABASE CURRENT SET CHANGE_TRACKING (CHANGE_RETENTION = 2 DAY)", 155),
        ("ALTER DATABASE msdb SET CHANGE_TRACKING = ON", 5090),
        ("SELECT * FROM CHANGETABLE(CHANGES dbo.refused, 0)", 22104),
        ("SELECT * FROM CHANGETABLE(CHANGES sys.objects, 0) AS c", 22107),
        ("DECLARE @v int = 1; SELECT * FROM CHANGETABLE(CHANGES dbo.refused, @v + 1) AS c", 102),
    ],
)
async def test_what_is_refused(tracked: Tracked, statement: str, number: int) -> None:
    await tracked.sql.run("IF OBJECT_ID('dbo.refused') IS NULL CREATE TABLE refused (id int)")
    assert (await tracked.sql.fails(statement))[0] == number


async def test_a_database_without_tracking(connector: Connector) -> None:
    await connector.server.run_script("CREATE DATABASE untracked_database")
    async with connector.session(Database="untracked_database") as session:
        await session.run("CREATE TABLE t (id int NOT NULL PRIMARY KEY)")
        assert await session.value("SELECT CHANGE_TRACKING_CURRENT_VERSION()") is None
        assert (await session.fails("ALTER TABLE t ENABLE CHANGE_TRACKING"))[0] == 1718
        off = "ALTER DATABASE CURRENT SET CHANGE_TRACKING = OFF"
        assert (await session.fails(off))[0] == 5089


async def test_who_may_see_changes(tracked: Tracked, connector: Connector) -> None:
    await tracked.table("guarded", "id int NOT NULL PRIMARY KEY")
    await connector.server.engine.create_login("tracking_reader", "Reader-1")
    await connector.server.engine.create_user("tracking_reader", connector.database)
    await tracked.sql.run("INSERT INTO guarded VALUES (1)")
    text = "SELECT id FROM CHANGETABLE(CHANGES dbo.guarded, 0) AS c"
    low = "SELECT CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID(N'dbo.guarded'))"
    async with connector.session(UID="tracking_reader", PWD="Reader-1") as reader:
        assert (await reader.fails(text))[0] == 229
        assert await reader.value(low) is None
        await tracked.sql.run("GRANT SELECT ON dbo.guarded TO tracking_reader")
        assert await reader.rows(text) == [(1,)]
        assert await reader.value(low) == await tracked.min_valid("guarded")


async def test_capture_and_tracking_side_by_side(tracked: Tracked) -> None:
    await tracked.table("both", "id int NOT NULL PRIMARY KEY")
    await tracked.sql.run("EXEC sys.sp_cdc_enable_db")
    await tracked.sql.run("EXEC sys.sp_cdc_enable_table N'dbo', N'both', NULL, N'both'")
    since = await tracked.version()
    await tracked.sql.run("INSERT INTO both VALUES (1)")
    assert await tracked.changes("both", since, "id") == [("I", 1)]
