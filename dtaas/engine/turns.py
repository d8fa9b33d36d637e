"""Turns of the tables of one task: a table that stands still gives way to those that wait."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from anyio import CancelScope, CapacityLimiter, sleep

from dtaas.engine.budget import ByteBudget
from dtaas.model.errors import NoProgressError

PATIENCE_S: Final = 15.0
_LOOK_EVERY_S: Final = 0.5


class Turn:
    """The place of one window. It is the holder's while something moves."""

    def __init__(self, patience_s: float, now: Callable[[], float]) -> None:
        self.scope = CancelScope()
        self._patience_s = patience_s
        self._now = now
        self._moved_at = now()
        self._waits = False

    def moved(self) -> None:
        """Note that something went through."""
        self._moved_at = self._now()

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Wait in the block for what other tables hold: that is not standing still."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False
            self.moved()

    @property
    def is_stale(self) -> bool:
        """Return whether nothing moved for longer than others must bear."""
        return not self._waits and self._now() - self._moved_at > self._patience_s


class Turns:
    """Places for windows, over all tables of a task.

    Places and bytes are few, and a table whose source or destination is stuck would hold its share
    until the watchdog ends it. While others wait for either, it holds it for `patience_s` only.
    """

    def __init__(
        self, places: CapacityLimiter, budget: ByteBudget, now: Callable[[], float]
    ) -> None:
        self._places = places
        self._budget = budget
        self._now = now
        self._held: set[Turn] = set()

    @asynccontextmanager
    async def turn(self, what: str, patience_s: float) -> AsyncIterator[Turn]:
        """Hold a place for the block.

        Raises:
            NoProgressError: it had to give way; what it did is to be done again.
        """
        async with self._places:
            turn = Turn(patience_s, self._now)
            self._held.add(turn)
            try:
                with turn.scope:
                    yield turn
            finally:
                self._held.discard(turn)
        if turn.scope.cancelled_caught:
            raise NoProgressError(
                f"{what} moved nothing for {patience_s:.0f} s while other tables waited.",
                hint="Look for a stalled source or destination; it is tried again.",
            )

    async def keep_fair(self) -> None:
        """Look until cancelled at who stands still while others wait."""
        while True:
            await sleep(_LOOK_EVERY_S)
            if self._budget.waiting or self._places.statistics().tasks_waiting:
                for turn in [t for t in self._held if t.is_stale]:
                    turn.scope.cancel()
