"""A Delta table in a local folder keeps every promise of a destination."""

from pathlib import Path

import pytest

from dtaas.connectors.delta.destination import DeltaDestination
from dtaas.model.connectors import DeltaFileConfig
from tests.contract.destination import DestinationContract


class TestDeltaFolder(DestinationContract):
    @pytest.fixture
    async def destination(self, tmp_path: Path) -> DeltaDestination:
        return DeltaDestination(
            DeltaFileConfig(path=str(tmp_path)), task_name="task", database="db"
        )
