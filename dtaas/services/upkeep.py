"""What only those at the machine may ask of the daemon: backups, its settings, its end."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dtaas.model.errors import ValidationFailedError
from dtaas.services.backups import Backups
from dtaas.services.doctor import Doctor, Report
from dtaas.services.host_check import Places
from dtaas.settings import Settings
from dtaas.store.backup import Manifest


class Upkeep:
    """Use cases of the admin socket."""

    def __init__(
        self,
        *,
        settings: Callable[[], Settings],
        backups: Backups,
        places: Places,
        doctor: Doctor,
    ) -> None:
        self._settings = settings
        self._backups = backups
        self._places = places
        self._doctor = doctor

    async def backup(self, target: str, *, with_key: bool) -> tuple[Path, Manifest]:
        """Write a backup and return where and what it is.

        Args:
            target: an absolute path; empty names a new file in the data folder's `backups`.

        Raises:
            ValidationFailedError: the path is relative or taken.
            SettingsError: the database is PostgreSQL.
            StoreFullError, FatalError: it could not be written.
        """
        path = Path(target) if target else None
        if path is not None and not path.is_absolute():
            raise ValidationFailedError("The path of a backup must be absolute.", field="$.path")
        if with_key and self._places.key.value:
            raise ValidationFailedError(
                "The key of the secrets is in the environment, not in a file.",
                hint="Back up without the key, and keep the key where the environment has it from.",
                field="$.with_key",
            )
        key = self._places.key.file if with_key else None
        return await self._backups.write(path, key_file=key)

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
