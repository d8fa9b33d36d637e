"""Comparing positions with those at the targets, and choosing which count where they differ."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from anyio import Lock, fail_after, move_on_after
from msgspec.structs import replace

from dtaas.concurrency.bus import EventBus
from dtaas.engine.positions import Positions
from dtaas.model.change_ports import StreamStore
from dtaas.model.errors import (
    ActionNotAllowedError,
    NotFoundError,
    TaskRunningError,
    TimedOutError,
    ValidationFailedError,
)
from dtaas.model.events import TaskChanged
from dtaas.model.ids import TaskId
from dtaas.model.load import Owner
from dtaas.model.ports import ConnectorRegistry
from dtaas.model.positions import (
    PositionChoice,
    PositionReview,
    PositionReviews,
    PositionsDifferError,
    ReviewState,
)
from dtaas.model.schema import TableRef
from dtaas.model.store_ports import ExecutionStore, LoadLedger
from dtaas.model.task import ACTIVE_STATUSES, Task

_COMPARE_LIMIT_S: Final = 60.0
_CLOSE_LIMIT_S: Final = 10.0


class PositionsUndecidedError(ActionNotAllowedError):
    """A person must choose first whether target or store counts."""

    code = PositionsDifferError.code


async def refuse_undecided(task: Task, reviews: PositionReviews) -> None:
    """Refuse to start a task whose positions differ and wait for a choice.

    Raises:
        PositionsUndecidedError: they do.
    """
    review = await reviews.review(task.id)
    if review is not None and review.state is ReviewState.DIFFERENT:
        raise PositionsUndecidedError(
            f"Metadata and target of task {task.spec.name!r} differ, and nobody has chosen yet"
            " which of them counts.",
            hint=f"POST /api/tasks/{task.id}/positions/decide, or dtaas positions {task.id}.",
        )


class PositionService:
    """Compares and decides while a task rests; its next start does what was chosen."""

    def __init__(
        self,
        *,
        states: ExecutionStore,
        ledger: LoadLedger,
        streams: StreamStore,
        reviews: PositionReviews,
        registry: ConnectorRegistry,
        bus: EventBus,
        now: Callable[[], datetime],
        changing: Lock,
    ) -> None:
        self._states = states
        self._ledger = ledger
        self._streams = streams
        self._reviews = reviews
        self._registry = registry
        self._bus = bus
        self._now = now
        self._changing = changing

    async def get(self, task_id: TaskId) -> PositionReview:
        """Return the task's latest comparison.

        Raises:
            NotFoundError: no such task, or its positions were never compared.
        """
        await self._states.task(task_id)
        review = await self._reviews.review(task_id)
        if review is None:
            raise NotFoundError(
                f"The positions of task {task_id} were never compared.",
                hint=f"POST /api/tasks/{task_id}/positions/compare does it now.",
            )
        return review

    async def compare(self, task_id: TaskId) -> PositionReview:
        """Compare now what the store knows with what the targets hold.

        Raises:
            NotFoundError: no such task.
            TaskRunningError: the task works: positions move.
            DtaasError: the destination cannot be asked.
        """
        async with self._changing:
            task = await self._resting(task_id)
            order = PositionReview(
                task_id=task_id,
                state=ReviewState.PENDING,
                reason="asked",
                ordered_at=self._now(),
            )
            before = await self._reviews.review(task_id)
            if before is not None and before.state is not ReviewState.SETTLED:
                order = replace(order, reason=before.reason, ordered_at=before.ordered_at)
            try:
                with fail_after(_COMPARE_LIMIT_S):
                    return await self._compare(task, order)
            except TimeoutError as exc:
                raise TimedOutError(
                    f"The destination did not tell its positions within {_COMPARE_LIMIT_S:g} s."
                ) from exc

    async def decide(
        self, task_id: TaskId, choice: PositionChoice, tables: Sequence[TableRef] = ()
    ) -> PositionReview:
        """Choose what counts for some tables, all that differ when empty.

        Raises:
            NotFoundError: no such task.
            TaskRunningError: the task works.
            ActionNotAllowedError: nothing waits for a choice.
            ValidationFailedError: a table is not among those that differ, or the choice cannot
                work for it.
        """
        async with self._changing:
            task = await self._resting(task_id)
            review = await self._reviews.review(task_id)
            if review is None or review.state not in {ReviewState.DIFFERENT, ReviewState.DECIDED}:
                raise ActionNotAllowedError(
                    f"Nothing of task {task.spec.name!r} waits for a choice.",
                    hint="Only where store and target differ there is something to choose.",
                )
            found = self._decided(review, choice, tables)
            await self._reviews.save(found)
            if found.state is ReviewState.DECIDED and task.last_error_code == (
                PositionsDifferError.code
            ):
                shown = await self._states.set_status(task_id, task.status)
                self._bus.publish(TaskChanged(at=self._now(), task=shown))
            return found

    def _decided(
        self, review: PositionReview, choice: PositionChoice, tables: Sequence[TableRef]
    ) -> PositionReview:
        different = {t.table: t for t in review.tables if t.choices}
        for index, table in enumerate(tables):
            if table not in different:
                raise ValidationFailedError(
                    f"Store and target do not differ for {table}.",
                    hint=f"They do for: {', '.join(map(str, different))}.",
                    field=f"$.tables[{index}]",
                )
        chosen = frozenset(tables or different)
        for one in (different[t] for t in different if t in chosen):
            if choice not in one.choices:
                raise ValidationFailedError(
                    f"{choice.value!r} cannot work for {one.table}: {one.comparison}.",
                    hint=f"Possible there: {', '.join(one.choices)}. Name tables to choose"
                    " differently for each.",
                    field="$.choice",
                )
        decided = replace(
            review,
            tables=tuple(
                replace(t, choice=choice) if t.choices and t.table in chosen else t
                for t in review.tables
            ),
        )
        if decided.undecided:
            return replace(decided, state=ReviewState.DIFFERENT)
        return replace(decided, state=ReviewState.DECIDED, decided_at=self._now())

    async def _resting(self, task_id: TaskId) -> Task:
        task = await self._states.task(task_id)
        if task.status in ACTIVE_STATUSES:
            raise TaskRunningError(
                f"Task {task.spec.name!r} is {task.status}: its positions move.",
                hint="Pause or stop it first.",
            )
        return task

    async def _compare(self, task: Task, order: PositionReview) -> PositionReview:
        source = await self._states.connector(task.spec.source_connector_id)
        connector = await self._states.connector(task.spec.destination_connector_id)
        destination = self._registry.destination(
            await self._registry.resolved(connector),
            task_name=task.spec.name,
            database=getattr(source.config, "database", ""),
        )
        try:
            positions = Positions(
                task=task,
                owner=Owner(
                    installation=await self._states.installation(),
                    task_id=task.id,
                    task_name=task.spec.name,
                ),
                destination=destination,
                ledger=self._ledger,
                streams=self._streams,
                reviews=self._reviews,
                now=self._now,
            )
            return await positions.compare(order)
        finally:
            with move_on_after(_CLOSE_LIMIT_S, shield=True):
                await destination.aclose()
