"""The bound on memory: bytes of Arrow data held between the stages of one task."""

from types import TracebackType
from typing import Self

from anyio import Event
from anyio.lowlevel import checkpoint


class ByteBudget:
    """Lets batches in while their bytes fit. Used from the event loop only.

    A batch larger than the whole budget is let in alone, so that nothing can wait for ever.

    Attributes:
        waiting: how many wait for room.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._held = 0
        self._room = Event()
        self.waiting = 0

    @property
    def held_bytes(self) -> int:
        """Return the bytes let in and not yet given back."""
        return self._held

    async def acquire(self, size_bytes: int) -> None:
        """Wait until `size_bytes` fit, and take them. Cancelled, it takes nothing."""
        await checkpoint()
        self.waiting += 1
        try:
            while self._held and self._held + size_bytes > self._limit:
                await self._room.wait()
        finally:
            self.waiting -= 1
        self._held += size_bytes

    def release(self, size_bytes: int) -> None:
        """Give bytes back and wake who waits."""
        self._held -= size_bytes
        self._room.set()
        self._room = Event()

    def lease(self) -> "Lease":
        """Return a share of the budget that gives back what it holds when it ends."""
        return Lease(self)


class Lease:
    """What one chunk holds of the budget: a pipeline that dies gives all of it back."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._held:
            self._budget.release(self._held)
            self._held = 0

    async def take(self, size_bytes: int) -> None:
        """Wait for `size_bytes` and hold them."""
        await self._budget.acquire(size_bytes)
        self._held += size_bytes

    def give(self, size_bytes: int) -> None:
        """Return `size_bytes` to the budget."""
        self._held -= size_bytes
        self._budget.release(size_bytes)
