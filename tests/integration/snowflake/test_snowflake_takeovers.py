"""Who takes a target over, or lost it: what was under way comes to nothing, and nothing else does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest
from msgspec.structs import replace

from dtaas.connectors.snowflake.destination import SnowflakeDestination
from dtaas.engine.verification.sides import fingerprint_of
from dtaas.model.connectors import SnowflakeConfig
from dtaas.model.errors import DestinationUnavailableError, OwnershipLostError, TimedOutError
from dtaas.model.ids import TaskId
from dtaas.model.load import ChunkReceipt, TableLoad, WriteMode
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator
from dtaas.sandbox.snowflake.faults import Fault
from tests.contract.destination import expected, load_of, rows_of, schema_of, write_chunk
from tests.integration.snowflake.conftest import Run, before_statement, destination_of, transactions


@asynccontextmanager
async def refused_while_on_its_way(
    snowflake: SnowflakeEmulator,
    earlier: SnowflakeDestination,
    load: TableLoad,
    receipt: ChunkReceipt,
) -> AsyncIterator[None]:
    """Let an earlier life commit; the block runs once the fault holds it, and it is refused."""

    async def commit() -> None:
        with pytest.raises(OwnershipLostError):
            await earlier.commit(load, [receipt])

    async with anyio.create_task_group() as group:
        group.start_soon(commit)
        while await snowflake.waiting_faults():
            await anyio.lowlevel.checkpoint()
        yield


@pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.TRUNCATE_INSERT])
async def test_an_earlier_life_cannot_load_beside_a_later_one(
    snowflake: SnowflakeEmulator,
    config: SnowflakeConfig,
    lives: list[SnowflakeDestination],
    mode: WriteMode,
) -> None:
    """Its transaction is open when the target is taken over: it must not commit."""
    schema = schema_of()
    rows = rows_of(schema, 0, 50)
    lives += [destination_of(config), destination_of(config)]
    load = load_of(lives[0], schema, mode=mode)
    await lives[0].claim(load.target, load.owner)
    await lives[0].begin(load)
    receipt = await write_chunk(lives[0], load, 0, rows)
    later = replace(load, owner=replace(load.owner, epoch=load.owner.epoch + 1))
    # The later life takes over after the earlier one has looked, and before it commits.
    await snowflake.inject(
        Fault(match="^INSERT INTO .*STAGED", when="after", kind="delay", delay_s=2)
    )
    async with refused_while_on_its_way(snowflake, lives[0], load, receipt):
        await lives[1].claim(later.target, later.owner)
    await lives[1].commit(later, [receipt])
    assert await fingerprint_of(lives[1], load.target, schema) == expected(schema, rows)


@pytest.mark.parametrize("task_id", [1, 2])
async def test_an_earlier_owner_cannot_swap_once_a_later_one_is_there(
    snowflake: SnowflakeEmulator,
    config: SnowflakeConfig,
    lives: list[SnowflakeDestination],
    task_id: int,
) -> None:
    """It has looked who the owner is, and its SWAP is on its way: it must come to nothing."""
    schema = schema_of()
    lives += [destination_of(config), destination_of(config)]
    load = load_of(lives[0], schema)
    await lives[0].claim(load.target, load.owner)
    await lives[0].begin(load)
    receipt = await write_chunk(lives[0], load, 0, rows_of(schema, 0, 50))
    later = replace(load.owner, task_id=TaskId(task_id), epoch=load.owner.epoch + 1)
    new = replace(load_of(lives[1], schema), owner=later)
    await snowflake.inject(Fault(match="SWAP WITH", when="before", kind="delay", delay_s=2))
    async with refused_while_on_its_way(snowflake, lives[0], load, receipt):
        await lives[1].claim(new.target, later, take_over=True)
        rows = rows_of(schema, 100, 180)
        await lives[1].begin(new)
        await lives[1].commit(new, [await write_chunk(lives[1], new, 0, rows)])
    assert await fingerprint_of(lives[1], load.target, schema) == expected(schema, rows)


async def test_a_take_over_that_lost_drops_no_table_of_who_won(
    snowflake: SnowflakeEmulator,
    config: SnowflakeConfig,
    lives: list[SnowflakeDestination],
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two come at once: the second loads already when the first looks for what to drop."""
    schema = schema_of()
    rows = rows_of(schema, 0, 50)
    lives += [destination_of(config) for _ in range(3)]
    load = load_of(lives[0], schema)
    await lives[0].claim(load.target, load.owner)
    lost, won = (replace(load.owner, task_id=TaskId(n)) for n in (2, 3))
    new = replace(load_of(lives[2], schema), owner=won)
    receipts: list[ChunkReceipt] = []

    async def comes() -> None:
        await lives[2].claim(new.target, won, take_over=True)
        await lives[2].begin(new)
        receipts.append(await write_chunk(lives[2], new, 0, rows))
        await snowflake.inject(Fault(match="^COPY", kind="error", code=604, message="injected"))
        with pytest.raises(TimedOutError, match="injected"):
            await lives[2].commit(new, receipts)

    async def unseen() -> list[str]:
        where = lives[0]._places.schema(load.target)
        shown = await run(f"SHOW TABLES LIKE '%{new.load_id}%' IN SCHEMA {where}")
        return [row[1] for row in shown]

    before_statement(monkeypatch, "SHOW TABLES LIKE", comes)
    with pytest.raises(OwnershipLostError, match="epoch"):
        await lives[1].claim(load.target, lost, take_over=True)
    assert len(await unseen()) == 1
    assert not (await lives[2].commit(new, receipts)).already_committed
    assert await unseen() == []
    assert await fingerprint_of(lives[2], load.target, schema) == expected(schema, rows)


@pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.TRUNCATE_INSERT])
async def test_a_load_whose_transaction_somebody_ends_is_tried_again(
    config: SnowflakeConfig,
    lives: list[SnowflakeDestination],
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    mode: WriteMode,
) -> None:
    schema = schema_of()
    rows = rows_of(schema, 0, 50)
    lives.append(destination_of(config))
    load = load_of(lives[0], schema, mode=mode)
    await lives[0].claim(load.target, load.owner)
    await lives[0].begin(load)
    receipt = await write_chunk(lives[0], load, 0, rows)

    async def ends() -> None:
        (open_one,) = await transactions(config)
        await run(f"SELECT SYSTEM$ABORT_TRANSACTION('{open_one}')")

    before_statement(monkeypatch, 'INSERT INTO .*"LOADS"', ends)
    with pytest.raises(DestinationUnavailableError, match="ended before its COMMIT"):
        await lives[0].commit(load, [receipt])
    assert not (await lives[0].commit(load, [receipt])).already_committed
    assert await fingerprint_of(lives[0], load.target, schema) == expected(schema, rows)
