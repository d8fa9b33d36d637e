"""Jobs and cleanup of change data capture, through Microsoft's driver: sqlserver-facts A2, A9."""

import pytest

from tests.integration.sqlserver.captured import Captured
from tests.integration.sqlserver.odbc_session import Connector


async def test_help_jobs(captured: Captured, connector: Connector) -> None:
    result = (await captured.sql.run("EXEC sys.sp_cdc_help_jobs"))[-1]
    assert result.columns == (
        "job_id",
        "job_type",
        "job_name",
        "maxtrans",
        "maxscans",
        "continuous",
        "pollinginterval",
        "retention",
        "threshold",
    )
    name = connector.database
    assert [row[1:] for row in result.rows] == [
        ("capture", f"cdc.{name}_capture", 500, 10, True, 5, 0, 0),
        ("cleanup", f"cdc.{name}_cleanup", 0, 0, False, 0, 4320, 5000),
    ]
    stored = await captured.sql.rows(
        "SELECT job_id, job_type FROM msdb.dbo.cdc_jobs WHERE database_id = DB_ID() ORDER BY 2"
    )
    assert stored == [row[:2] for row in result.rows]


async def test_jobs_are_changed_dropped_and_added(captured: Captured) -> None:
    async def settings(job_type: str) -> list[tuple[object, ...]]:
        rows = await captured.sql.rows("EXEC sys.sp_cdc_help_jobs")
        return [row[3:] for row in rows if row[1] == job_type]

    run = captured.sql.run
    await run("EXEC sys.sp_cdc_change_job @job_type = N'capture', @maxtrans = 7, @maxscans = 2")
    await run("EXEC sys.sp_cdc_change_job @pollinginterval = 1")
    assert await settings("capture") == [(7, 2, True, 1, 0, 0)]
    await run("EXEC sys.sp_cdc_drop_job N'capture'")
    assert await settings("capture") == []
    assert (await captured.sql.fails("EXEC sys.sp_cdc_start_job"))[0] == 22997
    await run("EXEC sys.sp_cdc_add_job @job_type = N'capture', @pollinginterval = 0")
    assert await settings("capture") == [(500, 10, True, 0, 0, 0)]
    assert (await captured.sql.fails("EXEC sys.sp_cdc_add_job N'capture'"))[0] == 22836


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        ("N'capture', @maxtrans = 0", 22991),
        ("N'capture', @maxscans = -1", 22970),
        ("N'capture', @pollinginterval = 86400", 22990),
        ("N'capture', @retention = 5", 22995),
        ("N'cleanup', @maxtrans = 5", 22996),
        ("N'cleanup', @retention = 0", 22994),
        ("N'sweep', @retention = 1", 22992),
        ("NULL, @retention = 1", 22963),
    ],
)
async def test_settings_that_are_refused(captured: Captured, arguments: str, number: int) -> None:
    before = await captured.sql.rows("EXEC sys.sp_cdc_help_jobs")
    assert (await captured.sql.fails(f"EXEC sys.sp_cdc_change_job {arguments}"))[0] == number
    assert await captured.sql.rows("EXEC sys.sp_cdc_help_jobs") == before


async def test_a_stopped_job_loses_nothing(captured: Captured) -> None:
    await captured.table("stopped", "id int NOT NULL PRIMARY KEY")
    await captured.sql.run("EXEC sys.sp_cdc_stop_job @job_type = N'capture'")
    await captured.sql.run("INSERT INTO stopped VALUES (1)")
    assert await captured.changes("stopped", "id") == []
    await captured.sql.run("EXEC sys.sp_cdc_start_job @job_type = N'capture'")
    assert await captured.changes("stopped", "id") == [(2, 1)]


