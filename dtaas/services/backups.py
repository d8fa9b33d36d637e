"""Backups of the metadata: made while everything goes on, and found again."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import ForbiddenError, NotFoundError, ValidationFailedError
from dtaas.store.backup import Manifest, read_manifest, write_backup
from dtaas.store.errors import StorePlace

_NAMES: Final = "dtaas-*.tar.gz"
_PART_BYTES: Final = 1 << 18


class BackupFile(Struct, frozen=True, kw_only=True):
    """A backup in the data folder.

    Attributes:
        path: on the daemon's machine, as `dtaas restore` takes it.
        made_at: when its file was written.
    """

    name: str
    path: str
    bytes: int
    made_at: datetime


class Backups:
    """Writes backups, and lists those in the data folder."""

    def __init__(self, place: StorePlace, data_dir: Path, now: Callable[[], datetime]) -> None:
        self._place = place
        self._folder = data_dir / "backups"
        self._now = now
        self._blocking = Blocking(1)

    @property
    def possible(self) -> bool:
        """Return whether the metadata is in a database we can copy: PostgreSQL has pg_dump."""
        return self._place.file is not None

    async def write(
        self, target: Path | None = None, *, key_file: Path | None = None
    ) -> tuple[Path, Manifest]:
        """Write a backup and return where and what it is.

        Args:
            target: by default a new file in the data folder's `backups`.
            key_file: put into the backup when given.

        Raises:
            ValidationFailedError: there is such a file already.
            SettingsError: the database is PostgreSQL.
            StoreFullError, FatalError: it could not be written.
        """

        def work() -> tuple[Path, Manifest]:
            path = target or self._new_path()
            if path.exists():
                raise ValidationFailedError(
                    f"{path} exists already.", hint="Name a new file.", field="$.path"
                )
            return path, write_backup(self._place, path, key_file=key_file)

        return await self._blocking(work)

    async def make(self) -> BackupFile:
        """Write a backup into the data folder and return it; see `write` for errors."""
        path, _ = await self.write()
        return await self._blocking(_file_of, path)

    async def list(self) -> Sequence[BackupFile]:
        """Return the backups in the data folder, the newest first."""
        return await self._blocking(self._listed)

    async def read(self, name: str) -> tuple[BackupFile, AsyncIterator[bytes]]:
        """Return a backup in the data folder and its content, in parts.

        Raises:
            NotFoundError: there is no such backup in the data folder.
            ForbiddenError: it holds the key of the secrets, which leaves the machine by hand only.
            StoreCorruptError: it is damaged.
        """
        found = await self._blocking(self._readable, name)
        return found, self._parts(Path(found.path))

    def _readable(self, name: str) -> BackupFile:
        # By what is there: no path is made of what somebody asks for.
        found = next((one for one in self._listed() if one.name == name), None)
        if found is None:
            raise NotFoundError(f"There is no backup {name!r} in the data folder.")
        if read_manifest(Path(found.path)).with_key:
            raise ForbiddenError(
                f"{name} holds the key of the secrets.", hint="Copy the file at the machine."
            )
        return found

    async def _parts(self, path: Path) -> AsyncIterator[bytes]:
        with await self._blocking(path.open, "rb") as file:
            while part := await self._blocking(file.read, _PART_BYTES):
                yield part

    def _listed(self) -> Sequence[BackupFile]:
        files = (path for path in self._folder.glob(_NAMES) if not path.is_symlink())
        found = [_file_of(path) for path in files if path.is_file()]
        return sorted(found, key=lambda one: one.made_at, reverse=True)

    def _new_path(self) -> Path:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._folder / f"dtaas-{self._now():%Y%m%dT%H%M%SZ}.tar.gz"


def _file_of(path: Path) -> BackupFile:
    stat = path.stat()
    return BackupFile(
        name=path.name,
        path=str(path.absolute()),
        bytes=stat.st_size,
        made_at=datetime.fromtimestamp(stat.st_mtime, UTC),
    )
