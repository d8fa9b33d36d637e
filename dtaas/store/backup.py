"""Backups of a SQLite metadata database: one archive, checked before it is trusted.

The archive holds `manifest.json` and `dtaas.db`, and with the key also `dtaas.key`.
"""

import fcntl
import hashlib
import io
import os
import sqlite3
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
from msgspec import Struct

from dtaas import __version__
from dtaas.model.errors import (
    FatalError,
    SettingsError,
    StoreCorruptError,
    StoreFullError,
    StoreInUseError,
)
from dtaas.store.errors import StorePlace, translated
from dtaas.store.key_place import KeyPlace
from dtaas.store.secrets import read_key

_MANIFEST: Final = "manifest.json"
_DATABASE: Final = "dtaas.db"
_KEY: Final = "dtaas.key"
_FORMAT: Final = 1
_MOST_MANIFEST: Final = 65_536
_RESTING: Final = ("stopped", "restored_from_backup")


class Manifest(Struct, frozen=True, kw_only=True):
    """What a backup is.

    Attributes:
        sha256: of the database inside.
        with_key: whoever has the archive can read the connectors' secrets.
    """

    format: int
    version: str
    installation: str
    created_at: datetime
    sha256: str
    bytes: int
    with_key: bool


def write_backup(place: StorePlace, target: Path, *, key_file: Path | None) -> Manifest:
    """Write a backup of the database, also while it is in use, and return what it is.

    The archive appears whole, with mode 0600, or not at all.

    Args:
        key_file: put into the archive when given.

    Raises:
        SettingsError: the database is PostgreSQL, which has tools of its own.
        StoreFullError, FatalError: it could not be written.
    """
    if place.file is None:
        raise SettingsError(
            "The metadata database is PostgreSQL.", hint="Back it up with pg_dump -Fc."
        )
    try:
        with TemporaryDirectory(dir=target.parent, prefix=".dtaas-backup-") as folder:
            copy = Path(folder) / _DATABASE
            copy.touch(mode=0o600)
            with closing(sqlite3.connect(place.file)) as connection:
                connection.execute("VACUUM INTO ?", (str(copy),))
            manifest = _manifest(copy, with_key=key_file is not None)
            draft = Path(folder) / "draft"
            with draft.open("xb") as raw, tarfile.open(fileobj=raw, mode="w:gz") as archive:
                _add(archive, _MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
                archive.add(copy, _DATABASE, filter=_private)
                if key_file is not None:
                    _add(archive, _KEY, key_file.read_bytes())
            draft.chmod(0o600)
            _sync(draft)
            draft.replace(target)
            _sync(target.parent)
    except (OSError, sqlite3.Error) as exc:
        error = translated(exc, place)
        if isinstance(error, StoreFullError):
            raise error from exc
        raise FatalError(
            f"The backup {target} could not be written: {exc}.",
            hint="Name a file in a folder that the daemon's user may write.",
        ) from exc
    return manifest


def read_manifest(source: Path) -> Manifest:
    """Return what a backup says it is.

    Raises:
        StoreCorruptError: it is not a backup of ours.
    """
    try:
        with tarfile.open(source, "r:gz") as archive:
            return _manifest_of(archive, source)
    except (OSError, tarfile.TarError, EOFError) as exc:
        raise StoreCorruptError(
            f"{source} is not a backup: {exc}.", hint="Name a file that dtaas backup wrote."
        ) from exc


def restore(source: Path, place: StorePlace, key_at: KeyPlace) -> Manifest:
    """Put a backup in the place of the database, which no daemon may have open.

    The old files are kept beside it. No task runs by itself afterwards: what a target holds may be
    newer than what the backup knows, so a person starts each task.

    Raises:
        SettingsError: the database is PostgreSQL.
        StoreInUseError: a daemon has it open.
        StoreCorruptError: the backup is damaged, or its key is neither in it nor in place.
    """
    file = place.file
    if file is None:
        raise SettingsError(
            "The metadata database is PostgreSQL.", hint="Restore it with pg_restore."
        )
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(file.with_name(file.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return _restore(source, file, key_at)
    except BlockingIOError as exc:
        raise StoreInUseError(
            f"A daemon has {file} open.", hint="Stop it first: systemctl stop dtaas"
        ) from exc
    finally:
        os.close(lock)


def _restore(source: Path, file: Path, key_at: KeyPlace) -> Manifest:
    key_file = key_at.file
    with TemporaryDirectory(dir=file.parent, prefix=".dtaas-restore-") as folder:
        database, key = Path(folder) / _DATABASE, Path(folder) / _KEY
        manifest = _unpack(source, database, key)
        if not key.exists() and not key_at.value and not key_file.exists():
            raise StoreCorruptError(
                f"The backup holds no key, and there is none at {key_file}.",
                hint="Put the key file of that installation there first.",
            )
        if key.exists() and not key_at.writable and key_at.read() != read_key(key):
            raise StoreCorruptError(
                f"{key_at} is not the key of that backup.",
                hint="Put the key of that installation there first; the backup holds it.",
            )
        _calm(database)
        _sync(database)
        moment = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        for old in (file, *(file.with_name(file.name + end) for end in ("-wal", "-shm"))):
            if old.exists():
                old.rename(old.with_name(f"{old.name}.before-restore-{moment}"))
        database.replace(file)
        if key.exists() and key_at.writable:
            if key_file.exists() and key_file.read_bytes() != key.read_bytes():
                key_file.rename(key_file.with_name(f"{key_file.name}.before-restore-{moment}"))
            key.replace(key_file)
        _sync(file.parent)
    return manifest


def _unpack(source: Path, database: Path, key: Path) -> Manifest:
    try:
        with tarfile.open(source, "r:gz") as archive:
            manifest = _manifest_of(archive, source)
            _copy(archive, _DATABASE, database)
            if manifest.with_key:
                _copy(archive, _KEY, key)
    except (OSError, tarfile.TarError, EOFError, KeyError) as exc:
        raise StoreCorruptError(
            f"{source} is damaged: {exc}.", hint="Take another backup."
        ) from exc
    if _digest(database) != manifest.sha256:
        raise StoreCorruptError(f"{source} is damaged: its checksum is wrong.")
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("PRAGMA integrity_check").fetchone()
    if found != ("ok",):
        raise StoreCorruptError(f"The database in {source} is damaged: {found[0]}.")
    return manifest


def _calm(database: Path) -> None:
    """Let no task run by itself, and each compare its positions with the target's first."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "UPDATE tasks SET desired = 'stopped', status = ?, last_error_code = ?,"
            " last_error = 'The metadata was restored from a backup. Start the task: its"
            " positions are compared with those of the target, and where they differ it waits for"
            " your choice; --force loads anew.'"
            " WHERE status <> 'draft'",
            _RESTING,
        )
        known = "SELECT count(*) FROM sqlite_master WHERE name = 'position_reviews'"
        if connection.execute(known).fetchone()[0]:  # else the migration does it
            connection.execute(
                "INSERT OR REPLACE INTO position_reviews (task_id, state, review)"
                " SELECT id, 'pending', '{}' FROM tasks WHERE status <> 'draft'"
            )


def _manifest(copy: Path, *, with_key: bool) -> Manifest:
    with closing(sqlite3.connect(copy)) as connection:
        row = connection.execute("SELECT installation_id FROM installation").fetchone()
    return Manifest(
        format=_FORMAT,
        version=__version__,
        installation=row[0] if row else "",
        created_at=datetime.now(UTC),
        sha256=_digest(copy),
        bytes=copy.stat().st_size,
        with_key=with_key,
    )


def _manifest_of(archive: tarfile.TarFile, source: Path) -> Manifest:
    try:
        member = archive.extractfile(_MANIFEST)
        assert member is not None  # noqa: S101 - not a link: `extractfile` would say so
        manifest = msgspec.json.decode(member.read(_MOST_MANIFEST), type=Manifest)
    except (KeyError, AssertionError, msgspec.DecodeError) as exc:
        raise StoreCorruptError(
            f"{source} is not a backup of DTaaS.", hint="Name a file that dtaas backup wrote."
        ) from exc
    if manifest.format != _FORMAT:
        raise StoreCorruptError(
            f"{source} has format {manifest.format}, which this version does not know.",
            hint=f"Restore it with DTaaS {manifest.version}.",
        )
    return manifest


def _copy(archive: tarfile.TarFile, name: str, target: Path) -> None:
    member = archive.extractfile(name)
    if member is None:
        raise tarfile.TarError(f"{name} is not a file")
    target.touch(mode=0o600)
    with member, target.open("wb") as out:
        while part := member.read(1 << 20):
            out.write(part)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o600
    archive.addfile(info, io.BytesIO(content))


def _private(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.mode, info.uid, info.gid, info.uname, info.gname = 0o600, 0, 0, "", ""
    return info


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
