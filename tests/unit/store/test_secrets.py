"""Secrets at rest: never in the clear, bound to their row, opened by the right key only."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtaas.connectors.registry import Registry
from dtaas.model.connectors import ConnectorRole, S3Config
from dtaas.model.errors import PermissionDeniedError, StoreCorruptError
from dtaas.store.connectors import ConnectorChange, ConnectorDraft
from dtaas.store.secrets import SecretBox, key_id, make_key, read_key
from dtaas.store.store import open_store

KEY = bytes(range(32))
PASSWORD = "correct horse battery staple"


@given(plain=st.binary(max_size=200), purpose=st.text(max_size=20))
def test_opens_what_it_sealed(plain: bytes, purpose: str) -> None:
    box = SecretBox(KEY, "i")
    assert box.open(box.seal(plain, purpose), purpose) == plain


@given(plain=st.binary(min_size=1), place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_one_flipped_bit_is_seen(plain: bytes, place: int, bit: int) -> None:
    box = SecretBox(KEY, "i")
    sealed = bytearray(box.seal(plain, "p"))
    sealed[place % len(sealed)] ^= 1 << bit
    with pytest.raises(StoreCorruptError):
        box.open(bytes(sealed), "p")


@pytest.mark.parametrize("sealed", [b"", b"x", b"x" * 12, b"x" * 27])
def test_refuses_what_is_too_short(sealed: bytes) -> None:
    with pytest.raises(StoreCorruptError):
        SecretBox(KEY, "i").open(sealed, "p")


def test_opens_only_for_its_purpose_its_store_and_its_key() -> None:
    sealed = SecretBox(KEY, "i").seal(b"plain", "connector:1")
    for box, purpose in (
        (SecretBox(KEY, "i"), "connector:2"),
        (SecretBox(KEY, "j"), "connector:1"),
        (SecretBox(bytes(32), "i"), "connector:1"),
    ):
        with pytest.raises(StoreCorruptError):
            box.open(sealed, purpose)


def test_equal_secrets_do_not_look_equal() -> None:
    box = SecretBox(KEY, "i")
    assert box.seal(b"plain", "p") != box.seal(b"plain", "p")


def test_makes_a_key_only_its_owner_can_read(tmp_path: Path) -> None:
    path = tmp_path / "dtaas.key"
    before = os.umask(0)
    try:
        key = make_key(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key(path) == key
    assert len(key) == 32
    assert list(tmp_path.iterdir()) == [path]


def test_no_key_file_is_no_key(tmp_path: Path) -> None:
    assert read_key(tmp_path / "nothing") is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_refuses_a_key_open_to_others(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "dtaas.key"
    make_key(path)
    path.chmod(mode)
    with pytest.raises(StoreCorruptError, match="read by others") as refused:
        read_key(path)
    assert "chmod 600" in refused.value.hint


@pytest.mark.parametrize("text", ["", "00" * 31, "00" * 33, "zz" * 32, "\x00" * 64])
def test_refuses_what_is_not_a_key(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dtaas.key"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(StoreCorruptError, match="does not hold a key"):
        read_key(path)


def test_refuses_a_link_and_a_folder(tmp_path: Path) -> None:
    make_key(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(StoreCorruptError):
        read_key(tmp_path / "link")
    with pytest.raises(StoreCorruptError):
        read_key(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreCorruptError):
        read_key(tmp_path / "pipe")


def test_key_ids_tell_keys_apart_and_give_nothing_away() -> None:
    assert key_id(KEY) == key_id(KEY) != key_id(bytes(32))
    assert len(key_id(KEY)) == 16
    assert key_id(KEY) not in KEY.hex()


async def with_secret(data_dir: Path) -> None:
    """Leave a store behind that holds a secret, once changed."""
    config = S3Config(bucket="lake", access_key_id="AKIA", secret_access_key=PASSWORD)
    async with open_store("", data_dir=data_dir, registry=Registry()) as store:
        made = await store.connectors.create(
            ConnectorDraft(name="lake", role=ConnectorRole.DESTINATION, kind="s3", config=config)
        )
        await store.connectors.update(made.id, ConnectorChange(config=config))


async def test_no_secret_lies_in_any_file_in_the_clear(tmp_path: Path) -> None:
    await with_secret(tmp_path)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert [name for name, data in files.items() if PASSWORD.encode() in data] == []
    assert b"AKIA" in files["dtaas.db"]


async def test_a_store_opens_only_with_its_key(tmp_path: Path) -> None:
    await with_secret(tmp_path)
    key = tmp_path / "dtaas.key"
    kept = key.rename(tmp_path / "kept")
    with pytest.raises(StoreCorruptError, match="is missing"):
        async with open_store("", data_dir=tmp_path, registry=Registry()):
            pass
    assert not key.exists()
    make_key(key)
    with pytest.raises(StoreCorruptError, match="is not the key"):
        async with open_store("", data_dir=tmp_path, registry=Registry()):
            pass
    async with open_store("", data_dir=tmp_path, registry=Registry(), key_path=kept) as store:
        config = (await store.connectors.list()).items[0].config
        assert isinstance(config, S3Config)
        assert config.secret_access_key == PASSWORD


async def test_a_key_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    nowhere = tmp_path / "no" / "such" / "folder" / "dtaas.key"
    with pytest.raises(PermissionDeniedError, match="cannot be made") as refused:
        async with open_store("", data_dir=tmp_path, registry=Registry(), key_path=nowhere):
            pass
    assert str(nowhere) in refused.value.detail
    async with open_store("", data_dir=tmp_path, registry=Registry()) as store:
        await store.ping()


async def test_secrets_swapped_between_rows_are_refused(tmp_path: Path) -> None:
    config = S3Config(bucket="lake", secret_access_key=PASSWORD)
    async with open_store("", data_dir=tmp_path, registry=Registry()) as store:
        for name in ("mine", "theirs"):
            await store.connectors.create(
                ConnectorDraft(name=name, role=ConnectorRole.DESTINATION, kind="s3", config=config)
            )
        with closing(sqlite3.connect(tmp_path / "dtaas.db")) as thief, thief:
            thief.execute(
                "UPDATE connectors SET secrets ="
                " (SELECT secrets FROM connectors WHERE name = 'theirs') WHERE name = 'mine'"
            )
        with pytest.raises(StoreCorruptError, match="connector 1"):
            await store.connectors.list()
