"""Change files in a folder: the contract in every format, and what their names say."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from dtaas.connectors.lake.destination import LakeDestination
from dtaas.connectors.lake.folder import FolderStore
from dtaas.model.changes import TableStream
from dtaas.model.connectors import FileConfig
from dtaas.model.load import FileFormat
from tests.contract.change_destination import (
    FencedDestinationContract,
    RowsOfStream,
    apply,
    position,
    stream_of,
    window_of,
)
from tests.fakes.stream_reader import rows_of


def lake(folder: Path) -> LakeDestination:
    return LakeDestination.file(FileConfig(path=str(folder)), task_name="task", database="db")


class TestFolderChanges(FencedDestinationContract):
    @pytest.fixture
    async def destination(self, tmp_path: Path) -> AsyncIterator[LakeDestination]:
        destination = lake(tmp_path)
        yield destination
        await destination.aclose()

    @pytest.fixture
    async def newer_life(self, tmp_path: Path) -> LakeDestination:
        return lake(tmp_path)

    @pytest.fixture
    def rows_of_stream(self, tmp_path: Path) -> RowsOfStream:
        async def rows(stream: TableStream) -> list[dict[str, Any]]:
            return await rows_of(FolderStore(tmp_path), stream)

        return rows

    @pytest.mark.parametrize("file_format", list(FileFormat))
    async def test_every_format(self, tmp_path: Path, file_format: FileFormat) -> None:
        destination, stream = lake(tmp_path), stream_of(file_format=file_format)
        await destination.open_stream(stream)
        await apply(
            destination,
            stream,
            window_of(stream, 10, 12),
            (11, 1, "I", 1, 'a "q", 😀'),
            (12, 1, "D", 1, None),
        )
        rows = await rows_of(FolderStore(tmp_path), stream)
        assert [(r["_op"], int(r["id"]), r["name"] or None) for r in rows] == [
            ("I", 1, 'a "q", 😀'),
            ("D", 1, None),
        ]
        assert [r["_lsn"] for r in rows] == [position(11).hex(), position(12).hex()]


async def test_names_follow_from_the_window_and_its_commit_date(tmp_path: Path) -> None:
    destination, stream = lake(tmp_path), stream_of()
    await destination.open_stream(stream)
    await apply(destination, stream, window_of(stream, 10, 12), (11, 1, "I", 1, "a"))
    folder = tmp_path.joinpath(*stream.target.path, "cdc", stream.generation)
    names = [str(path.relative_to(folder)) for path in folder.rglob("*.parquet")]
    assert names == [f"dt=2026-03-01/{position(10).hex()}-{position(12).hex()}-00000.parquet"]


async def test_a_window_left_by_a_lost_store_does_not_count(tmp_path: Path) -> None:
    """A life wrote a segment and died; the next one, whose intent was lost, cuts another window."""
    destination, stream = lake(tmp_path), stream_of()
    await destination.open_stream(stream)
    await apply(destination, stream, window_of(stream, 10, 12), (11, 1, "I", 1, "a"))
    head = tmp_path.joinpath(*stream.target.path, "_dtaas", "stream.json")
    before = head.read_bytes()
    await apply(destination, stream, window_of(stream, 12, 14), (13, 1, "I", 2, "b"))
    head.write_bytes(before)  # its last step had not happened
    later = lake(tmp_path)
    newer = replace(stream, epoch=1)
    assert await later.open_stream(newer) == position(12)
    await apply(
        later,
        newer,
        window_of(newer, 12, 16),
        (13, 1, "I", 2, "b"),
        (16, 1, "I", 3, "c"),
    )
    rows = await rows_of(FolderStore(tmp_path), newer)
    assert [r["id"] for r in rows] == [1, 2, 3]
