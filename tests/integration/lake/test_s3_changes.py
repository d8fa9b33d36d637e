"""Change files on a real S3 server keep every promise of a stream."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from dtaas.connectors.lake.destination import LakeDestination
from dtaas.connectors.lake.s3_store import S3Store
from dtaas.model.changes import TableStream
from dtaas.model.connectors import S3Config
from tests.contract.change_destination import FencedDestinationContract, RowsOfStream
from tests.fakes.stream_reader import rows_of


class TestS3Changes(FencedDestinationContract):
    @pytest.fixture
    async def destination(self, s3_config: S3Config) -> AsyncIterator[LakeDestination]:
        destination = LakeDestination.s3(s3_config, task_name="task", database="db")
        yield destination
        await destination.aclose()

    @pytest.fixture
    async def newer_life(self, s3_config: S3Config) -> AsyncIterator[LakeDestination]:
        destination = LakeDestination.s3(s3_config, task_name="task", database="db")
        yield destination
        await destination.aclose()

    @pytest.fixture
    def rows_of_stream(self, s3_config: S3Config) -> RowsOfStream:
        async def rows(stream: TableStream) -> list[dict[str, Any]]:
            store = S3Store(s3_config)
            try:
                return await rows_of(store, stream)
            finally:
                await store.aclose()

        return rows
