"""A limit on the bytes a second all readers of a source take together."""

import anyio

_BURST_S = 0.5
"""Unused allowance is kept for this long, so that a short pause does not lower the rate."""


class RateLimit:
    """A token bucket that may go into debt: a batch is never split, the next one waits longer."""

    def __init__(self, bytes_per_s: float) -> None:
        """Allow `bytes_per_s`; 0 is no limit."""
        self._bytes_per_s = bytes_per_s
        self._tokens = bytes_per_s * _BURST_S
        self._updated_s = 0.0

    def debt_s(self, taken_bytes: int, *, now_s: float) -> float:
        """Take bytes at a time of a monotonic clock and return how long to wait for them."""
        if self._bytes_per_s <= 0:
            return 0.0
        passed_s = max(0.0, now_s - self._updated_s)
        full = self._bytes_per_s * _BURST_S
        self._tokens = min(full, self._tokens + passed_s * self._bytes_per_s) - taken_bytes
        self._updated_s = now_s
        return max(0.0, -self._tokens / self._bytes_per_s)

    async def take(self, taken_bytes: int) -> None:
        """Take bytes and wait until the rate allows them."""
        wait_s = self.debt_s(taken_bytes, now_s=anyio.current_time())
        if wait_s > 0:
            await anyio.sleep(wait_s)
