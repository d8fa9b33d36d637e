"""What a run would do, before it does anything."""

from typing import Protocol, runtime_checkable

from msgspec import Struct

from dtaas.model.load import Owner, TargetTable, WriteOptions
from dtaas.model.schema import TableRef, TableSchema


class Standing(Struct, frozen=True, kw_only=True):
    """What readers of a target see now.

    Attributes:
        columns: name and type, as text, in order.
        required: columns that refuse NULL by themselves, beside those of a key.
        rows: None when the destination does not say without reading them.
        owner: task that writes it, in words; empty when nobody does.
    """

    location: str
    columns: tuple[tuple[str, str], ...] = ()
    required: frozenset[str] = frozenset()
    rows: int | None = None
    bytes: int | None = None
    owner: str = ""


def named_owner(owner: Owner) -> str:
    """Return an owner in words."""
    return f"task {owner.task_name!r} (id {owner.task_id}) of installation {owner.installation}"


@runtime_checkable
class InspectableDestination(Protocol):
    """The part of a destination that says what stands there, reading no rows."""

    async def standing(self, target: TargetTable) -> Standing | None:
        """Return what readers see, None before the first load."""
        ...


class TargetDdl(Struct, frozen=True, kw_only=True):
    """Statements by which a destination would make room for a table.

    Attributes:
        columns: name and type, as text, as a table made now would have them, in order.
        create: what makes the table where none stands.
        replace: what puts a load in the place of what stands.
        evolve: what lets the standing table take the rows; empty when it does already.
        conflict: why it cannot, '' when it can.
    """

    columns: tuple[tuple[str, str], ...]
    create: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    evolve: tuple[str, ...] = ()
    conflict: str = ""


@runtime_checkable
class DdlDestination(InspectableDestination, Protocol):
    """The part of a destination whose tables have types of their own."""

    async def ddl(
        self, target: TargetTable, schema: TableSchema, options: WriteOptions
    ) -> TargetDdl:
        """Return what it would run for a table with columns as they arrive; runs nothing."""
        ...


class PlanStep(Struct, frozen=True, kw_only=True):
    """One thing a run would do.

    Attributes:
        kind: `create`, `replace`, `append`, `columns`, `evolve`, `refused`, `resume`, `stream`,
            `capture`, `take_over`.
        destructive: somebody may miss what it changes.
        ddl: what the destination would run for it, where it has such statements.
    """

    kind: str
    text: str
    destructive: bool = False
    ddl: tuple[str, ...] = ()


class TablePlan(Struct, frozen=True, kw_only=True):
    """What a run would do with one table.

    Attributes:
        rows, bytes: estimates of the source's own statistics, None when not readable.
        chunks: pieces it is read in.
        files: about as many files would be written.
        error: why nothing can be done with it.
    """

    table: TableRef
    target: str
    rows: int | None = None
    bytes: int | None = None
    chunks: int | None = None
    files: int | None = None
    columns: int = 0
    key: tuple[str, ...] = ()
    steps: tuple[PlanStep, ...] = ()
    error_code: str | None = None
    error: str | None = None
    hint: str | None = None


class RunPlan(Struct, frozen=True, kw_only=True):
    """What a run would do.

    Attributes:
        rows, bytes, files: over the tables where they are known.
        seconds_low, seconds_high: by the rates of earlier executions, None without any.
        executions: how many those were.
        new_tables: tables the patterns find now that were not there at the last start.
        gone_tables: tables that were.
        destructive: every destructive step in one sentence.
    """

    task_id: int
    tables: tuple[TablePlan, ...]
    rows: int
    bytes: int
    files: int
    seconds_low: float | None = None
    seconds_high: float | None = None
    executions: int = 0
    new_tables: tuple[TableRef, ...] = ()
    gone_tables: tuple[TableRef, ...] = ()
    destructive: tuple[str, ...] = ()
