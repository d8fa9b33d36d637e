"""Reads the settings anew on SIGHUP. A file with a mistake changes nothing."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog

from dtaas.concurrency.blocking import Blocking
from dtaas.logs import set_level
from dtaas.model.errors import SettingsError
from dtaas.settings import Settings

log = structlog.get_logger()
_LIVE: Final = ("log.level", "retention.", "guards.")
"""What counts at once; the rest is read when the daemon starts."""


class LiveSettings:
    """The settings in force, which a reload may replace."""

    def __init__(self, settings: Settings, read: Callable[[], Settings] | None) -> None:
        """Hold `settings`.

        Args:
            read: reads them anew from where they came from; None when they cannot change.
        """
        self.now = settings
        self._read = read
        self._blocking = Blocking(1)

    async def reload(self) -> None:
        """Read the settings anew and apply what can be applied to a running daemon."""
        if self._read is None:
            return
        try:
            new = await self._blocking(self._read)
        except SettingsError as error:
            log.error("settings_refused", code=error.code, error=error.detail, hint=error.hint)  # noqa: TRY400 - a mistake in a file has no traceback
            return
        changed = _changed(self.now, new)
        waiting = [key for key in changed if not key.startswith(_LIVE)]
        self.now = msgspec.structs.replace(
            self.now,
            log=msgspec.structs.replace(self.now.log, level=new.log.level),
            retention=new.retention,
            guards=new.guards,
        )
        set_level(new.log.level)
        log.info(
            "settings_reloaded",
            applied=[key for key in changed if key not in waiting],
            needs_restart=waiting,
        )


def _changed(old: Settings, new: Settings) -> list[str]:
    before: dict[str, Any] = msgspec.to_builtins(old)
    after: dict[str, Any] = msgspec.to_builtins(new)
    return [
        f"{section}.{key}"
        for section, values in after.items()
        for key, value in values.items()
        if before[section].get(key) != value
    ]
