"""Whether the daemon can do its work."""

from collections.abc import Awaitable, Callable
from typing import Final

from anyio import fail_after

from dtaas.model.errors import RetryableError, StoreUnavailableError

_PING_LIMIT_S: Final = 2.0


class DrainingError(RetryableError):
    """The daemon is about to stop."""

    code = "draining"


class HealthService:
    """Answers liveness by being able to answer, and readiness by asking the store.

    Attributes:
        draining: set by the daemon when it begins to stop.
    """

    def __init__(self, ping: Callable[[], Awaitable[None]]) -> None:
        self._ping = ping
        self.draining = False

    async def check_ready(self) -> None:
        """Return when requests can be served.

        Raises:
            DrainingError: the daemon stops.
            StoreUnavailableError: the metadata database does not answer.
        """
        if self.draining:
            raise DrainingError("The daemon is stopping.")
        try:
            with fail_after(_PING_LIMIT_S):
                await self._ping()
        except TimeoutError as exc:
            raise StoreUnavailableError(
                f"The metadata database did not answer in {_PING_LIMIT_S:g} s.",
                hint="Check the load of its disk or server.",
            ) from exc
