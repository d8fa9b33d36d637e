"""Discovery, description, isolation, long and odd values, and the test of a connector."""

from typing import Any

import anyio
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from dtaas.connectors.sqlserver.source import SqlServerSource
from dtaas.model.check import CheckReport, StepStatus
from dtaas.model.connectors import SqlServerConfig
from dtaas.model.errors import (
    TableNotFoundError,
    UnsupportedTypeError,
    ValueTooLargeError,
)
from dtaas.model.schema import TableInfo, TableRef
from tests.integration.sqlserver_source.database import Database, column_of, load


async def info_of(source: SqlServerSource, table: TableRef) -> TableInfo:
    (info,) = [info for info in await source.discover() if info.table == table]
    return info


async def test_discovery_tells_sizes_and_keys(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    await database.create(
        table, "a int NOT NULL PRIMARY KEY, b nvarchar(max)", *(f"{i}, N'x'" for i in range(10))
    )
    info = await info_of(source, table)
    assert (info.row_count, info.key, info.column_count) == (10, ("a",), 2)
    assert info.data_bytes is not None
    assert info.cdc_enabled is False
    assert any("measured" in warning for warning in info.warnings)


async def test_table_without_key_is_warned_about(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    await database.create(table, "a int")
    info = await info_of(source, table)
    assert info.key == ()
    assert any("no key" in warning for warning in info.warnings)


async def test_unique_index_without_null_serves_as_key(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    await database.create(table, "a int NULL UNIQUE, b int NOT NULL, c int NOT NULL, UNIQUE (c, b)")
    assert (await source.describe(table)).key == ("c", "b")


async def test_native_types_are_named(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    await database.create(table, "a decimal(18,4) NOT NULL, b nvarchar(50), c varbinary(max)")
    schema = await source.describe(table)
    assert [c.native_type for c in schema.columns] == [
        "decimal(18,4)",
        "nvarchar(50)",
        "varbinary(max)",
    ]
    assert [c.nullable for c in schema.columns] == [False, True, True]


async def test_view_can_be_loaded(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    await database.create(table, "a int NOT NULL PRIMARY KEY, b int", "1, 10", "2, 20")
    view = TableRef("dbo", f"v_{table.name}")
    await database.run(f"CREATE VIEW dbo.{view.name} AS SELECT a, b * 2 AS c FROM dbo.{table.name}")
    assert sorted(await column_of(source, view, "c")) == [20, 40]
    await database.run(f"DROP VIEW dbo.{view.name}")


async def test_missing_table_says_what_to_grant(source: SqlServerSource) -> None:
    with pytest.raises(TableNotFoundError) as raised:
        await source.describe(TableRef("dbo", "no]where"))
    assert "GRANT SELECT ON [dbo].[no]]where]" in raised.value.hint


async def test_lone_surrogate_is_loud(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    await database.create(
        table,
        "a int NOT NULL PRIMARY KEY, b nvarchar(20), c nvarchar(max)",
        "1, N'fine', N'fine'",
        "2, N'x' + NCHAR(55357) + N'y', N'fine'",
    )
    with pytest.raises(UnsupportedTypeError, match=r"Column \[b\]"):
        await load(source, table)


async def test_genuine_replacement_character_is_kept(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    await database.create(
        table, "a int NOT NULL PRIMARY KEY, b nvarchar(max)", "1, NCHAR(65533) + N'😀'"
    )
    assert await column_of(source, table, "b") == ["\N{REPLACEMENT CHARACTER}😀"]


async def test_value_over_the_limit_is_refused(database: Database, table: TableRef) -> None:
    source = SqlServerSource(replace(database.config, max_lob_bytes=1024))
    await database.create(
        table, "a int NOT NULL PRIMARY KEY, b varbinary(max)", f"1, 0x{'00' * 1025}"
    )
    with pytest.raises(ValueTooLargeError, match=f"Column b of dbo.{table.name}"):
        await load(source, table)
    await source.aclose()


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("READ_COMMITTED_SNAPSHOT ON", "read_committed_snapshot"),
        ("ALLOW_SNAPSHOT_ISOLATION ON", "snapshot"),
    ],
)
async def test_best_isolation_is_used_and_logged(
    source: SqlServerSource, database: Database, table: TableRef, setting: str, expected: str
) -> None:
    await database.create(table, "a int NOT NULL PRIMARY KEY", "1", "2")
    name = database.config.database
    await database.run(f"ALTER DATABASE {name} SET {setting}")
    try:
        with capture_logs() as logs:
            await load(source, table)
    finally:
        await database.run(f"ALTER DATABASE {name} SET {setting.replace(' ON', ' OFF')}")
    assert {"event": "isolation_chosen", "isolation": expected, "log_level": "info"} in logs


async def test_rate_limit_slows_reading(database: Database, table: TableRef) -> None:
    source = SqlServerSource(replace(database.config, read_rate_limit_mb_s=0.1))
    await database.create(
        table, "a int NOT NULL PRIMARY KEY, b char(1000)", *(f"{i}, 'x'" for i in range(100))
    )
    began_s = anyio.current_time()
    await load(source, table)
    assert anyio.current_time() - began_s > 0.4
    await source.aclose()


async def test_database_without_change_data_capture_has_no_position(
    source: SqlServerSource,
) -> None:
    assert await source.position() == ""


async def reader_of(database: Database, table: TableRef) -> SqlServerConfig:
    """Return the configuration of a login that may read one table and nothing else."""
    engine = database.server.engine
    login = f"reader_{table.name}"
    await engine.create_login(login, "Read-only 1")
    await engine.create_user(login, database.config.database)
    await database.run(f"GRANT SELECT ON dbo.{table.name} TO {login}")
    return replace(database.config, username=login, password="Read-only 1")


async def test_login_that_may_read_one_table_loads_it(database: Database, table: TableRef) -> None:
    await database.create(table, "a int NOT NULL PRIMARY KEY", *(f"{i}" for i in range(10)))
    source = SqlServerSource(await reader_of(database, table))
    (info,) = await source.discover()
    assert (info.table, info.row_count) == (table, 10)
    chunks, _ = await load(source, table, chunk_rows=4)
    assert len(chunks) == 3
    report = await source.check(lambda _step: None)
    rights = next(step for step in report.steps if step.name == "rights")
    assert rights.status is StepStatus.WARNING
    assert "GRANT VIEW DATABASE STATE" in rights.fix
    await source.aclose()


async def test_table_the_login_may_not_see_does_not_exist_for_it(
    database: Database, table: TableRef
) -> None:
    other = TableRef("dbo", f"{table.name}_other")
    await database.create(table, "a int NOT NULL PRIMARY KEY")
    await database.create(other, "a int NOT NULL PRIMARY KEY")
    source = SqlServerSource(await reader_of(database, table))
    with pytest.raises(TableNotFoundError):
        await source.describe(other)
    await source.aclose()


async def report_of(config: SqlServerConfig, **changes: Any) -> CheckReport:
    source = SqlServerSource(replace(config, login_timeout_s=5, **changes))
    try:
        return await source.check(lambda _step: None)
    finally:
        await source.aclose()


async def test_check_passes_and_advises(database: Database) -> None:
    report = await report_of(database.config)
    assert report.ok
    steps = {step.name: step for step in report.steps}
    assert list(steps) == [
        "resolve",
        "tcp",
        "tls",
        "login",
        "database",
        "version",
        "clock",
        "rights",
        "isolation",
        "cdc",
    ]
    assert steps["clock"].status is StepStatus.OK
    assert steps["isolation"].status is StepStatus.WARNING
    assert "ALLOW_SNAPSHOT_ISOLATION ON" in steps["isolation"].fix
    assert "sp_cdc_enable_db" in steps["cdc"].fix


@pytest.mark.parametrize(
    ("changes", "failed", "code"),
    [
        ({"host": "no-such-host.invalid"}, "resolve", "host_not_found"),
        ({"port": 1}, "tcp", "connection_lost"),
        ({"trust_server_certificate": False}, "tls", "certificate_invalid"),
        ({"password": "wrong"}, "login", "authentication_failed"),
        ({"username": "nobody"}, "login", "authentication_failed"),
        ({"database": "nowhere"}, "database", "database_not_found"),
    ],
)
async def test_check_names_the_step_that_fails(
    database: Database, changes: dict[str, Any], failed: str, code: str
) -> None:
    report = await report_of(database.config, **changes)
    assert not report.ok
    (step,) = [s for s in report.steps if s.status is StepStatus.FAILED]
    assert (step.name, step.code) == (failed, code)
    assert step.fix
    after = report.steps[report.steps.index(step) + 1 :]
    assert all(s.status is StepStatus.SKIPPED for s in after)


@pytest.mark.parametrize(("ahead_s", "said"), [(180, "3 min ahead of"), (-10_800, "3.0 h behind")])
async def test_check_tells_how_far_the_clocks_are_apart(
    database: Database, ahead_s: int, said: str
) -> None:
    await database.server.set_clock(ahead_s)
    try:
        report = await report_of(database.config)
    finally:
        await database.server.set_clock(0)
    (clock,) = [step for step in report.steps if step.name == "clock"]
    assert report.ok
    assert clock.status is StepStatus.WARNING
    assert f"The clock of SQL Server is {said} this machine's." in clock.detail
    assert "w32tm /resync" in clock.fix
