"""The history checker: random workloads from a seed, faults in between, nothing lost or doubled.

More of it: DTAAS_TEST_HISTORIES=100, from another seed: DTAAS_TEST_SEED=1000.
"""

import json
import os
from itertools import groupby
from random import Random
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from dtaas.model.schema import TableRef
from dtaas.sandbox.sqlserver.simulated import SimulatedSqlServer
from dtaas.sandbox.workload.hand import Hand, hand
from dtaas.sandbox.workload.history import Change, Row, commits_of, compare
from dtaas.sandbox.workload.tables import Table
from dtaas.sandbox.workload.workload import Mix, Workload
from tests.fakes.lake_reader import METADATA, LakeTable
from tests.integration.streaming.conftest import LIMIT_S, Life, Setting

FIRST = int(os.environ.get("DTAAS_TEST_SEED", "1"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("DTAAS_TEST_HISTORIES", "3")))
LIVES = 3
# DDL is among what storms do: tests/system/test_torture.py.
MIX = Mix(alter=0, huge=0.2, huge_rows=300)


async def trouble(server: SimulatedSqlServer, dice: Random) -> None:
    """Let something go wrong, or nothing, and end what went wrong before."""
    server.capture.resume()
    match dice.randrange(4):
        case 0:
            server.faults.reset_after_bytes = dice.randint(100, 30_000)
        case 1:
            server.capture.paused = True
        case 2:
            server.faults.rows_per_s = 2_000.0
        case _:
            server.faults.rows_per_s = None


async def storm(life: Life, player: Hand, server: SimulatedSqlServer, dice: Random) -> None:
    """Work while things go wrong, then end the life in the middle of whatever it does."""
    for _ in range(dice.randint(2, 5)):
        await trouble(server, dice)
        await player.play(dice.randint(5, 25))
        await anyio.sleep(dice.random() * 0.1)
    await life.supervisor.stop_now(life.task_id)


def calm(server: SimulatedSqlServer) -> None:
    server.faults.reset_after_bytes = None
    server.faults.rows_per_s = None
    server.capture.resume()


def plain(row: dict[str, Any], table: Table) -> dict[str, Any]:
    """Return a row of the lake in the workload's values."""
    guids = {c.name for c in table.extra if c.declaration == "uniqueidentifier"}
    return {n: v.upper() if n in guids and v is not None else v for n, v in row.items()}


def rows_of(lake: LakeTable, table: Table) -> dict[int, dict[str, Any]]:
    """Return the rows as changes left them, in the workload's values."""
    return {
        key: plain({name: row[name] for name in table.columns}, table)
        for (key,), row in lake.state(("id",)).items()
    }


def seen(lake: LakeTable, table: Table) -> list[list[Change]]:
    """Return the transactions a reader of change files sees."""
    return [
        [change_of(row, table) for row in rows]
        for _, rows in groupby(lake.changes(), key=lambda row: row["_lsn"])
    ]


def change_of(row: dict[str, Any], table: Table) -> Change:
    skipped = METADATA | set(json.loads(row["_unchanged"] or "[]"))
    if row["_op"] == "D":
        skipped |= set(table.columns) - {"id", *table.key}
    return Change(row["_op"], plain({n: v for n, v in row.items() if n not in skipped}, table))


def difference(id_: int, expected: Row | None, found: Row | None) -> str:
    if expected is None or found is None:
        return f"row {id_} {'is too many' if expected is None else 'is missing'}"
    columns = [n for n in expected if found[n] != expected[n]]
    return "; ".join(f"row {id_}.{n} {found[n]!r}, not {expected[n]!r}" for n in columns)


async def until_arrived(setting: Setting, workload: Workload, seed: int) -> None:
    for name, table in workload.tables.items():
        lake = setting.table(TableRef("dbo", name))
        with anyio.move_on_after(LIMIT_S):
            while rows_of(lake, table) != workload.rows(name):
                await anyio.sleep(0.05)
        found, expected = rows_of(lake, table), workload.rows(name)
        differing = [i for i in {*found, *expected} if found.get(i) != expected.get(i)]
        examples = [difference(i, expected.get(i), found.get(i)) for i in differing[:3]]
        assert not differing, f"seed {seed}: {name} differs: {examples}"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", SEEDS)
async def test_every_change_arrives_once_and_in_order(setting: Setting, seed: int) -> None:
    dice, server = Random(seed), setting.database.server
    workload = Workload(seed, tables=2, sessions=3, mix=MIX)
    await setting.database.run(*workload.setup())
    try:
        async with hand(server, setting.database.config.database, workload) as player:
            await player.play(60)
            await player.finish()
            loaded = len(workload.history)
            tables = [TableRef("dbo", name) for name in workload.tables]
            async with setting.life(*tables, window_rows=40) as life:
                await life.start()
                await life.streaming()
                await storm(life, player, server, dice)
            for _ in range(LIVES - 1):
                async with setting.life() as life:
                    await life.start()
                    await storm(life, player, server, dice)
            calm(server)
            await player.finish()
        async with setting.life() as life:
            await life.start()
            await life.streaming()
            await until_arrived(setting, workload, seed)
    finally:
        calm(server)
    for name, table in workload.tables.items():
        committed = commits_of(workload.history[loaded:], name)
        found = compare(committed, seen(setting.table(TableRef("dbo", name)), table))
        assert found.are_none, f"seed {seed}: {name}: {found}"


def test_the_checker_finds_what_is_planted() -> None:
    """A lost and a doubled change in a history as this file compares them."""
    workload = Workload(5, tables=1, mix=MIX)
    for _ in range(200):
        workload.step()
    workload.finish()
    committed = commits_of(workload.history, "w1")
    lost = [list(changes) for changes in committed]
    lost[2].pop()
    doubled = [*committed, [replace(committed[0][0])]]
    assert compare(committed, lost).lost == 1
    assert compare(committed, doubled).doubled == 1
