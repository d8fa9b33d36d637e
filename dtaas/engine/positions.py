"""Comparing positions before a task goes on, and doing what a person chose where they differ."""

from collections.abc import Callable
from datetime import datetime

import structlog
from msgspec.structs import replace

from dtaas.model.change_ports import ChangeDestination, StreamStore
from dtaas.model.changes import StreamState
from dtaas.model.ids import LoadId
from dtaas.model.load import Owner
from dtaas.model.ports import Destination
from dtaas.model.positions import (
    Comparison,
    HoldsPositions,
    PositionChoice,
    PositionReview,
    PositionReviews,
    PositionsDifferError,
    ReviewState,
    TablePositions,
    compare,
    summary,
)
from dtaas.model.store_ports import LoadLedger
from dtaas.model.task import Task

log = structlog.get_logger()


class Positions:
    """The positions of one task, with its destination opened."""

    def __init__(
        self,
        *,
        task: Task,
        owner: Owner,
        destination: Destination,
        ledger: LoadLedger,
        streams: StreamStore,
        reviews: PositionReviews,
        now: Callable[[], datetime],
    ) -> None:
        self._task = task
        self._owner = owner
        self._destination = destination
        self._ledger = ledger
        self._streams = streams
        self._reviews = reviews
        self._now = now

    async def settle(self) -> None:
        """Compare where that was ordered, and do what was chosen.

        Raises:
            PositionsDifferError: a person must choose first.
        """
        review = await self._reviews.review(self._task.id)
        if review is None or review.state is ReviewState.SETTLED:
            return
        if review.state is ReviewState.DECIDED:
            for table in review.tables:
                await self._do(table)
            await self._reviews.save(replace(review, state=ReviewState.SETTLED))
            log.warning("positions_settled", tables=len(review.tables))
            return
        review = await self.compare(review)
        if review.state is ReviewState.DIFFERENT:
            raise PositionsDifferError(
                summary(review.tables),
                hint=f"See dtaas positions {self._task.id}, then choose which of both counts:"
                f" dtaas positions {self._task.id} --continue-from target|store, or --reload.",
            )
        log.info("positions_agree", tables=len(review.tables))

    async def compare(self, review: PositionReview) -> PositionReview:
        """Compare now, store what was found in `review`, and return it."""
        tables = await self._compared()
        differ = any(t.choices for t in tables)
        found = replace(
            review,
            state=ReviewState.DIFFERENT if differ else ReviewState.SETTLED,
            compared_at=self._now(),
            decided_at=None,
            tables=tuple(tables),
        )
        await self._reviews.save(found)
        return found

    async def _compared(self) -> list[TablePositions]:
        if not isinstance(self._destination, HoldsPositions):
            return []
        states = {s.stream.tracked.table: s for s in await self._streams.streams(self._task.id)}
        found = []
        for table in self._task.spec.source_tables:
            load = await self._ledger.last_committed(self._task.id, table)
            state = states.get(table)
            mapped = self._task.spec.mapped_target(table)
            target = self._destination.target_of(table, mapped)
            held = await self._destination.held(target, self._owner)
            found.append(compare(table, state, None if load is None else load.load_id, held))
        return found

    async def _do(self, table: TablePositions) -> None:
        """Do what was chosen for one table. Idempotent: a crash does it again."""
        if table.choice is None:
            return
        state = await self._streams.stream(self._task.id, table.table)
        log.warning(
            "position_chosen",
            table=str(table.table),
            comparison=table.comparison,
            choice=table.choice,
            store=table.store.position,
            target=table.target.position,
        )
        if table.choice is PositionChoice.RELOAD:
            await self._forget(table)
        elif state is not None and table.choice is PositionChoice.TARGET:
            await self._adopt(table, state)
        elif state is not None:
            await self._insist(state)

    async def _forget(self, table: TablePositions) -> None:
        await self._streams.forget(self._task.id, table.table)
        load = await self._ledger.open_load(self._task.id, table.table)
        if load is not None:
            await self._destination.abandon(load)
            await self._ledger.mark_abandoned(load.load_id)

    async def _adopt(self, table: TablePositions, state: StreamState) -> None:
        """Let the stream stand where the target does; within one load it does so anyway."""
        target = table.target
        if table.comparison is not Comparison.OTHER_LOAD or target.position is None:
            return
        position = bytes.fromhex(target.position)
        generation = LoadId(target.generation or "")
        stream = replace(state.stream, generation=generation, base=position)
        await self._streams.open(
            replace(state, stream=stream, position=position, applied=position, intent=None)
        )

    async def _insist(self, state: StreamState) -> None:
        """Let the target stand where the store does."""
        if isinstance(self._destination, HoldsPositions) and isinstance(
            self._destination, ChangeDestination
        ):
            stream = replace(state.stream, owner=self._owner)
            await self._destination.place(stream, state.applied)
