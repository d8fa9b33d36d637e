"""How often something was tried lately, and when that was too often."""

import math
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from anyio import current_time

from dtaas.model.errors import TooManyAttemptsError

_MOST_KEYS: Final = 10_000


class Attempts:
    """Counts attempts by a key, a name or an address, in a window of time.

    Held in memory, with an upper bound: whoever tries with ever new names only pushes out the
    oldest ones, and the limit by address holds all the same.
    """

    def __init__(
        self, most: int, window_s: float, clock: Callable[[], float] = current_time
    ) -> None:
        self._most = most
        self._window_s = window_s
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, key: str) -> None:
        """Return when one more is allowed.

        Raises:
            TooManyAttemptsError: it is not; with the seconds to wait.
        """
        times = self._recent(key)
        if len(times) >= self._most:
            wait_s = math.ceil(times[0] + self._window_s - self._clock())
            raise TooManyAttemptsError(
                "Too many attempts.", hint=f"Try again in {wait_s} seconds.", retry_after_s=wait_s
            )

    def note(self, key: str) -> None:
        """Count one."""
        times = self._times.setdefault(key, deque(maxlen=self._most))
        times.append(self._clock())
        self._times.move_to_end(key)
        while len(self._times) > _MOST_KEYS:
            self._times.popitem(last=False)

    def forget(self, key: str) -> None:
        """Start again from zero."""
        self._times.pop(key, None)

    def _recent(self, key: str) -> deque[float]:
        times = self._times.get(key)
        if times is None:
            return deque()
        while times and times[0] <= self._clock() - self._window_s:
            times.popleft()
        return times
