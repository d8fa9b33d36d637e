"""Keeps one table's stream with its source's DDL: notices it, follows it, tidies up behind it."""

from datetime import datetime

import structlog
from msgspec.structs import replace

from dtaas.engine.ddl import handed_over, selected, without_predecessor
from dtaas.engine.stream_context import StreamContext
from dtaas.model.change_ports import FollowsDdl
from dtaas.model.changes import ChangeWindow, StreamState, TrackedTable
from dtaas.model.errors import CaptureNotEnabledError

log = structlog.get_logger()


class DdlFollower:
    """Follows the DDL of one table.

    Attributes:
        structure: the source's latest mark of the table; see `SourceState`.
        uncaptured: which columns are not captured and what a DBA would run, '' when all are.
    """

    def __init__(self, context: StreamContext) -> None:
        self.structure = ""
        self.uncaptured = ""
        self._context = context
        self._followed = ""
        self._dropped_with: TrackedTable | None = None

    @property
    def altered(self) -> bool:
        """Return whether there is DDL that was not looked at yet."""
        return self.structure != self._followed

    async def settled(self, state: StreamState) -> StreamState:
        """Drop the instance that was left, where that is due, and follow new DDL."""
        state = await self._tidied(state)
        return await self.follow(state) if self.altered else state

    async def follow(self, state: StreamState) -> StreamState:
        """Take DDL in: other types at once, other columns by a newer instance."""
        context, stream, structure = self._context, state.stream, self.structure
        self.uncaptured = ""
        if isinstance(context.source, FollowsDdl) and stream.tracked.successor is None:
            enable = context.spec.options.enable_capture
            try:
                tracked = await context.source.follow_ddl(stream.tracked, enable=enable)
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
        """Drop the predecessor once its successor's first window is durable; try once, not on."""
        tracked = state.stream.tracked
        if tracked.predecessor is None or state.intent is not None or self._dropped_with == tracked:
            return state
        self._dropped_with = tracked
        context = self._context
        tidied = await without_predecessor(context.source, context.streams, state)
        if tidied is not state:
            self._followed = ""  # there is room for a newer instance again
        return tidied
