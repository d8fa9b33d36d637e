"""The one door to threads."""

from collections.abc import Callable
from functools import partial
from typing import Final, ParamSpec, TypeVar
from weakref import WeakSet

from anyio import CapacityLimiter, to_thread

P = ParamSpec("P")
T = TypeVar("T")
_LIMITERS: Final[WeakSet[CapacityLimiter]] = WeakSet()


class Blocking:
    """Runs driver, compression and file calls in threads, at most `threads` at once.

    A thread cannot be cancelled: cancelling waits for the call to end, but for a droppable one. So
    every driver call carries a limit of its own, shorter than the daemon's shutdown grace.
    """

    def __init__(self, threads: int) -> None:
        self._limiter = CapacityLimiter(threads)
        _LIMITERS.add(self._limiter)

    async def __call__(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn` in a thread, waiting for a free one, and return what it returns."""
        return await to_thread.run_sync(partial(fn, *args, **kwargs), limiter=self._limiter)

    async def droppable(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn` in a thread and return what it returns; cancelled, do not wait for its end.

        The thread then goes on to the end of `fn` by itself, and nobody asks what became of it. So
        this is for calls that change only what their caller drops when it is cancelled, or that
        clean up behind themselves.
        """
        return await to_thread.run_sync(
            partial(fn, *args, **kwargs), limiter=self._limiter, abandon_on_cancel=True
        )


def threads_at_work() -> int:
    """Return how many threads work for anybody now. Called on the event loop."""
    return sum(limiter.statistics().borrowed_tokens for limiter in tuple(_LIMITERS))
