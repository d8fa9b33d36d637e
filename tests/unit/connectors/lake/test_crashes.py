"""A death at any call of a load leaves the old load whole or the new one, and can be resumed."""

import shutil
from pathlib import Path

import pytest

from dtaas.connectors.lake.destination import LakeDestination
from dtaas.connectors.lake.folder import FolderStore
from dtaas.connectors.lake.layout import Layout
from dtaas.connectors.lake.names import PrefixTemplate
from dtaas.connectors.lake.objects import ObjectStore
from dtaas.connectors.lake.publication import Published
from dtaas.engine.verification.sides import fingerprint_of
from dtaas.model.load import ChunkReceipt, PartitionField, TableLoad, WriteMode, WriteOptions
from dtaas.model.ports import Destination
from tests.contract.destination import expected, load_of, owner, rows_of, schema_of, write_chunk
from tests.unit.connectors.lake.dying_store import Died, DyingStore

SCHEMA = schema_of()
OLD = rows_of(SCHEMA, 0, 2)
NEW = rows_of(SCHEMA, 6, 8), rows_of(SCHEMA, 9, 10)


def on(store: ObjectStore) -> LakeDestination:
    template = PrefixTemplate("{schema}/{table}", database="db", task="task")
    return LakeDestination(store, template, keep_loads=1)


async def attempt(
    destination: Destination, load: TableLoad, receipts: dict[int, ChunkReceipt]
) -> None:
    await destination.claim(load.target, owner())
    await destination.begin(load)
    for index, batch in enumerate(NEW):
        if index not in receipts:
            receipts[index] = await write_chunk(destination, load, index, batch)
    await destination.commit(load, [receipts[0], receipts[1]])


async def load_twice(folder: Path, options: WriteOptions) -> None:
    """Leave two loads, so that the next one has an old one to remove."""
    folder.mkdir()
    destination = on(FolderStore(folder))
    for _ in range(2):
        old = load_of(destination, SCHEMA, options=WriteOptions(partition_by=options.partition_by))
        await destination.begin(old)
        await destination.commit(old, [await write_chunk(destination, old, 0, OLD)])


async def one_death(folder: Path, last_call: int, options: WriteOptions, after: bool) -> bool:
    """Load once with a death, then resume. False when the death never came."""
    store = FolderStore(folder)
    peaceful = on(store)
    load = load_of(peaceful, SCHEMA, chunks=2, options=options)
    before = expected(SCHEMA, OLD)
    appended = (OLD,) if options.mode is WriteMode.APPEND else ()
    wanted = expected(SCHEMA, *appended, *NEW)
    dying = DyingStore(store, last_call, takes_effect=after)
    receipts: dict[int, ChunkReceipt] = {}
    try:
        await attempt(on(dying), load, receipts)
    except Died:
        assert await fingerprint_of(peaceful, load.target, SCHEMA) in (before, wanted)
    await attempt(on(store), load, receipts)
    assert await fingerprint_of(peaceful, load.target, SCHEMA) == wanted
    await nothing_is_left_over(store, load)
    return dying.dead


async def nothing_is_left_over(store: FolderStore, load: TableLoad) -> None:
    published = Published(store, load.target)
    chain = await published.chain(await published.current())
    assert len(chain) == 2
    listed = {file.key: file.bytes for manifest in chain for file in manifest.files}
    layout = Layout(load.target)
    assert dict(await store.list(layout.data)) == listed
    manifests = await store.list(f"{layout.base}/_dtaas/manifests/")
    assert set(manifests) == {layout.manifest(manifest.load_id) for manifest in chain}
    assert await store.remove_dangling(layout.base) == 0
    links = await store.list(layout.symlinks)
    lines = [line for key in links for line in (await text(store, key)).splitlines()]
    assert sorted(lines) == sorted(store.url(file.key) for file in chain[0].files)
    assert load.load_id in await text(store, layout.success)


async def text(store: FolderStore, key: str) -> str:
    found = await store.get(key)
    assert found is not None
    return found.data.decode()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("mode", list(WriteMode))
@pytest.mark.parametrize("fields", [(), (PartitionField(column="name"),)], ids=["flat", "parts"])
async def test_a_death_at_any_call(
    tmp_path: Path, mode: WriteMode, fields: tuple[PartitionField, ...], after: bool
) -> None:
    options = WriteOptions(mode=mode, partition_by=fields)
    await load_twice(tmp_path / "before", options)
    last_call = 1
    while True:
        folder = shutil.copytree(tmp_path / "before", tmp_path / str(last_call))
        if not await one_death(folder, last_call, options, after):
            break
        last_call += 1
    assert last_call > 15  # the load really has steps to die at
