"""The in-memory source keeps the source's promises."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pyarrow as pa
import pytest
from msgspec.structs import replace

from dtaas.connectors.memory.datasets import Dataset, dataset
from dtaas.connectors.memory.source import MemorySource
from dtaas.model.connectors import MemorySourceConfig
from dtaas.model.errors import ConnectionLostError
from dtaas.model.schema import TableRef, TableSchema
from dtaas.model.types import String
from tests.contract.source import House, SourceContract


class MemoryHouse(House):
    def __init__(self) -> None:
        self.source = MemorySource(MemorySourceConfig(dataset="source contract"))
        self._data: Dataset = dataset("source contract")

    async def create(self, schema: TableSchema, rows: pa.Table) -> None:
        self._data.add(schema, rows)

    async def insert(self, schema: TableSchema, rows: pa.Table) -> None:
        self._data.add(schema, pa.concat_tables([self._data.tables[schema.table].rows, rows]))

    async def retype(self, schema: TableSchema, column: str) -> None:
        columns = tuple(
            replace(c, type=String(20)) if c.name == column else c for c in schema.columns
        )
        self._data.add(replace(schema, columns=columns), self._data.tables[schema.table].rows)

    @asynccontextmanager
    async def holding_reads(self) -> AsyncIterator[None]:
        async def hold(step: str, _table: TableRef) -> None:
            if step == "read":
                await anyio.sleep_forever()

        async with self._hooked(hold):
            yield

    @asynccontextmanager
    async def losing_connections(self) -> AsyncIterator[None]:
        async def lose(step: str, table: TableRef) -> None:
            if step == "read":
                raise ConnectionLostError(f"Reading {table} broke off.")

        async with self._hooked(lose):
            yield

    @asynccontextmanager
    async def _hooked(self, hook) -> AsyncIterator[None]:
        before, self._data.hook = self._data.hook, hook
        try:
            yield
        finally:
            self._data.hook = before


class TestMemorySource(SourceContract):
    @pytest.fixture
    def house(self) -> House:
        return MemoryHouse()
