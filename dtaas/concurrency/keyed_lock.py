"""A lock for each of many things, of which few are locked at a time."""

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from anyio import Lock

K = TypeVar("K", bound=Hashable)


class KeyedLock(Generic[K]):
    """Who locks one key waits for nobody who locks another. First come, first served."""

    def __init__(self) -> None:
        self._locks: dict[K, Lock] = {}

    def __len__(self) -> int:
        """Return how many keys somebody holds or waits for; nothing is kept of the others."""
        return len(self._locks)

    @asynccontextmanager
    async def of(self, key: K) -> AsyncIterator[None]:
        """Hold the lock of `key` for the block."""
        lock = self._locks.setdefault(key, Lock())
        try:
            async with lock:
                yield
        finally:
            # A lock that is let go is the next one's at once. One who was cancelled while waiting
            # may come here late, when another lock has this key.
            if not lock.locked() and self._locks.get(key) is lock:
                del self._locks[key]
