"""The one door to threads."""

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread

P = ParamSpec("P")
T = TypeVar("T")


class Blocking:
    """Runs driver, compression and file calls in threads, at most `threads` at once.

    A thread cannot be cancelled: cancelling waits for the call to end. So every driver call
    carries a limit of its own, shorter than the daemon's shutdown grace.
    """

    def __init__(self, threads: int) -> None:
        self._limiter = CapacityLimiter(threads)

    async def __call__(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn` in a thread, waiting for a free one, and return what it returns."""
        return await to_thread.run_sync(partial(fn, *args, **kwargs), limiter=self._limiter)
