"""Every version of every row, kept by Snowflake, whatever is cut where."""

from collections.abc import AsyncIterator

import anyio
import pytest
from msgspec.structs import replace

from dtaas.connectors.snowflake.destination import SnowflakeDestination
from dtaas.model.connectors import SnowflakeConfig, SnowflakeDeletes
from dtaas.model.errors import DtaasError, TargetCollisionError
from dtaas.model.schema import Column
from dtaas.model.types import Integer
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator
from dtaas.sandbox.snowflake.faults import Fault
from tests.contract.change_rows import place
from tests.contract.history_destination import (
    LOADED,
    HistoryDestinationContract,
    Versions,
    apply_transactions,
    history_load,
    load_history,
    loaded_batch,
)
from tests.contract.history_model import UNLOGGED, History, Transaction, Version
from tests.contract.merging_destination import SCHEMA, Both, rows_at
from tests.integration.snowflake.conftest import Run, destination_of

CHANGES = [
    Transaction(2, [("U", (0, "a", None, None), UNLOGGED), ("D", (1, None, None, None), None)]),
    Transaction(4, [("I", (9, "nine", "b", None), None), ("U", (0, "b", "body", None), None)]),
]
CUTS = {
    "after PUT": ("^PUT", "after", "exit"),
    "in COPY": ("^COPY", "before", "exit"),
    "after MERGE": ("^MERGE.*__DTAAS_FROM", "after", "exit"),
    "before COMMIT": ("^COMMIT", "before", "error"),
    "after COMMIT, the reply lost": ("^COMMIT", "after", "exit"),
}


@pytest.fixture
async def lives(config: SnowflakeConfig) -> AsyncIterator[list[SnowflakeDestination]]:
    opened = [destination_of(config)]
    yield opened
    for destination in opened:
        await destination.aclose()


@pytest.fixture
async def versions(run: Run, config: SnowflakeConfig) -> Versions:
    schema = config.schema.format(schema="dbo")

    async def read() -> list[Version]:
        rows = await run(
            'SELECT "id", "_DTAAS_POSITION", "odd ""name""", "body", "price",'
            ' "_DTAAS_VALID_FROM", "_DTAAS_VALID_TO", "_DTAAS_CURRENT"'
            f' FROM "{config.database}"."{schema}"."merged"'
        )
        found = [Version(r[0], r[1], (r[0], *r[2:5]), r[5], r[6]) for r in rows]
        assert [v.current for v in found] == [r[7] for r in rows]
        return sorted(found)

    return read


class TestSnowflakeHistory(HistoryDestinationContract):
    @pytest.fixture
    async def destination(
        self, lives: list[SnowflakeDestination], config: SnowflakeConfig
    ) -> SnowflakeDestination:
        self.lives, self.config = lives, config
        return lives[0]

    def another(self, destination: Both) -> SnowflakeDestination:
        self.lives.append(destination_of(self.config))
        return self.lives[-1]


async def cut(emulator: SnowflakeEmulator, step: str) -> None:
    match, when, kind = CUTS[step]
    await emulator.inject(
        Fault(match=match, when=when, kind=kind, code=604)  # type: ignore[arg-type]
    )


async def revived(emulator: SnowflakeEmulator, step: str) -> None:
    if CUTS[step][2] == "exit":
        await emulator.wait_dead()
        await emulator.start()


@pytest.mark.parametrize("step", CUTS)
async def test_a_window_cut_at_any_step_is_in_the_history_once(
    snowflake: SnowflakeEmulator,
    lives: list[SnowflakeDestination],
    config: SnowflakeConfig,
    versions: Versions,
    step: str,
) -> None:
    stream = await load_history(lives[0], LOADED[:3])
    await lives[0].open_stream(stream)
    history = History(LOADED[:3], place(0).hex())
    for transaction in CHANGES:
        history.commit(transaction)
    await cut(snowflake, step)
    async with anyio.create_task_group() as group:
        group.start_soon(revived, snowflake, step)
        try:
            await apply_transactions(lives[0], stream, 0, CHANGES, 5)
        except DtaasError:
            lives.append(destination_of(config))
    if len(lives) > 1 and await lives[1].open_stream(stream) != place(5):
        await apply_transactions(lives[1], stream, 0, CHANGES, 5)
    assert await versions() == history.versions()


async def test_a_load_whose_commit_got_no_answer_continues_the_history_once(
    snowflake: SnowflakeEmulator,
    lives: list[SnowflakeDestination],
    config: SnowflakeConfig,
    versions: Versions,
) -> None:
    await load_history(lives[0], LOADED[:3])
    history = History(LOADED[:3], place(0).hex())
    load = history_load(lives[0], 9)
    rows = [LOADED[0], (1, "other", None, None)]
    history.reload(
        {row[0]: row for row in rows}, place(9).hex(), load.planned_at.replace(tzinfo=None)
    )
    await lives[0].begin(load)
    async with lives[0].write(load, load.chunks[0]) as writer:
        await writer.write(loaded_batch(rows))
        receipt = await writer.finish()
    step = "after COMMIT, the reply lost"
    await cut(snowflake, step)
    async with anyio.create_task_group() as group:
        group.start_soon(revived, snowflake, step)
        with pytest.raises(DtaasError):
            await lives[0].commit(load, [receipt])
    lives.append(destination_of(config))
    assert (await lives[1].commit(load, [receipt])).already_committed
    assert await versions() == history.versions()


async def test_a_connector_that_marks_deletes_keeps_histories_too(
    config: SnowflakeConfig, versions: Versions
) -> None:
    destination = destination_of(replace(config, deletes=SnowflakeDeletes.SOFT))
    stream = await load_history(destination, LOADED[:2])
    await destination.open_stream(stream)
    gone = Transaction(2, [("D", (1, None, None, None), None)])
    await apply_transactions(destination, stream, 0, [gone], 2)
    assert [v.current for v in await versions()] == [True, False]
    assert await rows_at(destination) == [LOADED[0]]
    await destination.aclose()


async def test_columns_join_a_history(
    lives: list[SnowflakeDestination], config: SnowflakeConfig, versions: Versions
) -> None:
    stream = await load_history(lives[0], LOADED[:2])
    added = Column(name="added", type=Integer(32), nullable=True)
    wider = replace(SCHEMA, columns=(*SCHEMA.columns, added))
    lives.append(destination_of(config))
    later = replace(stream, tracked=replace(stream.tracked, schema=wider))
    await lives[1].open_stream(later)
    assert [v.current for v in await versions()] == [True, True]
    assert await rows_at(lives[1], wider) == [(*row, None) for row in LOADED[:2]]


async def test_a_column_with_one_of_our_names_is_refused(
    lives: list[SnowflakeDestination],
) -> None:
    ours = Column(name="_DTAAS_CURRENT", type=Integer(32), nullable=True)
    load = replace(history_load(lives[0]), schema=replace(SCHEMA, columns=(*SCHEMA.columns, ours)))
    with pytest.raises(TargetCollisionError, match="_DTAAS_CURRENT"):
        await lives[0].begin(load)
