"""When to try again after a failure. Pure: no clock, the randomness is handed in."""

from collections.abc import Callable

from msgspec import Struct

from dtaas.model.errors import Action, DtaasError, RetryableError

_MOST_BUGS = 2


class RestartPolicy(Struct, frozen=True, kw_only=True):
    """Full jitter between zero and a cap that doubles.

    Attributes:
        most: attempts in all; None never gives up.
        healthy_s: an attempt that ran this long forgets the failures before it.
    """

    base_s: float = 1.0
    cap_s: float = 60.0
    most: int | None = 5
    healthy_s: float = 300.0


class Restarts:
    """The failures of one thing that is tried again and again."""

    def __init__(self, policy: RestartPolicy, uniform: Callable[[float, float], float]) -> None:
        self._policy = policy
        self._uniform = uniform
        self.failures = 0
        self._bugs = 0

    def next_delay_s(self, error: DtaasError, *, ran_s: float) -> float | None:
        """Return the seconds to wait before the next attempt, None to give up.

        Args:
            ran_s: seconds the failed attempt lasted.
        """
        if ran_s >= self._policy.healthy_s:
            self.failures = self._bugs = 0
        self.failures += 1
        if error.action is Action.FAIL:
            return None
        if error.action is Action.BUG:
            self._bugs += 1
            if self._bugs > _MOST_BUGS:
                return None
        if self._policy.most is not None and self.failures >= self._policy.most:
            return None
        ceiling = min(self._policy.cap_s, self._policy.base_s * 2.0 ** (self.failures - 1))
        least = error.retry_after_s if isinstance(error, RetryableError) else 0.0
        return max(least, self._uniform(0.0, ceiling))
