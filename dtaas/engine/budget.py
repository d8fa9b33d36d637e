"""The bound on memory: bytes of Arrow data held between the stages of one task."""

from anyio import Condition


class ByteBudget:
    """Lets batches in while their bytes fit.

    A batch larger than the whole budget is let in alone, so that nothing can wait for ever.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._held = 0
        self._changed = Condition()

    @property
    def held_bytes(self) -> int:
        """Return the bytes let in and not yet given back."""
        return self._held

    async def acquire(self, size_bytes: int) -> None:
        """Wait until `size_bytes` fit, and take them."""
        async with self._changed:
            while self._held and self._held + size_bytes > self._limit:
                await self._changed.wait()
            self._held += size_bytes

    async def release(self, size_bytes: int) -> None:
        """Give bytes back."""
        async with self._changed:
            self._held -= size_bytes
            self._changed.notify_all()
