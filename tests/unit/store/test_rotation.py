"""A new key for the secrets: everything sealed anew or nothing, whenever it is cut off."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dtaas.connectors.registry import Registry
from dtaas.model.alerts import ChannelKind, WebhookConfig
from dtaas.model.connectors import ConnectorRole, S3Config
from dtaas.model.errors import SettingsError, StoreCorruptError, StoreInUseError
from dtaas.settings import StoreSettings
from dtaas.store import rotation
from dtaas.store.address import parse_address
from dtaas.store.connectors import ConnectorDraft
from dtaas.store.key_place import KeyPlace, key_place
from dtaas.store.rotation import Rotated, rotate_key
from dtaas.store.secrets import key_id, make_key, read_key
from dtaas.store.store import open_store

PLANTED = "Ge-Heim-4711"
OTHER = bytes(range(32))


async def with_secrets(data_dir: Path, key: KeyPlace | None = None) -> None:
    config = S3Config(bucket="lake", secret_access_key=PLANTED)
    async with open_store("", data_dir=data_dir, registry=Registry(), key=key) as store:
        await store.connectors.create(
            ConnectorDraft(name="lake", role=ConnectorRole.DESTINATION, kind="s3", config=config)
        )
        hook = WebhookConfig(url="http://127.0.0.1:1/", token=PLANTED)
        await store.alert_channels.save("hook", ChannelKind.WEBHOOK, hook, is_active=True)


async def check_secrets(data_dir: Path, key: KeyPlace | None = None) -> None:
    async with open_store("", data_dir=data_dir, registry=Registry(), key=key) as store:
        config = (await store.connectors.list()).items[0].config
        assert isinstance(config, S3Config)
        assert config.secret_access_key == PLANTED
        (channel,) = await store.alert_channels.every()
        assert isinstance(channel.config, WebhookConfig)
        assert channel.config.token == PLANTED


async def rotate(
    data_dir: Path, place: KeyPlace | None = None, given: Path | None = None
) -> Rotated:
    place = place or KeyPlace(file=data_dir / "dtaas.key")
    address = parse_address("", data_dir)
    return await rotate_key(address, place, lambda: datetime.now(UTC), new_key_file=given)


def sealed(data_dir: Path) -> set[bytes]:
    with closing(sqlite3.connect(data_dir / "dtaas.db")) as db:
        rows = db.execute("SELECT secrets FROM connectors UNION SELECT config FROM alert_channels")
        return {row[0] for row in rows}


async def test_seals_connectors_and_channels_with_a_new_key(tmp_path: Path) -> None:
    await with_secrets(tmp_path)
    before, old = sealed(tmp_path), read_key(tmp_path / "dtaas.key")
    assert old is not None
    done = await rotate(tmp_path)
    assert (done.connectors, done.alert_channels, done.old_key) == (1, 1, key_id(old))
    assert read_key(Path(done.kept)) == old
    new = read_key(tmp_path / "dtaas.key")
    assert new is not None
    assert key_id(new) == done.new_key != done.old_key
    assert not before & sealed(tmp_path)
    assert not (tmp_path / "dtaas.key.next").exists()
    await check_secrets(tmp_path)
    Path(done.kept).replace(tmp_path / "dtaas.key")
    with pytest.raises(StoreCorruptError, match="is not the key"):
        await check_secrets(tmp_path)


async def test_a_key_may_be_given(tmp_path: Path) -> None:
    await with_secrets(tmp_path)
    make_key(tmp_path / "given", OTHER)
    done = await rotate(tmp_path, given=tmp_path / "given")
    assert done.new_key == key_id(OTHER)
    assert read_key(tmp_path / "dtaas.key") == OTHER
    await check_secrets(tmp_path)


async def test_a_wrong_key_changes_nothing(tmp_path: Path) -> None:
    await with_secrets(tmp_path)
    before = sealed(tmp_path)
    (tmp_path / "dtaas.key").replace(tmp_path / "kept")
    make_key(tmp_path / "dtaas.key")
    with pytest.raises(StoreCorruptError, match="is not the key"):
        await rotate(tmp_path)
    (tmp_path / "kept").replace(tmp_path / "dtaas.key")
    assert sealed(tmp_path) == before
    await check_secrets(tmp_path)


async def test_a_running_daemon_refuses(tmp_path: Path) -> None:
    await with_secrets(tmp_path)
    async with open_store("", data_dir=tmp_path, registry=Registry()):
        with pytest.raises(StoreInUseError):
            await rotate(tmp_path)
    await check_secrets(tmp_path)


async def test_one_secret_that_cannot_be_opened_undoes_all(tmp_path: Path) -> None:
    await with_secrets(tmp_path)
    with closing(sqlite3.connect(tmp_path / "dtaas.db")) as db, db:
        db.execute("UPDATE alert_channels SET config = x'00'")
    before = sealed(tmp_path)
    with pytest.raises(StoreCorruptError, match="cannot be decrypted"):
        await rotate(tmp_path)
    assert sealed(tmp_path) == before
    async with open_store("", data_dir=tmp_path, registry=Registry()) as store:
        await store.connectors.list()


class _Cut(BaseException):
    """The power."""


@pytest.mark.parametrize("step", ["before", "between"])
async def test_a_rotation_cut_off_is_finished_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await with_secrets(tmp_path)
    retire: Callable[[Path], Path | None] = rotation.retire

    def cut(file: Path) -> Path | None:
        if step == "between":
            retire(file)
        raise _Cut

    with monkeypatch.context() as patched:
        patched.setattr(rotation, "retire", cut)
        with pytest.raises(_Cut):
            await rotate(tmp_path)
    await check_secrets(tmp_path)
    assert not (tmp_path / "dtaas.key.next").exists()
    await check_secrets(tmp_path)


async def test_a_rotation_cut_off_before_the_database_changed_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_secrets(tmp_path)

    def cut(*_: object) -> None:
        raise _Cut

    with monkeypatch.context() as patched:
        patched.setattr(rotation, "_seal_anew", cut)
        with pytest.raises(_Cut):
            await rotate(tmp_path)
    assert (tmp_path / "dtaas.key.next").exists()
    await check_secrets(tmp_path)
    await rotate(tmp_path)
    await check_secrets(tmp_path)


async def test_keys_of_the_environment_and_of_systemd(tmp_path: Path) -> None:
    data_dir, folder = tmp_path / "data", tmp_path / "credentials"
    folder.mkdir()
    environment = key_place(StoreSettings(key=OTHER.hex()), data_dir, {})
    assert str(environment) == "DTAAS_STORE__KEY"
    assert OTHER.hex() not in repr(environment)
    await with_secrets(data_dir, environment)
    assert not (data_dir / "dtaas.key").exists()
    make_key(folder / "dtaas.key", OTHER).hex()
    (folder / "dtaas.key").chmod(0o440)  # as systemd shows an access list for the daemon's user
    environ = {"CREDENTIALS_DIRECTORY": str(folder)}
    credential = key_place(StoreSettings(), data_dir, environ)
    assert credential.in_credentials
    await check_secrets(data_dir, credential)
    with pytest.raises(SettingsError, match="no new one can be put"):
        await rotate(data_dir, credential)
    new = make_key(tmp_path / "new")
    done = await rotate(data_dir, credential, tmp_path / "new")
    assert done.kept == ""
    assert str(folder / "dtaas.key") in done.install
    with pytest.raises(StoreCorruptError, match="is not the key"):
        await check_secrets(data_dir, credential)
    await check_secrets(data_dir, key_place(StoreSettings(key=new.hex()), data_dir, {}))


@pytest.mark.parametrize("value", ["00", "zz" * 32, "00" * 40])
async def test_what_is_no_key_in_the_environment_is_not_shown(tmp_path: Path, value: str) -> None:
    with pytest.raises(StoreCorruptError, match="does not hold a key") as refused:
        await check_secrets(tmp_path, KeyPlace(file=tmp_path / "dtaas.key", value=value))
    assert value not in f"{refused.value.detail}{refused.value.hint}"


def test_where_the_key_is_looked_for(tmp_path: Path) -> None:
    assert key_place(StoreSettings(), tmp_path, {}).file == tmp_path / "dtaas.key"
    empty = {"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}
    assert key_place(StoreSettings(), tmp_path, empty).file == tmp_path / "dtaas.key"
    named = key_place(StoreSettings(key_file="/k"), tmp_path, empty)
    assert (named.file, named.writable) == (Path("/k"), True)
