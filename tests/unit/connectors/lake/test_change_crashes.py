"""A death at any call of a window leaves it out or in, whole, and redoing it counts it once."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from dtaas.connectors.lake.destination import LakeDestination
from dtaas.connectors.lake.folder import FolderStore
from dtaas.connectors.lake.names import PrefixTemplate
from dtaas.connectors.lake.objects import ObjectStore
from dtaas.model.changes import TableStream
from dtaas.model.load import FileFormat
from tests.contract.change_destination import Change, apply, position, stream_of, window_of
from tests.fakes.stream_reader import rows_of
from tests.unit.connectors.lake.dying_store import Died, DyingStore

FIRST: tuple[Change, ...] = ((11, 1, "I", 1, "a"), (12, 1, "I", 2, "b"))
SECOND: tuple[Change, ...] = ((13, 1, "U", 1, "A"), (14, 1, "D", 2, None))


def on(store: ObjectStore) -> LakeDestination:
    template = PrefixTemplate("{schema}/{table}", database="db", task="task")
    return LakeDestination(store, template, keep_loads=1)


async def attempt(destination: LakeDestination, stream: TableStream) -> None:
    """Do what the engine does in a life: open, then go on from where the target stands."""
    at = await destination.open_stream(stream) or stream.base
    for after, to, changes in ((10, 12, FIRST), (12, 14, SECOND)):
        if at <= position(after):
            await apply(destination, stream, window_of(stream, after, to), *changes)


async def one_death(folder: Path, last_call: int, file_format: FileFormat, after: bool) -> bool:
    """Stream with a death, then stream on. False when the death never came."""
    folder.mkdir()
    store = FolderStore(folder)
    stream = stream_of(file_format=file_format)
    dying = DyingStore(store, last_call, takes_effect=after)
    try:
        await attempt(on(dying), stream)
    except Died:
        assert len(await rows_of(store, stream)) in {0, 2, 4}
    await attempt(on(store), replace(stream, epoch=1))
    rows = await rows_of(store, stream)
    assert [(r["_op"], int(r["id"])) for r in rows] == [("I", 1), ("I", 2), ("U", 1), ("D", 2)]
    assert await store.remove_dangling("/".join(stream.target.path)) == 0
    return dying.dead


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("file_format", list(FileFormat))
async def test_a_death_at_any_call(tmp_path: Path, file_format: FileFormat, after: bool) -> None:
    last_call = 1
    while await one_death(tmp_path / str(last_call), last_call, file_format, after):
        last_call += 1
    assert last_call > 10  # a window really has steps to die at
