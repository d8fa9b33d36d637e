"""Comparisons of positions, one a task: the port `PositionReviews`."""

from collections.abc import Callable
from datetime import datetime

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from dtaas.model.ids import TaskId
from dtaas.model.positions import PositionReview, PositionReviews, ReviewState, TablePositions
from dtaas.store.database import Database
from dtaas.store.tables import position_reviews
from dtaas.store.tasks import find_task
from dtaas.store.upsert import upsert


class _Review(Struct, frozen=True):
    """What is stored as JSON; empty where `dtaas restore` ordered the comparison."""

    reason: str = "restored"
    ordered_at: datetime | None = None
    compared_at: datetime | None = None
    decided_at: datetime | None = None
    tables: tuple[TablePositions, ...] = ()


class Reviews:
    """Stores one row a task."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def review(self, task_id: TaskId) -> PositionReview | None:
        """Return the task's comparison, None when there never was one."""
        query = select(position_reviews).where(position_reviews.c.task_id == task_id)
        row = await self._database.read(lambda c: c.execute(query).one_or_none())
        if row is None:
            return None
        stored = msgspec.json.decode(row.review, type=_Review)
        return PositionReview(
            task_id=task_id,
            state=ReviewState(row.state),
            reason=stored.reason,
            ordered_at=stored.ordered_at or self._now(),
            compared_at=stored.compared_at,
            decided_at=stored.decided_at,
            tables=stored.tables,
        )

    async def save(self, review: PositionReview) -> None:
        """Store it in place of an older one. Durable on return."""
        stored = _Review(
            reason=review.reason,
            ordered_at=review.ordered_at,
            compared_at=review.compared_at,
            decided_at=review.decided_at,
            tables=review.tables,
        )

        def work(connection: Connection) -> None:
            find_task(connection, review.task_id)
            connection.execute(
                upsert(connection, position_reviews, ("task_id",)).values(
                    task_id=review.task_id,
                    state=review.state.value,
                    review=msgspec.json.encode(stored).decode(),
                )
            )

        await self._database.write(work)


_: type[PositionReviews] = Reviews
