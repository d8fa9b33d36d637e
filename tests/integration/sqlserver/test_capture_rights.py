"""Who may read captured changes, and how: gating roles, the functions, schema cdc itself."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.sqlserver.captured import Captured
from tests.integration.sqlserver.odbc_session import Connector, OdbcSession

LOGIN, PASSWORD = "gated_reader", "Reader-1"
FUNCTION = "SELECT id FROM cdc.fn_cdc_get_all_changes_{0}(?, ?, 'all')"
ENABLE = (
    "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'{0}', "
    "@role_name = N'{1}', @capture_instance = N'{0}'"
)


@pytest.fixture
async def reader(connector: Connector) -> AsyncIterator[OdbcSession]:
    """A login that may do nothing yet."""
    await connector.server.engine.create_login(LOGIN, PASSWORD)
    await connector.server.engine.create_user(LOGIN, connector.database)
    async with connector.session(UID=LOGIN, PWD=PASSWORD) as session:
        yield session


async def gated(captured: Captured, name: str, role: str) -> tuple[bytes, bytes]:
    """Make a table whose changes a role guards, with one row. Returns its bounds."""
    await captured.sql.run(f"CREATE TABLE dbo.{name} (id int NOT NULL PRIMARY KEY)")
    await captured.sql.run(ENABLE.format(name, role))
    await captured.sql.run(f"INSERT INTO {name} VALUES (1)")
    await captured.catch_up()
    rows = await captured.sql.rows(
        f"SELECT sys.fn_cdc_get_min_lsn('{name}'), sys.fn_cdc_get_max_lsn()"
    )
    low, high = rows[0]
    return low, high


async def test_a_gating_role_is_made_and_opens_the_functions(
    captured: Captured, reader: OdbcSession
) -> None:
    bounds = await gated(captured, "locked", "cdc_readers")
    made = "SELECT type FROM sys.database_principals WHERE name = N'cdc_readers'"
    assert await captured.sql.rows(made) == [("R",)]
    asked = FUNCTION.format("locked")
    await captured.sql.run(f"GRANT SELECT ON dbo.locked TO {LOGIN}")
    number, message = await reader.fails(asked, *bounds)
    assert number == 229
    assert "fn_cdc_get_all_changes_..." in message
    await captured.sql.run(f"ALTER ROLE cdc_readers ADD MEMBER {LOGIN}")
    assert await reader.rows(asked, *bounds) == [(1,)]
    assert await reader.rows("SELECT IS_ROLEMEMBER(N'cdc_readers')") == [(1,)]
    await captured.sql.run(f"ALTER ROLE cdc_readers DROP MEMBER {LOGIN}")
    assert (await reader.fails(asked, *bounds))[0] == 229


async def test_the_role_alone_does_not_do_without_the_source_table(
    captured: Captured, reader: OdbcSession
) -> None:
    bounds = await gated(captured, "half", "half_readers")
    await captured.sql.run(f"ALTER ROLE half_readers ADD MEMBER {LOGIN}")
    assert (await reader.fails(FUNCTION.format("half"), *bounds))[0] == 229
    await captured.sql.run("GRANT SELECT ON dbo.half TO half_readers")  # the role's right is his
    assert await reader.rows(FUNCTION.format("half"), *bounds) == [(1,)]
    assert await reader.rows("SELECT id FROM dbo.half") == [(1,)]


@pytest.mark.parametrize(
    "table",
    ["change_tables", "captured_columns", "index_columns", "ddl_history", "lsn_time_mapping"],
)
@pytest.mark.usefixtures("captured")
async def test_tables_of_cdc_are_closed_even_where_they_are_empty(
    reader: OdbcSession, table: str
) -> None:
    number, message = await reader.fails(f"SELECT COUNT(*) FROM cdc.{table}")
    assert number == 229
    assert f"on the object '{table}'" in message
    assert "schema 'cdc'" in message


async def test_select_on_the_schema_opens_what_is_there_and_what_comes(
    captured: Captured, reader: OdbcSession
) -> None:
    await gated(captured, "early", "early_readers")
    asked = "SELECT HAS_PERMS_BY_NAME(N'cdc.change_tables', N'OBJECT', N'SELECT')"
    assert await reader.rows(asked) == [(0,)]
    assert (await reader.fails("SELECT id FROM cdc.early_CT"))[0] == 229
    await captured.sql.run(f"GRANT SELECT ON SCHEMA::cdc TO {LOGIN}")
    assert await reader.rows(asked) == [(1,)]
    await gated(captured, "late", "late_readers")
    for name in ("early", "late"):
        assert await reader.rows(f"SELECT id FROM cdc.{name}_CT") == [(1,)]
    names = (
        "SELECT capture_instance FROM cdc.change_tables WHERE capture_instance IN ('early', 'late')"
    )
    assert len(await reader.rows(names)) == 2
    await captured.sql.run(f"REVOKE SELECT ON SCHEMA::cdc FROM {LOGIN}")
    assert (await reader.fails("SELECT COUNT(*) FROM cdc.change_tables"))[0] == 229


async def test_procedures_show_everybody_what_he_may_read(
    captured: Captured, reader: OdbcSession
) -> None:
    await gated(captured, "shown", "shown_readers")
    helped = "EXEC sys.sp_cdc_help_change_data_capture N'dbo', N'shown'"
    assert await reader.rows(helped) == []
    columns = "EXEC sys.sp_cdc_get_captured_columns @capture_instance = N'shown'"
    assert (await reader.fails(columns))[0] == 22981
    await captured.sql.run(f"GRANT SELECT ON dbo.shown TO {LOGIN}")
    await captured.sql.run(f"ALTER ROLE shown_readers ADD MEMBER {LOGIN}")
    assert [row[2] for row in await reader.rows(helped)] == ["shown"]
    assert [row[3] for row in await reader.rows(columns)] == ["id"]


@pytest.mark.usefixtures("captured")
async def test_scan_sessions_want_their_own_right(reader: OdbcSession) -> None:
    number, _ = await reader.fails("SELECT COUNT(*) FROM sys.dm_cdc_log_scan_sessions")
    assert number == 297


async def test_roles_are_made_and_dropped_by_name(captured: Captured) -> None:
    await captured.sql.run("CREATE ROLE auditors")
    assert (await captured.sql.fails("CREATE ROLE Auditors"))[0] == 15023
    assert (await captured.sql.fails("CREATE ROLE db_owner"))[0] == 15023
    assert (await captured.sql.fails("ALTER ROLE nobody ADD MEMBER sa"))[0] == 15151
    assert (await captured.sql.fails("ALTER ROLE auditors ADD MEMBER nobody"))[0] == 15151
    await captured.sql.run("DROP ROLE auditors")
    await captured.sql.run("DROP ROLE IF EXISTS auditors")
    assert (await captured.sql.fails("DROP ROLE auditors"))[0] == 15151
