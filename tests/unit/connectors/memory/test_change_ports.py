"""The in-memory connectors keep every promise about changes."""

import uuid
from typing import Any

import pyarrow as pa
import pytest

from dtaas.connectors.memory.change_source import MemoryChangeSource
from dtaas.connectors.memory.datasets import Dataset, dataset
from dtaas.connectors.memory.destination import MemoryDestination
from dtaas.model.changes import TableStream, TrackedTable
from dtaas.model.connectors import MemoryDestinationConfig, MemorySourceConfig
from dtaas.model.errors import CaptureStoppedError
from dtaas.model.schema import TableRef
from tests.contract.change_destination import (
    FencedDestinationContract,
    RowsOfStream,
    stream_of,
)
from tests.contract.change_source import ChangeSourceContract, ChangingWorld


class MemoryWorld(ChangingWorld):
    def __init__(self, data: Dataset) -> None:
        self._data = data
        self.table = TableRef("dbo", "t")
        self.other = TableRef("dbo", "other")
        for table in (self.table, self.other):
            schema = stream_of(name=table.name).tracked.schema
            data.add(schema, pa.Table.from_pylist([], schema=schema.arrow_schema()))

    async def commit(self, *changes: tuple[str, int, str | None]) -> None:
        with self._data.transaction() as transaction:
            for op, number, name in changes:
                row = {"id": number, "name": name}
                act = {"I": transaction.insert, "U": transaction.update, "D": transaction.delete}
                act[op](self.table, row)

    async def touch_other(self) -> None:
        with self._data.transaction() as transaction:
            transaction.insert(self.other, {"id": 1, "name": "o"})

    async def forget_history(self, tracked: TrackedTable) -> None:
        self._data.log.clean(tracked.table, self._data.log.committed)

    async def recapture(self, tracked: TrackedTable) -> None:
        self._data.log.disable(tracked.table)
        self._data.log.enable(tracked.schema)


class TestMemoryChangeSource(ChangeSourceContract):
    @pytest.fixture
    def name(self) -> str:
        return uuid.uuid4().hex

    @pytest.fixture
    def world(self, name: str) -> MemoryWorld:
        return MemoryWorld(dataset(name))

    @pytest.fixture
    async def source(self, name: str) -> MemoryChangeSource:
        return MemoryChangeSource(MemorySourceConfig(dataset=name))

    async def test_an_anchor_waits_for_the_capture(
        self, source: MemoryChangeSource, world: MemoryWorld, name: str
    ) -> None:
        """Materialize 33202: the captured position can lie before the instance's start."""
        log = dataset(name).log
        log.capturing = False
        tracked = await source.track([world.table], keys={}, enable=True)
        with pytest.raises(CaptureStoppedError):
            await source.anchor(tracked)
        log.capturing = True
        log.capture()
        assert await source.anchor(tracked) >= tracked[0].start

    async def test_an_error_rolls_a_transaction_back(self, world: MemoryWorld, name: str) -> None:
        data = dataset(name)
        before = data.log.committed
        with pytest.raises(ZeroDivisionError), data.transaction() as transaction:
            transaction.insert(world.table, {"id": 1, "name": "never"})
            raise ZeroDivisionError
        assert data.log.committed == before
        assert data.tables[world.table].rows.num_rows == 0


class TestMemoryChangeDestination(FencedDestinationContract):
    @pytest.fixture
    def name(self) -> str:
        return uuid.uuid4().hex

    @pytest.fixture
    async def destination(self, name: str) -> MemoryDestination:
        return MemoryDestination(MemoryDestinationConfig(dataset=name))

    @pytest.fixture
    async def newer_life(self, name: str) -> MemoryDestination:
        return MemoryDestination(MemoryDestinationConfig(dataset=name))

    @pytest.fixture
    def rows_of_stream(self, name: str) -> RowsOfStream:
        async def rows(stream: TableStream) -> list[dict[str, Any]]:
            batches = dataset(name).target(stream.target.path).changes
            return [row for batch in batches for row in batch.to_pylist()]

        return rows
