"""Change data capture where it is to be had, else Change Tracking: one of them for a whole task."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

import structlog

from dtaas.model.change_ports import ChangeSource
from dtaas.model.changes import ChangeWindow, SourceState, TrackedTable
from dtaas.model.errors import CaptureNotEnabledError
from dtaas.model.ports import BatchReader
from dtaas.model.schema import TableRef

log = structlog.get_logger()


class FirstThatTracks:
    """Asks the first of two sources to track, and the second when it cannot; then stays with it.

    For a task that has no streams yet: one that has goes on with the method of those.
    """

    def __init__(self, first: ChangeSource, second: ChangeSource) -> None:
        self._first = first
        self._second = second
        self._chosen: ChangeSource | None = None

    async def track(
        self, tables: Sequence[TableRef], *, keys: Mapping[TableRef, tuple[str, ...]], enable: bool
    ) -> Sequence[TrackedTable]:
        """Track tables by the first source, or by the second where the first is not to be had.

        Raises:
            CaptureNotEnabledError: neither can; the error is the first's.
        """
        if self._chosen is not None:
            return await self._chosen.track(tables, keys=keys, enable=enable)
        try:
            tracked = await self._first.track(tables, keys=keys, enable=enable)
            self._chosen = self._first
        except CaptureNotEnabledError as error:
            try:
                tracked = await self._second.track(tables, keys=keys, enable=enable)
            except CaptureNotEnabledError as other:
                raise CaptureNotEnabledError(
                    f"{error.detail} Nor is there another way: {other.detail}",
                    hint=f"{error.hint} Or: {other.hint}",
                ) from error
            self._chosen = self._second
            log.warning("capture_replaced", by=tracked[0].method, why=error.detail)
        return tracked

    async def untrack(self, tracked: TrackedTable) -> None:
        """Drop a capture instance that we made."""
        await self._source().untrack(tracked)

    async def anchor(self, tracked: Sequence[TrackedTable]) -> bytes:
        """Return the position a full load may begin at."""
        return await self._source().anchor(tracked)

    async def poll(self, tracked: Sequence[TrackedTable]) -> SourceState:
        """Ask once, for all tables, what is new."""
        return await self._source().poll(tracked)

    async def cut(
        self, tracked: TrackedTable, *, after: bytes, to: bytes, most_rows: int
    ) -> ChangeWindow:
        """Return the next window."""
        return await self._source().cut(tracked, after=after, to=to, most_rows=most_rows)

    def changes(
        self, tracked: TrackedTable, window: ChangeWindow, *, batch_rows: int, batch_bytes: int
    ) -> AbstractAsyncContextManager[BatchReader]:
        """Open a reader over a window."""
        return self._source().changes(
            tracked, window, batch_rows=batch_rows, batch_bytes=batch_bytes
        )

    async def aclose(self) -> None:
        """Close both sources. Idempotent."""
        await self._first.aclose()
        await self._second.aclose()

    def _source(self) -> ChangeSource:
        if self._chosen is None:
            raise RuntimeError("Nothing is tracked yet.")
        return self._chosen


_: type[ChangeSource] = FirstThatTracks
