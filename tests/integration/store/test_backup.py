"""Backups of a SQLite metadata database, whole and refused."""

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dtaas.connectors.registry import Registry
from dtaas.model.errors import DtaasError, SettingsError, StoreCorruptError, StoreInUseError
from dtaas.model.task import DesiredState, TaskStatus
from dtaas.store.address import parse_address
from dtaas.store.backup import read_manifest, restore, write_backup
from dtaas.store.errors import StorePlace
from dtaas.store.key_place import KeyPlace
from dtaas.store.store import Store, open_store
from tests.contract.store_samples import spec
from tests.contract.stored import connect

REGISTRY = Registry(memory=True)


def place(data_dir: Path) -> StorePlace:
    return parse_address("", data_dir).place


async def fill(store: Store) -> None:
    source, target = await connect(store)
    task = await store.tasks.create(
        spec("t", source_connector_id=source.id, destination_connector_id=target.id)
    )
    await store.engine.set_status(task.id, TaskStatus.RUNNING, desired=DesiredState.RUNNING)


@pytest.fixture
async def saved(tmp_path: Path) -> Path:
    """A backup with its key, taken while the store was open."""
    file = tmp_path / "backup.tar.gz"
    async with open_store("", data_dir=tmp_path / "a", registry=REGISTRY) as store:
        await fill(store)
        manifest = write_backup(place(tmp_path / "a"), file, key_file=tmp_path / "a" / "dtaas.key")
        assert manifest.installation == store.installation
    return file


async def test_a_backup_brings_everything_back_and_runs_nothing(
    saved: Path, tmp_path: Path
) -> None:
    assert saved.stat().st_mode & 0o077 == 0
    new = tmp_path / "b"
    restore(saved, place(new), KeyPlace(file=new / "dtaas.key"))
    async with open_store("", data_dir=new, registry=REGISTRY) as store:
        assert store.installation == read_manifest(saved).installation
        connectors = await store.connectors.list()
        assert all(repr(c.config) for c in connectors.items)  # its secrets open
        (task,) = (await store.tasks.list()).items
        assert (task.status, task.desired) == (TaskStatus.STOPPED, DesiredState.STOPPED)
        assert task.last_error_code == "restored_from_backup"
        assert await store.integrity() == []


async def test_what_was_there_is_kept_beside(saved: Path, tmp_path: Path) -> None:
    before = (tmp_path / "a" / "dtaas.db").read_bytes()
    restore(saved, place(tmp_path / "a"), KeyPlace(file=tmp_path / "a" / "dtaas.key"))
    (kept,) = (tmp_path / "a").glob("dtaas.db.before-restore-*")
    assert kept.read_bytes() == before


async def test_an_open_database_is_left_alone(saved: Path, tmp_path: Path) -> None:
    data_dir = tmp_path / "a"
    async with open_store("", data_dir=data_dir, registry=REGISTRY) as store:
        with pytest.raises(StoreInUseError, match="open"):
            restore(saved, place(data_dir), KeyPlace(file=data_dir / "dtaas.key"))
        assert (await store.tasks.list()).total == 1


async def test_a_damaged_backup_changes_nothing(saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    plain = bytearray(gzip.decompress(whole))
    plain[len(plain) // 2] ^= 0xFF
    for damaged in (whole[: len(whole) // 2], b"", b"x" * 100, gzip.compress(bytes(plain))):
        bad = tmp_path / "bad.tar.gz"
        bad.write_bytes(damaged)
        before = sorted((p.name, p.read_bytes()) for p in (tmp_path / "a").iterdir())
        with pytest.raises(StoreCorruptError):
            restore(bad, place(tmp_path / "a"), KeyPlace(file=tmp_path / "a" / "dtaas.key"))
        assert sorted((p.name, p.read_bytes()) for p in (tmp_path / "a").iterdir()) == before


async def test_a_backup_without_its_key_says_so(tmp_path: Path) -> None:
    async with open_store("", data_dir=tmp_path / "a", registry=REGISTRY):
        write_backup(place(tmp_path / "a"), tmp_path / "b.tar.gz", key_file=None)
    with pytest.raises(StoreCorruptError, match="no key"):
        restore(
            tmp_path / "b.tar.gz",
            place(tmp_path / "c"),
            KeyPlace(file=tmp_path / "c" / "dtaas.key"),
        )
    restore(
        tmp_path / "b.tar.gz", place(tmp_path / "c"), KeyPlace(file=tmp_path / "a" / "dtaas.key")
    )


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    file.touch()
    with pytest.raises(DtaasError, match="could not be written"):
        write_backup(StorePlace(label="x", file=file), tmp_path / "no" / "b", key_file=None)
    assert list(tmp_path.iterdir()) == [file]


def test_postgres_has_its_own_tools(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="PostgreSQL"):
        write_backup(StorePlace(label="pg"), tmp_path / "b", key_file=None)


async def test_a_corrupted_page_is_said_and_a_backup_mends_it(saved: Path, tmp_path: Path) -> None:
    data_dir = tmp_path / "a"
    file = data_dir / "dtaas.db"
    with closing(sqlite3.connect(file)) as db:
        (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'tasks'"
        (page,) = db.execute(query).fetchone()
    with file.open("r+b") as raw:
        raw.seek((page - 1) * page_bytes)
        raw.write(b"\xff" * page_bytes)
    async with open_store("", data_dir=data_dir, registry=REGISTRY) as store:
        with pytest.raises(StoreCorruptError) as refused:
            await store.tasks.list()
        assert str(file) in refused.value.detail
        assert await wrong_with(store)
        await store.connectors.list()  # what is whole can be read
    restore(saved, place(data_dir), KeyPlace(file=data_dir / "dtaas.key"))
    async with open_store("", data_dir=data_dir, registry=REGISTRY) as store:
        assert (await store.tasks.list()).total == 1
        assert await store.integrity() == []


async def wrong_with(store: Store) -> list[str]:
    try:
        return await store.integrity()
    except StoreCorruptError as error:
        return [error.detail]
