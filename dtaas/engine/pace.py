"""What holds a table up: the share of the time that reading, transforming and writing take.

Counted where batches change hands, at two readings of the clock each, so that rows cost nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from msgspec import Struct

_WINDOW_S: Final = 10.0
_SLOT_S: Final = 0.5
"""Seconds to which the window is kept; a power of two, so that borders of slots are exact."""
_LEAST_S: Final = 0.05
"""Work of less than this says nothing about what holds a table up."""
Clock = Callable[[], float]
"""Monotonic seconds."""


class Shares(Struct, frozen=True):
    """Shares of the time, 0 to 1; what is missing to 1 was spent waiting.

    Attributes:
        read: the source was asked and had not answered.
        transform: the task's steps ran.
        write: the destination took rows or made them durable.
    """

    read: float
    transform: float
    write: float


class Occupancy:
    """For how long something was going on, each of several side by side counted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._inside = 0
        self._at = clock()
        self._slots: dict[int, float] = {}
        self.total_s = 0.0

    def step(self, by: int) -> None:
        """Note that as many more (or fewer) are at it from now on."""
        self._sum_up()
        self._inside += by

    def recent_s(self) -> float:
        """Return the seconds of the last ten, with what is going on now."""
        self._sum_up()
        first = _first_slot(self._at)
        for slot in [s for s in self._slots if s < first]:
            del self._slots[slot]
        return sum(self._slots.values())

    def all_s(self) -> float:
        """Return the seconds since the beginning."""
        self._sum_up()
        return self.total_s

    def _sum_up(self) -> None:
        now, at = self._clock(), self._at
        self._at = now
        if not self._inside or now <= at:
            return
        self.total_s += self._inside * (now - at)
        at = max(at, _first_slot(now) * _SLOT_S)
        while at < now:
            slot = int(at / _SLOT_S)
            until = min(now, (slot + 1) * _SLOT_S)
            self._slots[slot] = self._slots.get(slot, 0.0) + self._inside * (until - at)
            at = until
        if len(self._slots) > 2 * _WINDOW_S / _SLOT_S:
            first = _first_slot(now)
            self._slots = {s: area for s, area in self._slots.items() if s >= first}


def _first_slot(now: float) -> int:
    return int((now - _WINDOW_S) / _SLOT_S)


class Pace:
    """How the time of one table is spent. Everything runs on the event loop, so nothing locks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began: float | None = None
        self._ended = 0.0
        self._under_way = Occupancy(clock)
        self._read = Occupancy(clock)
        self._transform = Occupancy(clock)
        self._write = Occupancy(clock)
        self._queued: dict[int, int] = {}

    @property
    def queued(self) -> int:
        """Return how many batches were read and not taken by the destination yet."""
        return sum(self._queued.values())

    def begin(self, unit: int) -> None:
        """Note that a chunk or window is on its way."""
        self._began = self._clock() if self._began is None else self._began
        self._queued[unit] = 0
        self._under_way.step(1)

    def end(self, unit: int) -> None:
        """Note that it is not any more. Idempotent."""
        if self._queued.pop(unit, None) is not None:
            self._under_way.step(-1)
            self._ended = self._clock()

    def queue(self, unit: int, by: int) -> None:
        """Note that a batch was read, or taken."""
        if unit in self._queued:
            self._queued[unit] += by

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Wait for the source in the block."""
        self._read.step(1)
        try:
            yield
        finally:
            self._read.step(-1)

    @contextmanager
    def transforming(self) -> Iterator[None]:
        """Run steps in the block, which is a part of one of reading."""
        self._read.step(-1)
        self._transform.step(1)
        try:
            yield
        finally:
            self._transform.step(-1)
            self._read.step(1)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Wait for the destination in the block."""
        self._write.step(1)
        try:
            yield
        finally:
            self._write.step(-1)

    def recent(self) -> Shares | None:
        """Return the shares of the last ten seconds, None when next to nothing was done."""
        if self._began is None:
            return None
        now = self._clock()
        span_s = now - max(self._began, _first_slot(now) * _SLOT_S)
        return self._shares(span_s, Occupancy.recent_s)

    def overall(self) -> Shares | None:
        """Return the shares from the first chunk or window to the last, None without any."""
        if self._began is None:
            return None
        return self._shares(self._ended - self._began, Occupancy.all_s)

    def _shares(self, span_s: float, seconds: Callable[[Occupancy], float]) -> Shares | None:
        whole_s = max(span_s, seconds(self._under_way))
        parts = [seconds(one) for one in (self._read, self._transform, self._write)]
        if whole_s <= 0 or sum(parts) < _LEAST_S:
            return None
        return Shares(*(min(1.0, round(part / whole_s, 2)) for part in parts))
