"""Comparing what the metadata store says of a target with what the target itself holds.

After the metadata was restored from a backup both may be right: the target has moved on since, or
was itself set back. A person chooses; until then the task waits.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final, Protocol, runtime_checkable

from msgspec import Struct

from dtaas.model.changes import StreamState, TableStream, TrackingMethod
from dtaas.model.errors import FatalError
from dtaas.model.ids import LoadId, TaskId
from dtaas.model.load import Owner, TargetTable
from dtaas.model.schema import TableRef


class PositionsDifferError(FatalError):
    """Store and target disagree on what has arrived: a person must choose which of them counts."""

    code: ClassVar[str] = "positions_differ"


class Held(Struct, frozen=True, kw_only=True):
    """What a target's own records say.

    Attributes:
        load: the full load that readers see, None when there is none of ours.
        generation: of the stream of changes on top of it, None when nothing streamed yet.
        position: where that stream stands, 20 hex digits.
    """

    load: LoadId | None = None
    generation: LoadId | None = None
    position: str | None = None


class Comparison(StrEnum):
    """How a target stands to what the store knows of it.

    Attributes:
        SAME: they agree.
        TARGET_AHEAD: the target holds changes that the store does not know of.
        STORE_AHEAD: the target lacks changes that the store has as delivered.
        OTHER_LOAD: the target holds a load that the store does not know of.
        TARGET_EMPTY: the target holds nothing of what the store has as delivered.
    """

    SAME = "same"
    TARGET_AHEAD = "target_ahead"
    STORE_AHEAD = "store_ahead"
    OTHER_LOAD = "other_load"
    TARGET_EMPTY = "target_empty"


class PositionChoice(StrEnum):
    """Which of both counts.

    Attributes:
        TARGET: go on from where the target stands.
        STORE: go on from where the store stands: what the target has beyond is read and written
            again, what it lacks is given up. A full load goes on where the store left it.
        RELOAD: load the table anew.
    """

    TARGET = "target"
    STORE = "store"
    RELOAD = "reload"


class TablePositions(Struct, frozen=True, kw_only=True):
    """One table of a comparison.

    Attributes:
        store, target: what each says of load, generation and position.
        choices: those that can work here; none where both agree.
        choice: which one was made.
    """

    table: TableRef
    comparison: Comparison
    store: Held
    target: Held
    choices: tuple[PositionChoice, ...] = ()
    choice: PositionChoice | None = None


class ReviewState(StrEnum):
    """State of a comparison.

    Attributes:
        PENDING: ordered; the next start compares first.
        DIFFERENT: the task waits for a choice.
        DECIDED: the next start does what was chosen.
        SETTLED: both agree, or what was chosen is done.
    """

    PENDING = "pending"
    DIFFERENT = "different"
    DECIDED = "decided"
    SETTLED = "settled"


class PositionReview(Struct, frozen=True, kw_only=True):
    """The comparison of one task.

    Attributes:
        reason: `restored` when a backup was restored, else `asked`.
        compared_at: None before the first comparison.
    """

    task_id: TaskId
    state: ReviewState
    reason: str
    ordered_at: datetime
    compared_at: datetime | None = None
    decided_at: datetime | None = None
    tables: tuple[TablePositions, ...] = ()

    @property
    def undecided(self) -> tuple[TablePositions, ...]:
        """Return the tables that still need a choice."""
        return tuple(t for t in self.tables if t.choices and t.choice is None)


class PositionReviews(Protocol):
    """Keeps one comparison a task."""

    async def review(self, task_id: TaskId) -> PositionReview | None:
        """Return the task's comparison, None when there never was one."""
        ...

    async def save(self, review: PositionReview) -> None:
        """Store it in place of an older one. Durable on return.

        Raises:
            NotFoundError: no such task.
        """
        ...


class NoReviews:
    """Nothing is ever to be compared."""

    async def review(self, task_id: TaskId) -> PositionReview | None:
        """Return None."""

    async def save(self, review: PositionReview) -> None:
        """Keep nothing."""


NO_REVIEWS: Final = NoReviews()


