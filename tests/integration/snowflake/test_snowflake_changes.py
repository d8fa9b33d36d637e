"""Changes merged into Snowflake: by key, once, with their position in the same transaction."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

import dtaas.connectors.snowflake.changes as changes_module
from dtaas.connectors.snowflake.destination import SnowflakeDestination
from dtaas.model.connectors import SnowflakeConfig, SnowflakeDeletes
from dtaas.model.errors import DestinationConflictError, OwnershipLostError
from tests.contract.change_rows import Change, place
from tests.contract.merging_destination import (
    Both,
    MergingDestinationContract,
    apply,
    loaded,
    rows_at,
    window,
)
from tests.integration.snowflake.conftest import Run, destination_of


class TestSnowflakeChanges(MergingDestinationContract):
    @pytest.fixture
    async def destination(self, config: SnowflakeConfig) -> AsyncIterator[SnowflakeDestination]:
        self.config = config
        self.opened: list[SnowflakeDestination] = [destination_of(config)]
        yield self.opened[0]
        for destination in self.opened:
            await destination.aclose()

    def another(self, destination: Both) -> SnowflakeDestination:
        self.opened.append(destination_of(self.config))
        return self.opened[-1]

    async def test_an_earlier_life_is_fenced_off(self, destination: SnowflakeDestination) -> None:
        stream = await loaded(destination, range(1))
        await destination.open_stream(stream)
        later = self.another(destination)
        await later.open_stream(stream)
        changes: list[Change] = [("I", 1, (5, "late", "b", None), None)]
        with pytest.raises(DestinationConflictError, match="another life"):
            await apply(destination, stream, window(0, 1), changes)
        with pytest.raises(DestinationConflictError, match="another life"):
            await destination.open_stream(stream)
        await apply(later, stream, window(0, 1), changes)
        assert [row[0] for row in await rows_at(later)] == [0, 5]

    async def test_an_earlier_owner_is_refused_before_the_stream_is_opened(
        self, destination: SnowflakeDestination
    ) -> None:
        stream = await loaded(destination, range(1))
        await destination.open_stream(stream)
        later = self.another(destination)
        await later.claim(stream.target, replace(stream.owner, epoch=stream.owner.epoch + 1))
        with pytest.raises(OwnershipLostError, match="a later owner"):
            await apply(destination, stream, window(0, 1), [("I", 1, (5, "l", "b", None), None)])
        assert [row[0] for row in await rows_at(later)] == [0]

    async def test_records_of_windows_do_not_pile_up(
        self, destination: SnowflakeDestination, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(changes_module, "_FORGET_EVERY", 3)
        stream = await loaded(destination, range(1))

        async def records() -> list[str]:
            positions = destination._places.positions
            rows = await run(f'SELECT "POSITION" FROM {positions} ORDER BY 1')
            return [row[0] for row in rows]

        for at, life in ((0, destination), (3, self.another(destination))):
            assert await life.open_stream(stream) == (place(at) if at else None)
            for number in range(at, at + 3):
                await apply(life, stream, window(number, number + 1))
            assert await records() == [place(at + 3).hex()]
        last = self.another(destination)
        assert await last.open_stream(stream) == place(6)
        assert await records() == [place(0).hex(), place(6).hex()]


async def test_deleted_rows_stay_marked_when_asked(config: SnowflakeConfig, run: Run) -> None:
    config = replace(config, deletes=SnowflakeDeletes.SOFT)
    destination = destination_of(config)
    stream = await loaded(destination, range(3))
    await destination.open_stream(stream)
    await apply(destination, stream, window(0, 1), [("D", 1, (1, None, None, None), None)])
    assert [row[0] for row in await rows_at(destination)] == [0, 2]
    schema = stream.target.path[0]
    marked = await run(
        f'SELECT "id", "body", "_DTAAS_DELETED" FROM "TEST"."{schema}"."merged" ORDER BY "id"'
    )
    assert [tuple(row) for row in marked] == [(0, "b0", False), (1, "b1", True), (2, "b2", False)]
    await apply(destination, stream, window(1, 2), [("I", 2, (1, "back", "b", None), None)])
    assert [row[0] for row in await rows_at(destination)] == [0, 1, 2]
    await destination.aclose()
