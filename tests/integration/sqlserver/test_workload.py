"""The workload generator against the simulated server, through Microsoft's driver."""

from itertools import groupby
from operator import itemgetter
from typing import Any

import pyodbc
import pytest

from dtaas.sandbox.sqlserver.simulated import SimulatedSqlServer
from dtaas.sandbox.workload.history import Change, commits_of, compare
from dtaas.sandbox.workload.player import Player, player
from dtaas.sandbox.workload.tables import Table
from dtaas.sandbox.workload.workload import Mix, Workload
from tests.integration.sqlserver.odbc_session import Connector, OdbcSession

OPERATIONS = {1: "D", 2: "I", 4: "U"}
STEPS = 250
MIX = Mix(huge_rows=500, huge=0.4)


async def play(workload: Workload, players: Player, steps: int) -> None:
    for _ in range(steps):
        await players.play(workload.step())
    for step in workload.finish():
        await players.play(step)


async def rows_of(sql: OdbcSession, table: Table) -> dict[int, dict[str, Any]]:
    names = ", ".join(table.columns)
    found = await sql.rows(f"SELECT {names} FROM dbo.{table.name}")
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in found}


async def captured_of(sql: OdbcSession, table: Table) -> list[list[Change]]:
    """Read what was captured, grouped by commit; long columns only where their bit is set."""
    columns = await sql.rows(
        "SELECT c.column_name, c.column_ordinal, c.column_type FROM cdc.captured_columns c"
        " JOIN cdc.change_tables t ON t.object_id = c.object_id WHERE t.capture_instance = ?"
        " ORDER BY c.column_ordinal",
        table.name,
    )
    names = ", ".join(name for name, _, _ in columns)
    found = await sql.rows(
        f"SELECT __$start_lsn, __$operation, __$update_mask, {names} FROM cdc.{table.name}_CT"
        " WHERE __$operation <> 3"
        " ORDER BY __$start_lsn, __$command_id, __$seqval, __$operation"
    )
    return [
        [seen(row[1], row[2], columns, row[3:]) for row in rows]
        for _, rows in groupby(found, key=itemgetter(0))
    ]


def seen(
    operation: int,
    mask: bytes,
    columns: list[tuple[Any, ...]],
    values: tuple[Any, ...],
) -> Change:
    op = OPERATIONS[operation]
    row = {}
    for (name, ordinal, type_name), value in zip(columns, values, strict=True):
        is_long = type_name == "nvarchar" and value is None
        changed = mask[-1 - (ordinal - 1) // 8] >> ((ordinal - 1) % 8) & 1
        if op != "U" or not is_long or changed:
            row[name] = value
    return Change(op, row)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_rows_and_captured_changes_are_those_the_workload_foretells(
    server: SimulatedSqlServer, driver: str, seed: int
) -> None:
    workload = Workload(seed, sessions=4, mix=MIX)
    connector = Connector(server, driver, f"workload_{seed}")
    await server.run_script(f"CREATE DATABASE {connector.database}")
    async with connector.session() as sql:
        for batch in workload.setup() + workload.tracking():
            await sql.run(batch)
        text = connector.text()
        async with player(
            lambda: pyodbc.connect(text, autocommit=True, timeout=10), workload.sessions
        ) as players:
            await play(workload, players, STEPS)
        while await server.capture.scan_now():
            pass
        for name, table in workload.tables.items():
            assert await rows_of(sql, table) == dict(workload.rows(name))
            committed = commits_of(workload.history, name)
            assert committed
            found = compare(committed, await captured_of(sql, table))
            assert found.are_none, (seed, found)
