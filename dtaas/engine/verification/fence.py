"""Positions a comparison stands at, and which rows changed while it was made.

Nothing stops for a verification. Between `position` (everything up to there is at the destination)
and a fence (everything our reads can have seen lies before it) the change rows themselves say which
keys moved. A row that differs and did not move in between differs for good; one that moved is
looked at again.
"""

from datetime import datetime
from typing import Final

import numpy as np
from anyio import move_on_after, sleep
from msgspec import Struct

from dtaas.concurrency.blocking import Blocking
from dtaas.engine.verification.digest import key_hashes
from dtaas.model.change_ports import ChangeSource, StreamStore
from dtaas.model.changes import ChangeWindow, SourceState, StreamState, TrackingMethod
from dtaas.model.errors import CaptureStoppedError, NotFoundError
from dtaas.model.fingerprint import U64
from dtaas.model.ids import TaskId
from dtaas.model.schema import TableRef

_LOOK_EVERY_S: Final = 0.2
_FENCE_LIMIT_S: Final = 60.0
_ARRIVAL_LIMIT_S: Final = 60.0
_WINDOW_ROWS: Final = 200_000
_NEWEST: Final = ((1 << 63) - 1).to_bytes(10)
_BATCH_ROWS: Final = 65_536
_BATCH_BYTES: Final = 8 * 1024 * 1024


class Fence(Struct, frozen=True, kw_only=True):
    """Positions of one table's stream."""

    task_id: TaskId
    table: TableRef
    source: ChangeSource
    streams: StreamStore
    blocking: Blocking

    async def state(self) -> StreamState:
        """Return where the stream stands.

        Raises:
            NotFoundError: the table does not stream any more.
        """
        found = await self.streams.stream(self.task_id, self.table)
        if found is None:
            raise NotFoundError(
                f"Table {self.table} has no stream any more.", hint="Verify once it streams again."
            )
        return found

    async def position(self) -> bytes:
        """Return up to where every change is at the destination."""
        return (await self.state()).position

    async def raised(self) -> bytes:
        """Return a position behind everything that is visible at the source now.

        Raises:
            CaptureStoppedError: the source's capture does not get there.
        """
        tracked = [(await self.state()).stream.tracked]
        state = await self.source.poll(tracked)
        asked, first = state.polled_at, None
        with move_on_after(_FENCE_LIMIT_S):
            while not _captured(state, asked, first):
                if first is None and state.scanned_at is not None and state.scanned_at > asked:
                    first = state.scanned_at
                await sleep(_LOOK_EVERY_S)
                state = await self.source.poll(tracked)
            return state.position
        raise CaptureStoppedError(
            f"The capture of {self.table} did not move on within {_FENCE_LIMIT_S:.0f} s.",
            hint="Start SQL Server Agent, and the job: EXEC sys.sp_cdc_start_job N'capture';",
        )

    async def arrived(self, position: bytes) -> bool:
        """Wait, within a limit, until everything up to `position` is at the destination."""
        with move_on_after(_ARRIVAL_LIMIT_S):
            while True:
                if await self.position() >= position:
                    return True
                await sleep(_LOOK_EVERY_S)
        return False

    async def moved(self, after: bytes, to: bytes, keys: U64) -> U64:
        """Return those of `keys` that changed after one position and up to another.

        Args:
            keys: key hashes, ascending.

        Raises:
            CaptureGapError: the changes are not kept any more.
        """
        tracked = (await self.state()).stream.tracked
        found = [np.zeros(0, dtype=np.uint64)]
        while after < to:
            if tracked.method is TrackingMethod.CHANGE_TRACKING:
                # Only a row's last change is known: one that came since hides those before it.
                window = ChangeWindow(table=self.table, after=after, to=_NEWEST)
            else:
                window = await self.source.cut(tracked, after=after, to=to, most_rows=_WINDOW_ROWS)
            if window.expected_rows != 0:
                async with self.source.changes(
                    tracked, window, batch_rows=_BATCH_ROWS, batch_bytes=_BATCH_BYTES
                ) as reader:
                    while (batch := await reader.next()) is not None:
                        hashes = await self.blocking(key_hashes, batch, tracked.schema.key)
                        found.append(np.intersect1d(hashes, keys))
            after = window.to
        return np.unique(np.concatenate(found))


def _captured(state: SourceState, asked: datetime, first: datetime | None) -> bool:
    """Return whether all that committed before `asked` is captured.

    A scan of the log that ended after `asked` may have begun before; the one after it did not.
    """
    if state.scanned_at is None:
        return True
    if state.committed_at is not None and state.committed_at > asked:
        return True
    return first is not None and state.scanned_at > first
