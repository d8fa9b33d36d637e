"""The first step of a stop: no new work begins, extraction ends, the rest drains and commits."""

from collections.abc import Iterator
from contextlib import contextmanager

from anyio import CancelScope, Event


class Drain:
    """A request that is made once and stays."""

    def __init__(self) -> None:
        self._asked = Event()
        self._scopes: set[CancelScope] = set()

    @property
    def requested(self) -> bool:
        """Return whether the stop was asked for."""
        return self._asked.is_set()

    def request(self) -> None:
        """Ask for the stop. Idempotent."""
        self._asked.set()
        for scope in tuple(self._scopes):
            scope.cancel()

    async def wait(self) -> None:
        """Return once the stop was asked for."""
        await self._asked.wait()

    @contextmanager
    def extraction(self) -> Iterator[CancelScope]:
        """Run a reader in a scope that the request cancels."""
        with CancelScope() as scope:
            if self.requested:
                scope.cancel()
            self._scopes.add(scope)
            try:
                yield scope
            finally:
                self._scopes.discard(scope)
