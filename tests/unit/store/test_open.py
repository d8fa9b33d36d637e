"""Opening a store on SQLite: files, locks, damage, wrong addresses."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from dtaas.connectors.registry import Registry
from dtaas.model.errors import (
    PermissionDeniedError,
    SettingsError,
    StoreCorruptError,
    StoreInUseError,
    StoreUnavailableError,
)
from dtaas.store import sqlite_engine
from dtaas.store.address import parse_address
from dtaas.store.store import open_store
from tests.contract.store_samples import TABLE, Clock


async def test_survives_a_reopen(tmp_path: Path) -> None:
    data_dir = tmp_path / "a" / "b"
    async with open_store("", data_dir=data_dir, registry=Registry()) as store:
        installation = store.installation
        await store.ping()
    async with open_store("", data_dir=data_dir, registry=Registry()) as store:
        assert store.installation == installation
        assert await store.engine.installation() == installation


async def test_only_the_owner_can_read_what_it_keeps(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    before = os.umask(0)
    try:
        async with open_store("", data_dir=data_dir, registry=Registry()):
            assert {p.name for p in data_dir.iterdir()} == {
                "dtaas.db",
                "dtaas.db-wal",
                "dtaas.db-shm",
                "dtaas.db.lock",
                "dtaas.key",
            }
            for path in (data_dir, *data_dir.iterdir()):
                assert path.stat().st_mode & 0o077 == 0, path
    finally:
        os.umask(before)


async def test_a_second_daemon_is_refused(tmp_path: Path) -> None:
    async with open_store("", data_dir=tmp_path, registry=Registry()) as first:
        with pytest.raises(StoreInUseError, match=f"process {os.getpid()}"):
            async with open_store("", data_dir=tmp_path, registry=Registry()):
                pass
        await first.ping()
    async with open_store("", data_dir=tmp_path, registry=Registry()):
        pass


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    second = (
        "import anyio, sys\n"
        "from pathlib import Path\n"
        "from dtaas.connectors.registry import Registry\n"
        "from dtaas.model.errors import StoreInUseError\n"
        "from dtaas.store.store import open_store\n"
        "async def main():\n"
        "    try:\n"
        "        async with open_store('', data_dir=Path(sys.argv[1]), registry=Registry()):\n"
        "            print('opened')\n"
        "    except StoreInUseError as exc:\n"
        "        print(exc.code)\n"
        "anyio.run(main)\n"
    )

    def try_it() -> str:
        return subprocess.run(
            [sys.executable, "-c", second, str(tmp_path)],
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        ).stdout.splitlines()[-1]

    async with open_store("", data_dir=tmp_path, registry=Registry()):
        assert try_it() == "store_in_use"
    assert try_it() == "opened"


async def test_the_pragmas_hold_on_every_connection(tmp_path: Path) -> None:
    async with open_store("", data_dir=tmp_path, registry=Registry()) as store:
        for run in (store.database.read, store.database.write):
            found = await run(
                lambda c: [
                    c.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                    for name in ("journal_mode", "synchronous", "foreign_keys")
                ]
            )
            assert found == ["wal", 2, 1]


async def test_a_failing_transaction_leaves_nothing(tmp_path: Path) -> None:
    class BoomError(Exception):
        pass

    def work(connection: object) -> None:
        connection.exec_driver_sql("CREATE TABLE half (a)")  # type: ignore[attr-defined]
        raise BoomError

    async with open_store("", data_dir=tmp_path, registry=Registry()) as store:
        with pytest.raises(BoomError):
            await store.database.write(work)
        tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"
        count = await store.database.read(lambda c: c.exec_driver_sql(tables).scalar_one())
        assert count == 0


async def test_another_writer_makes_it_unavailable_not_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_engine, "BUSY_LIMIT_S", 0.01)
    async with open_store("", data_dir=tmp_path, registry=Registry()) as store:
        with closing(sqlite3.connect(tmp_path / "dtaas.db", isolation_level=None)) as intruder:
            intruder.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailableError, match="locked"):
                await store.checkpoints.forget(1, TABLE)  # type: ignore[arg-type]
            await store.ping()  # readers do not care
            intruder.execute("ROLLBACK")
        await store.checkpoints.forget(1, TABLE)  # type: ignore[arg-type]


async def test_what_is_not_a_database_is_named_with_its_backups(tmp_path: Path) -> None:
    (tmp_path / "dtaas.db").write_bytes(b"This is not a database at all. " * 200)
    with pytest.raises(StoreCorruptError, match=r"dtaas\.db is damaged") as refused:
        async with open_store("", data_dir=tmp_path, registry=Registry()):
            pass
    assert "there is none" in refused.value.hint
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "dtaas-0001-x.db").touch()
    with pytest.raises(StoreCorruptError) as refused:
        async with open_store("", data_dir=tmp_path, registry=Registry()):
            pass
    assert str(tmp_path / "backups" / "dtaas-0001-x.db") in refused.value.hint


async def test_a_torn_database_is_corrupt_and_stays_as_it_is(tmp_path: Path) -> None:
    async with open_store("", data_dir=tmp_path, registry=Registry()):
        pass
    file = tmp_path / "dtaas.db"
    whole = file.read_bytes()
    torn = whole[:4096] + b"\xff" * (len(whole) - 4096)
    file.write_bytes(torn)
    with pytest.raises(StoreCorruptError):
        async with open_store("", data_dir=tmp_path, registry=Registry()):
            pass
    assert file.read_bytes() == torn


async def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PermissionDeniedError, match="data folder"):
        async with open_store("", data_dir=tmp_path / "file", registry=Registry()):
            pass


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("mysql://me:hush@host/db", "mysql"),
        ("not a url", "cannot be read"),
        ("sqlite://", "name a file"),
        ("sqlite:///:memory:", "name a file"),
        ("sqlite:///a.db?mode=ro", "name a file"),
        ("postgresql:///db", "no host"),
        ("postgresql://me:hush@host/db?sslmode=maybe", "sslmode"),
        ("postgresql://me:hush@host:port/db", "cannot be read"),
    ],
)
def test_a_wrong_address_is_refused_without_its_password(
    tmp_path: Path, url: str, text: str
) -> None:
    with pytest.raises(SettingsError, match=text) as refused:
        parse_address(url, tmp_path)
    assert "hush" not in str(refused.value) + refused.value.hint


def test_addresses(tmp_path: Path) -> None:
    assert parse_address("", tmp_path).place.file == tmp_path / "dtaas.db"
    assert parse_address("sqlite:///x/y.db", tmp_path).place.file == tmp_path / "x" / "y.db"
    assert parse_address("sqlite:////srv/y.db", tmp_path).place.file == Path("/srv/y.db")
    for scheme in ("postgres", "postgresql"):
        remote = parse_address(f"{scheme}://me:hush@host/db?sslmode=require", tmp_path)
        assert remote.place.file is None
        assert remote.url.drivername == "postgresql+asyncpg"
        assert remote.url.query == {"ssl": "require"}
        assert str(remote.place) == "postgresql://me:***@host/db"


async def test_times_are_kept_in_utc(tmp_path: Path) -> None:
    clock = Clock()
    async with open_store("", data_dir=tmp_path, registry=Registry(), now=clock) as store:
        made = await store.database.read(
            lambda c: c.exec_driver_sql("SELECT created_at FROM installation").scalar_one()
        )
        assert made == "2026-03-01 12:00:00.123456"
