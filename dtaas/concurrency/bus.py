"""Event fan-out: many listeners, and none of them can slow a publisher."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import anyio
from msgspec import Struct

from dtaas.model.events import Event

DEFAULT_CAPACITY_EVENTS: Final = 1024


class Taken(Struct, frozen=True):
    """What came since the last look, in the order it was published.

    Attributes:
        missed: events before these were dropped because the listener was too slow; what it knows
            is no longer the truth, so it must read the full picture anew.
    """

    events: Sequence[Event]
    missed: bool = False


class Feed:
    """One listener's bounded buffer. Used by one reader, on the event loop."""

    def __init__(self, capacity_events: int) -> None:
        self._events: deque[Event] = deque()
        self._capacity_events = capacity_events
        self._missed = False
        self._arrived = anyio.Event()

    def put(self, event: Event) -> None:
        """Keep an event; a full buffer is emptied first: deltas with a gap are worth nothing."""
        if len(self._events) >= self._capacity_events:
            self._events.clear()
            self._missed = True
        self._events.append(event)
        self._arrived.set()

    async def take(self) -> Taken:
        """Wait until there is something and return all of it."""
        await self._arrived.wait()
        return self.take_nowait()

    def take_nowait(self) -> Taken:
        """Return all there is now, which may be nothing."""
        taken = Taken(tuple(self._events), self._missed)
        self._events.clear()
        self._missed = False
        self._arrived = anyio.Event()
        return taken


class EventBus:
    """Hands every published event to every listener that is subscribed at that moment."""

    def __init__(self) -> None:
        self._feeds: set[Feed] = set()

    def publish(self, event: Event) -> None:
        """Tell every listener. Never waits; called on the event loop only."""
        for feed in self._feeds:
            feed.put(event)

    @contextmanager
    def subscribe(self, capacity_events: int = DEFAULT_CAPACITY_EVENTS) -> Iterator[Feed]:
        """Listen from now on until the context is left.

        Subscribe first, then read the full picture: then nothing falls in between.

        Args:
            capacity_events: most events kept for a listener that does not look.
        """
        feed = Feed(capacity_events)
        self._feeds.add(feed)
        try:
            yield feed
        finally:
            self._feeds.discard(feed)
