"""Feels the pulse of the event loop and tells systemd's watchdog that it beats."""

from collections.abc import Callable, Mapping
from typing import Final

import structlog
from anyio import current_time, sleep

from dtaas.services.instruments import Instruments

log = structlog.get_logger()
_EVERY_S: Final = 0.25
_LATE_S: Final = 1.0


class Heartbeat:
    """Beats four times a second.

    Attributes:
        worst_s: the longest delay since somebody last took it.
    """

    def __init__(
        self,
        instruments: Instruments,
        notify: Callable[[str], None],
        environ: Mapping[str, str],
    ) -> None:
        self._instruments = instruments
        self._notify = notify
        self._watchdog_s = watchdog_s(environ)
        self.worst_s = 0.0

    async def serve(self) -> None:
        """Beat until cancelled. A loop that stands still feeds no watchdog."""
        fed_at = current_time()
        while True:
            began = current_time()
            await sleep(_EVERY_S)
            now = current_time()
            late_s = max(0.0, now - began - _EVERY_S)
            self.worst_s = max(self.worst_s, late_s)
            self._instruments.loop_was_late(late_s)
            if late_s > _LATE_S:
                log.warning("event_loop_late", late_s=round(late_s, 3))
            if self._watchdog_s and now - fed_at >= self._watchdog_s / 3:
                self._notify("WATCHDOG=1")
                fed_at = now

    def take_worst_s(self) -> float:
        """Return the longest delay since the last call."""
        worst, self.worst_s = self.worst_s, 0.0
        return worst


def watchdog_s(environ: Mapping[str, str]) -> float:
    """Return after how many silent seconds systemd would restart us, 0 when it would not."""
    try:
        return int(environ.get("WATCHDOG_USEC", "0")) / 1e6
    except ValueError:
        return 0.0