@runtime_checkable
class HoldsPositions(Protocol):
    """The part of a destination whose targets keep positions of their own."""

    async def held(self, target: TargetTable, owner: Owner) -> Held:
        """Return what the target's records say, nothing while another task writes there.

        Changes nothing that readers see and takes nothing over.
        """
        ...

    async def place(self, stream: TableStream, position: bytes) -> None:
        """Make the target's records say that the stream stands at `position`. Idempotent.

        Changes beyond it that are kept as files do not count any more; rows they were merged into
        stay as they are until the changes come again.

        Raises:
            DestinationConflictError: the target holds another generation, or somebody else writes.
        """
        ...


def compare(
    table: TableRef, state: StreamState | None, load: LoadId | None, held: Held
) -> TablePositions:
    """Return how a target stands to what the store knows. Pure.

    Args:
        state: the stream the store knows, None for a table that does not stream.
        load: the last load the store knows as published.
    """
    if state is None:
        return _compare_loads(table, load, held)
    stream = state.stream
    known = Held(load=load, generation=stream.generation, position=state.applied.hex())
    if load == stream.generation and held.load not in {None, load}:
        return _made(table, Comparison.OTHER_LOAD, known, held, _marked(state))
    there = held.position if held.generation == stream.generation else None
    if there is None and held.load == stream.generation:
        there = stream.base.hex()  # loaded, and nothing streamed yet
    if there is not None:
        return _compare_positions(table, state, known, held, there)
    if held == Held():
        empty = state.applied == stream.base and load is None
        return _made(table, Comparison.SAME if empty else Comparison.TARGET_EMPTY, known, held)
    return _made(table, Comparison.OTHER_LOAD, known, held, _marked(state))


def _compare_positions(
    table: TableRef, state: StreamState, known: Held, held: Held, there: str
) -> TablePositions:
    under_way = state.intent is not None and state.intent.to.hex() == there
    mine = state.applied.hex()
    if there == mine or under_way:
        return _made(table, Comparison.SAME, known, held)
    ahead = there > mine
    return _made(table, Comparison.TARGET_AHEAD if ahead else Comparison.STORE_AHEAD, known, held)


def _compare_loads(table: TableRef, load: LoadId | None, held: Held) -> TablePositions:
    known = Held(load=load)
    if held.generation is None and held.load == load:
        return _made(table, Comparison.SAME, known, held)
    if held == Held():
        return _made(table, Comparison.TARGET_EMPTY, known, held)
    return _made(table, Comparison.OTHER_LOAD, known, held)


def _marked(state: StreamState) -> bool:
    """Return whether the stream stands and falls with its load: a watermark's does."""
    return state.stream.tracked.method is TrackingMethod.WATERMARK


def _made(
    table: TableRef, comparison: Comparison, store: Held, target: Held, bound: bool = False
) -> TablePositions:
    choices: tuple[PositionChoice, ...] = (PositionChoice.RELOAD,)
    if comparison is Comparison.SAME:
        choices = ()
    elif comparison in {Comparison.TARGET_AHEAD, Comparison.STORE_AHEAD}:
        choices = (PositionChoice.TARGET, PositionChoice.STORE, PositionChoice.RELOAD)
    elif comparison is Comparison.OTHER_LOAD and store.generation is None:
        choices = (PositionChoice.STORE, PositionChoice.RELOAD)
    elif comparison is Comparison.OTHER_LOAD and target.position is not None and not bound:
        choices = (PositionChoice.TARGET, PositionChoice.RELOAD)
    return TablePositions(
        table=table, comparison=comparison, store=store, target=target, choices=choices
    )


def summary(tables: Sequence[TablePositions]) -> str:
    """Return in one sentence what differs, for people."""
    different = [t for t in tables if t.choices]
    words = {
        Comparison.TARGET_AHEAD: "the target is ahead",
        Comparison.STORE_AHEAD: "the target is behind",
        Comparison.OTHER_LOAD: "the target holds another load",
        Comparison.TARGET_EMPTY: "the target is empty",
    }
    first = different[0]
    more = f" and {len(different) - 1} more" if len(different) > 1 else ""
    return (
        f"Metadata and target differ for {first.table}{more}: {words[first.comparison]}"
        f" (store {_words(first.store)}, target {_words(first.target)})."
    )


def _words(held: Held) -> str:
    return held.position or (f"load {held.load}" if held.load else "nothing")
