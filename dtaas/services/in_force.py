"""The settings in force that people steer the daemon by."""

from collections.abc import Callable

from msgspec import Struct

from dtaas.settings import GuardSettings, RetentionSettings, Settings


class SettingsInForce(Struct, frozen=True, kw_only=True):
    """Limits and times, as the configuration file and the environment set them; no secret.

    `guards` and `retention` count at once when the daemon is told to read its file again (SIGHUP),
    the others from its next start on.

    Attributes:
        max_body_mb: larger requests are refused.
        shutdown_grace_s: seconds a stop may drain before it cuts.
    """

    guards: GuardSettings
    retention: RetentionSettings
    max_body_mb: int
    shutdown_grace_s: float
    session_hours: float
    idle_minutes: float
    high_availability: bool


class SettingsReader:
    """Shows the settings."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    def read(self) -> SettingsInForce:
        """Return what is in force now."""
        now = self._settings()
        return SettingsInForce(
            guards=now.guards,
            retention=now.retention,
            max_body_mb=now.api.max_body_mb,
            shutdown_grace_s=now.daemon.shutdown_grace_s,
            session_hours=now.auth.session_hours,
            idle_minutes=now.auth.idle_minutes,
            high_availability=now.daemon.high_availability,
        )
