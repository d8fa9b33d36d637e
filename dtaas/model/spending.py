"""What a table costs at a destination that bills its work."""

from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

from msgspec import Struct

from dtaas.model.ids import ExecutionId
from dtaas.model.schema import TableRef


class Spending(Struct, frozen=True, kw_only=True):
    """What was spent on one table by this life of its task.

    Attributes:
        queries: statements that were run.
        billed_s: seconds a warehouse was awake because of them, as the product bills them.
        credits: what that comes to; None while the warehouse's size is not known.
        appended_windows: windows of new rows that were added to the table, which costs least.
        merged_windows: windows that were merged into it by key.
    """

    queries: int = 0
    billed_s: float = 0.0
    credits: float | None = None
    appended_windows: int = 0
    merged_windows: int = 0

    def plus(self, other: "Spending") -> "Spending":
        """Return the sum. What has no price adds none."""
        prices = [one for one in (self.credits, other.credits) if one is not None]
        return Spending(
            queries=self.queries + other.queries,
            billed_s=self.billed_s + other.billed_s,
            credits=sum(prices) if prices else None,
            appended_windows=self.appended_windows + other.appended_windows,
            merged_windows=self.merged_windows + other.merged_windows,
        )


NOTHING: Final = Spending()
SpentOn = Callable[[TableRef], Spending]


@runtime_checkable
class MetersSpending(Protocol):
    """The part of a destination that knows what it costs."""

    def spent(self, table: TableRef) -> Spending:
        """Return what was spent on a table of the source so far. Pure and cheap."""
        ...


@runtime_checkable
class NamesWork(Protocol):
    """The part of a destination whose statements say what they are for."""

    def works_for(self, execution: ExecutionId) -> None:
        """Name an execution in all statements from now on."""
        ...


def nothing_spent(_: TableRef) -> Spending:
    """Return nothing: the destination bills no work."""
    return NOTHING


def spent_at(destination: object) -> SpentOn:
    """Return what asks a destination for its cost."""
    return destination.spent if isinstance(destination, MetersSpending) else nothing_spent
