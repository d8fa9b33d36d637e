"""Keeps one table's stream with its source's DDL: notices it, follows it, tidies up behind it."""

from datetime import datetime
from typing import Final

import structlog
from anyio import current_time
from msgspec.structs import replace

from dtaas.engine.ddl import handed_over, selected, without_predecessor
from dtaas.engine.stream_context import StreamContext
from dtaas.model.change_ports import FollowsDdl, ShapesChanges, TellsDdl
from dtaas.model.changes import ChangeWindow, Missed, StreamState, TrackedTable
from dtaas.model.drift import DetectedBy
from dtaas.model.errors import CaptureNotEnabledError, SchemaChangePendingError

log = structlog.get_logger()
_LOOK_EVERY_S: Final = 30.0
"""How often a table is described whose source does not tell of DDL."""
_DROP_AGAIN_S: Final = 5.0
"""When an instance is dropped again that could not be for the moment."""


class DdlFollower:
    """Follows the DDL of one table.

    Attributes:
        structure: the source's latest mark of the table; see `SourceState`.
        uncaptured: which columns are not captured and what a DBA would run, '' when all are.
        waiting: which change waits for a decision, '' while the table may go on.
        filling: new columns that the next window brings of all rows.
    """

    def __init__(self, context: StreamContext) -> None:
        self.structure = ""
        self.uncaptured = ""
        self.waiting = ""
        self.filling: tuple[str, ...] = ()
        self._looked_at: float | None = None
        self._looked = ""
        self._context = context
        self._followed = ""
        self._dropped_with: TrackedTable | None = None
        self._drop_again_at: float | None = None

    @property
    def to_do(self) -> bool:
        """Return whether there is something to do though the table has no changes."""
        return bool(self.altered or self.due or self.waiting or self._untidy)

    @property
    def _untidy(self) -> bool:
        """Return whether the instance that was left is to be dropped once more."""
        return self._drop_again_at is not None and current_time() >= self._drop_again_at

    @property
    def altered(self) -> bool:
        """Return whether there is DDL that was not looked at yet."""
        return self.structure != self._followed

    @property
    def _told(self) -> bool:
        source = self._context.source
        return not isinstance(source, TellsDdl) or source.tells_ddl

    @property
    def due(self) -> bool:
        """Return whether the table is to be looked at."""
        if self._context.gate is None:
            return False
        if self._looked_at is None or (self.altered and not self.waiting):
            return True
        return not self._told and current_time() > self._looked_at + _LOOK_EVERY_S

    def look_again(self) -> None:
        """Look at the table again: somebody decided."""
        self._looked_at = None

    async def look(self, state: StreamState) -> StreamState:
        """Compare the table with what is remembered of it.

        Raises:
            SchemaChangeRefusedError: it changed in a way that ends the stream.
        """
        gate, table = self._context.gate, state.stream.tracked.table
        if gate is None:
            return state
        self._looked = self.structure  # a poll may bring another one meanwhile
        by = DetectedBy.DDL_HISTORY if self.altered else DetectedBy.POLL
        if self._looked_at is None:
            by = DetectedBy.START
        position = state.position.hex()
        if by is DetectedBy.DDL_HISTORY:
            position = self.structure.split(" ", 1)[0] or position
        self._looked_at = current_time()  # who decides meanwhile lets it look again
        try:
            _, verdict = await gate.check(table, by, position)
        except SchemaChangePendingError as error:
            self._waits_for(error)
            return state
        except BaseException:
            self._looked_at = None
            raise
        self.waiting = ""
        if not self._told:
            self.filling = verdict.filling
            return await self.follow(state)
        tracked = state.stream.tracked
        decided = (frozenset(tracked.left_out) & verdict.accepted) or (
            verdict.ignored - frozenset(tracked.left_out)
        )
        return await self.follow(state) if decided else state

    def filled_by(self, window: ChangeWindow, tracked: TrackedTable) -> ChangeWindow:
        """Return a window that brings the new columns of all rows, where that is asked for."""
        if not self.filling or window.missed is not None or window.to <= window.after:
            return window
        columns = self._arriving(tracked, self.filling)
        if not columns:  # none of them arrives
            self.filling = ()
            return window
        missed = Missed(columns=columns, since=b"", filled=True)
        return replace(window, missed=missed, expected_rows=None)

    async def written(self, window: ChangeWindow, tracked: TrackedTable, rows: int) -> None:
        """Note the rows that a durable window wrote again because columns came."""
        missed, gate = window.missed, self._context.gate
        if missed is None or gate is None:
            return
        self.filling = ()
        brought = frozenset(missed.columns)
        await gate.filled(
            window.table,
            lambda column: not brought.isdisjoint(self._arriving(tracked, (column,))),
            rows,
        )

    def _arriving(self, tracked: TrackedTable, columns: tuple[str, ...]) -> tuple[str, ...]:
        source = self._context.source
        if not isinstance(source, ShapesChanges):
            return columns
        return tuple(source.arriving(tracked, columns))

    async def settled(self, state: StreamState, *, ahead: bool = False) -> StreamState:
        """Drop the instance that was left, where that is due, and follow new DDL.

        Args:
            ahead: changes are about to be read. Of a source that does not tell of DDL they may be
                the first with a new column, so the table is looked at before.
        """
        unlooked = ahead and not self._told and self._context.gate is not None
        if self.due or unlooked:
            state = await self.look(state)
        if self.waiting:
            return state
        state = await self._tidied(state)
        unseen = self._context.gate is not None and self._looked != self.structure
        return await self.follow(state) if self.altered and not unseen else state

    async def follow(self, state: StreamState) -> StreamState:
        """Take DDL in: other types at once, other columns by a newer instance."""
        context, stream, structure = self._context, state.stream, self.structure
        self.uncaptured = ""
        if isinstance(context.source, FollowsDdl) and stream.tracked.successor is None:
            enable = context.spec.options.enable_capture
            try:
                tracked = await context.source.follow_ddl(stream.tracked, enable=enable)
            except SchemaChangePendingError as error:  # there was more than what was decided
                self._waits_for(error)
                return state
            except CaptureNotEnabledError as error:  # what is captured goes on
                table = str(stream.tracked.table)
                self.uncaptured = f"{error.detail} {error.hint}"
                log.warning("columns_not_captured", table=table, hint=error.hint)
            else:
                if not context.spec.shapes:  # else who shapes has done it
                    tracked = selected(tracked, context.spec.mapping(tracked.table))
                state = await self._taken(state, tracked)
            self._dropped_with = None
        self._followed = structure
        return state

    def _waits_for(self, error: SchemaChangePendingError) -> None:
        self.waiting = f"{error.detail} {error.hint}"

    async def hand_over(
        self, state: StreamState, commit_time: datetime | None
    ) -> tuple[StreamState, ChangeWindow]:
        """Go over to the newer instance. Returns its first window, intended, too."""
        state, window = handed_over(state, commit_time)
        await self._context.streams.open(state)
        await self._context.destination.open_stream(state.stream)
        self._followed = ""  # there may have been more DDL since
        return state, window

    async def _taken(self, state: StreamState, tracked: TrackedTable) -> StreamState:
        before = state.stream.tracked
        if tracked == before:
            return state
        newer = tracked.successor and tracked.successor.tracked.instance
        log.info("ddl_followed", table=str(tracked.table), successor=newer)
        state = replace(state, stream=replace(state.stream, tracked=tracked))
        await self._context.streams.open(state)
        if tracked.schema != before.schema:
            await self._context.destination.open_stream(state.stream)
        return state

    async def _tidied(self, state: StreamState) -> StreamState:
        """Drop the predecessor once its successor's first window is durable.

        One more column may need the room, so what fails for the moment is tried again.
        """
        tracked = state.stream.tracked
        tried = self._dropped_with == tracked and not self._untidy
        if tracked.predecessor is None or state.intent is not None or tried:
            return state
        self._dropped_with, self._drop_again_at = tracked, None
        context = self._context
        tidied, again = await without_predecessor(context.source, context.streams, state)
        if again:
            self._drop_again_at = current_time() + _DROP_AGAIN_S
        if tidied is not state:
            self._followed = ""  # there is room for a newer instance again
        return tidied