async def test_cleanup_of_one_instance(captured: Captured) -> None:
    await captured.table("cleaned", "id int NOT NULL PRIMARY KEY")
    for id_ in (1, 2, 3):
        await captured.sql.run("INSERT INTO cleaned VALUES (?)", id_)
    first, middle, last = [lsn for _, lsn in await captured.changes("cleaned", "__$start_lsn")]
    # Commits within one tick of the clock share a low mark: move them apart.
    text = "EXEC sys.sp_cdc_cleanup_change_table @capture_instance = N'cleaned', {}"
    mark = await captured.sql.value(
        "SELECT MIN(start_lsn) FROM cdc.lsn_time_mapping WHERE tran_end_time ="
        " (SELECT tran_end_time FROM cdc.lsn_time_mapping WHERE start_lsn = ?)",
        last,
    )
    found = await captured.sql.value(
        "DECLARE @failed bit = 1; "
        + text.format("@low_water_mark = ?, @fCleanupFailed = @failed OUTPUT")
        + "; SELECT @failed",
        last,
    )
    assert found is False
    assert await captured.sql.value("SELECT sys.fn_cdc_get_min_lsn('cleaned')") == mark
    kept = [lsn for _, lsn in await captured.changes("cleaned", "__$start_lsn")]
    assert kept == [lsn for lsn in (first, middle, last) if lsn >= mark]
    await captured.sql.run(text.format("@low_water_mark = NULL"))
    assert [lsn for _, lsn in await captured.changes("cleaned", "__$start_lsn")] == kept
    unknown = "0x" + bytes(10).hex()
    assert (await captured.sql.fails(text.format(f"@low_water_mark = {unknown}")))[0] == 22964
    missing = "EXEC sys.sp_cdc_cleanup_change_table N'missing', NULL"
    assert (await captured.sql.fails(missing))[0] == 22981


async def test_cleanup_below_what_is_left(captured: Captured) -> None:
    await captured.table("early", "id int NOT NULL PRIMARY KEY")
    await captured.sql.run("INSERT INTO early VALUES (1)")
    ((_, early),) = await captured.changes("early", "__$start_lsn")
    await captured.table("late", "id int NOT NULL PRIMARY KEY")
    number, text = await captured.sql.fails(
        "EXEC sys.sp_cdc_cleanup_change_table N'late', @low_water_mark = ?", early
    )
    assert number == 22957
    assert f"LSN 0x{early.hex().upper()}" in text


async def test_the_cleanup_job_keeps_the_retention(captured: Captured) -> None:
    await captured.table("aged", "id int NOT NULL PRIMARY KEY")
    await captured.sql.run("INSERT INTO aged VALUES (1)")
    kept = await captured.changes("aged", "id")
    await captured.sql.run("EXEC sys.sp_cdc_start_job N'cleanup'")
    assert await captured.changes("aged", "id") == kept == [(2, 1)]
    low = await captured.sql.value("SELECT sys.fn_cdc_get_min_lsn('aged')")
    assert low <= await captured.sql.value("SELECT MIN(__$start_lsn) FROM cdc.aged_CT")


async def test_columns_and_history_of_an_instance(captured: Captured) -> None:
    await captured.table("told", "id int NOT NULL PRIMARY KEY, name nvarchar(9), price money")
    await captured.sql.run("ALTER TABLE told ADD more int NULL")
    columns = await captured.sql.rows("EXEC sys.sp_cdc_get_captured_columns N'told'")
    assert [row[:8] for row in columns] == [
        ("dbo", "told", "told", "id", 1, 1, "int", None),
        ("dbo", "told", "told", "name", 2, 2, "nvarchar", 9),
        ("dbo", "told", "told", "price", 3, 3, "money", None),
    ]
    history = await captured.sql.rows("EXEC sys.sp_cdc_get_ddl_history N'told'")
    assert [row[:5] for row in history] == [
        ("dbo", "told", "told", False, "ALTER TABLE told ADD more int NULL")
    ]
    missing = "EXEC sys.sp_cdc_get_captured_columns N'nothing'"
    assert (await captured.sql.fails(missing))[0] == 22981
