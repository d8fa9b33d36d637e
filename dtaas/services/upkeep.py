"""What only those at the machine may ask of the daemon: backups, its settings, its end."""

import os
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import ValidationFailedError
from dtaas.services.doctor import Doctor, Report
from dtaas.services.host_check import Places
from dtaas.settings import Settings
from dtaas.store.backup import Manifest, write_backup
from dtaas.store.errors import StorePlace


class Upkeep:
    """Use cases of the admin socket."""

    def __init__(
        self,
        *,
        settings: Callable[[], Settings],
        place: StorePlace,
        places: Places,
        doctor: Doctor,
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._place = place
        self._places = places
        self._doctor = doctor
        self._now = now
        self._blocking = Blocking(1)

    async def backup(self, target: str, *, with_key: bool) -> tuple[Path, Manifest]:
        """Write a backup and return where and what it is.

        Args:
            target: an absolute path; empty names a new file in the data folder's `backups`.

        Raises:
            ValidationFailedError: the path is relative or taken.
            SettingsError: the database is PostgreSQL.
            StoreFullError, FatalError: it could not be written.
        """
        path = Path(target) if target else self._default_path()
        if not path.is_absolute():
            raise ValidationFailedError("The path of a backup must be absolute.", field="$.path")
        if path.exists():
            raise ValidationFailedError(
                f"{path} exists already.", hint="Name a new file.", field="$.path"
            )
        if with_key and self._places.key.value:
            raise ValidationFailedError(
                "The key of the secrets is in the environment, not in a file.",
                hint="Back up without the key, and keep the key where the environment has it from.",
                field="$.with_key",
            )
        key = self._places.key.file if with_key else None
        return path, await self._blocking(write_backup, self._place, path, key_file=key)

    def _default_path(self) -> Path:
        folder = self._places.data_dir / "backups"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / f"dtaas-{self._now():%Y%m%dT%H%M%SZ}.tar.gz"

    async def examine(self) -> Report:
        """Let the doctor look at everything."""
        return await self._doctor.examine()

    def settings(self) -> dict[str, Any]:
        """Return the settings in force, without what could be secret."""
        return self._settings().shown()

    @staticmethod
    def drain() -> None:
        """End the daemon as systemd would: what was read is written, tasks go on at next start."""
        os.kill(os.getpid(), signal.SIGTERM)
