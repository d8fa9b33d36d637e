"""Blocking calls of one connection, in a thread of their own, every one of which can be broken."""

from collections.abc import Callable
from traceback import clear_frames
from typing import TypeVar

import anyio
from anyio import CancelScope, create_task_group
from anyio.lowlevel import checkpoint

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import DtaasError, TimedOutError

T = TypeVar("T")
_CLOSE_LIMIT_S = 10.0


class BreakableCalls:
    """Runs a connection's calls one after another.

    A call that is cancelled, or takes longer than its limit, loses the connection: it is aborted,
    so the call fails at once and the thread is free again.
    """

    def __init__(
        self, what: str, *, abort: Callable[[], None], to_error: Callable[[Exception], DtaasError]
    ) -> None:
        """Prepare.

        Args:
            what: begins the errors, such as `Reading dbo.orders`.
            abort: breaks the connection; called from the event loop, also while a call runs.
            to_error: makes the connection's own errors ours; is given no error of ours.
        """
        self._what = what
        self._abort = abort
        self._to_error = to_error
        self._thread = Blocking(1)

    async def call(self, fn: Callable[..., T], *args: object, limit_s: float) -> T:
        """Run `fn` in the thread.

        Raises:
            TimedOutError: it took longer than `limit_s`.
            DtaasError: what `to_error` makes of its failure.
        """
        results: list[T] = []
        failure: Exception | None = None
        done = anyio.Event()
        with anyio.move_on_after(limit_s) as limit:
            async with create_task_group() as group:
                group.start_soon(self._abort_unless, done)
                try:
                    results.append(await self._thread(fn, *args))
                except Exception as exc:  # noqa: BLE001 - raised below, after a cancellation
                    failure = exc
                done.set()
        try:
            for result in results:
                return result
            await checkpoint()  # cancelled: the failure is only the echo of our own abort
            if limit.cancel_called or failure is None:
                raise TimedOutError(
                    f"{self._what} failed: nothing came from the server for {limit_s:.0f} s.",
                    hint="Look for blocking sessions and the network; query_timeout_s limits it.",
                ) from failure
            if isinstance(failure, DtaasError):
                raise failure
            raise self._to_error(failure) from failure
        finally:
            if failure is not None:
                # Its frames hold the connection's handles, in a cycle that would keep them until
                # garbage is next collected.
                clear_frames(failure.__traceback__)

    async def end(self, free: Callable[[], None]) -> None:
        """Break what runs, then run `free` in the thread: freeing may wait for the network."""
        self._abort()
        with CancelScope(shield=True), anyio.move_on_after(_CLOSE_LIMIT_S):
            await self._thread(free)

    async def _abort_unless(self, done: anyio.Event) -> None:
        """Wait for `done`; when cancelled first, break the connection."""
        try:
            await done.wait()
        finally:
            if not done.is_set():
                self._abort()
