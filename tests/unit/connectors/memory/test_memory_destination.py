"""The in-memory destination keeps every promise of a destination."""

import uuid

import pytest

from dtaas.connectors.memory.destination import MemoryDestination
from dtaas.model.connectors import MemoryDestinationConfig
from tests.contract.destination import DestinationContract


class TestMemoryDestination(DestinationContract):
    @pytest.fixture
    async def destination(self) -> MemoryDestination:
        return MemoryDestination(MemoryDestinationConfig(dataset=uuid.uuid4().hex))
