"""S3 keeps every promise of a destination, in all formats, on a real server."""

from collections.abc import AsyncIterator

import pytest

from dtaas.connectors.lake.destination import LakeDestination
from dtaas.model.connectors import S3Config
from dtaas.model.load import FileFormat
from tests.contract.destination import DestinationContract


class TestS3Destination(DestinationContract):
    formats = tuple(FileFormat)

    @pytest.fixture
    async def destination(self, s3_config: S3Config) -> AsyncIterator[LakeDestination]:
        destination = LakeDestination.s3(s3_config, task_name="task", database="db")
        yield destination
        await destination.aclose()
