"""Live figures of tables that move continuously, for metrics and alerts.

Whoever knows a figure sets it here; nobody asks for it. The metrics page exports every figure as
`dtaas_<name>` with the labels task and table, and alert rules on lag, retention margin and backlog
look here.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from msgspec import Struct

from dtaas.model.ids import TaskId


class Figure(StrEnum):
    """What can be known of a table, with the unit in its name."""

    LAG_S = "replication_lag_seconds"
    """Age of the oldest change that is not at the destination yet."""
    RETENTION_MARGIN_S = "retention_margin_seconds"
    """How long the source still keeps the next change that is needed."""
    BACKLOG_ROWS = "backlog_rows"
    """Changes known at the source that are not at the destination yet."""


class Reading(Struct, frozen=True):
    """One figure of one table now."""

    figure: Figure
    task_id: TaskId
    table: str
    value: float


class Figures:
    """The present value of every figure."""

    def __init__(self) -> None:
        self._values: dict[tuple[Figure, TaskId, str], float] = {}

    def set(self, figure: Figure, value: float, *, task_id: TaskId, table: str) -> None:
        """Say what a figure is now. Cheap: a dictionary is written."""
        self._values[figure, task_id, table] = value

    def forget(self, task_id: TaskId, table: str | None = None) -> None:
        """Say that nothing is known any more of a task, or of one of its tables."""
        for key in list(self._values):
            if key[1] == task_id and table in {None, key[2]}:
                del self._values[key]

    def readings(self) -> Iterator[Reading]:
        """Yield every figure there is."""
        for (figure, task_id, table), value in list(self._values.items()):
            yield Reading(figure, task_id, table, value)


FIGURES: Final = Figures()
"""The daemon's own; like its log, there is one in a process."""
