"""The local folder keeps every promise of a destination, in all formats."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dtaas.connectors.lake.destination import LakeDestination
from dtaas.model.connectors import FileConfig
from dtaas.model.load import FileFormat
from tests.contract.destination import DestinationContract


class TestFolderDestination(DestinationContract):
    formats = tuple(FileFormat)

    @pytest.fixture
    async def destination(self, tmp_path: Path) -> AsyncIterator[LakeDestination]:
        destination = LakeDestination.file(
            FileConfig(path=str(tmp_path)), task_name="task", database="db"
        )
        yield destination
        await destination.aclose()
