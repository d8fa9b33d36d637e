"""How fast a task was before, and how much of what it read became files. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from dtaas.model.execution import Execution, TableProgress


class Experience(Struct, frozen=True, kw_only=True):
    """Rates of earlier executions.

    Attributes:
        rows_s: of each that moved rows.
        overhead_s: least time an execution took.
        shrinkage: bytes written for each byte read, None when not known.
    """

    rows_s: tuple[float, ...] = ()
    overhead_s: float = 0.0
    shrinkage: float | None = None

    def seconds(self, rows: int) -> tuple[float, float] | None:
        """Return the shortest and longest time so many rows took before; None without a rate."""
        if not self.rows_s:
            return None
        return rows / max(self.rows_s), max(rows / min(self.rows_s), self.overhead_s)


def experience(ended: Sequence[Execution], tables: Sequence[TableProgress]) -> Experience:
    """Return what completed executions, and the tables of the last of them, teach."""
    lasted = [e for e in ended if e.duration_seconds and e.processed_rows]
    read = sum(table.bytes for table in tables)
    written = sum(table.written_bytes for table in tables)
    return Experience(
        rows_s=tuple(e.processed_rows / (e.duration_seconds or 1.0) for e in lasted),
        overhead_s=min((e.duration_seconds or 0.0 for e in ended), default=0.0),
        shrinkage=written / read if read and written else None,
    )
