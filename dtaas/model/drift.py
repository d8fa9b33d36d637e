"""Schema drift: how a table differs from before, and what a task does about it. Pure."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NewType

from msgspec import Struct

from dtaas.model.ids import ExecutionId, TaskId
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.types import Binary, ColumnType, Decimal, Float, Integer, String

SchemaChangeId = NewType("SchemaChangeId", int)


class DriftPolicy(StrEnum):
    """What a task does when the columns of a source table change.

    Attributes:
        EVOLVE: everything the destination can do; what it cannot stops the table.
        ADD_COLUMNS_ONLY: new columns arrive; values that may not fit their column any more stop
            the table: left as it is, it could only hold them cut or rounded.
        IGNORE: new columns are not copied; values that may not fit stop the table likewise.
        PAUSE: the task pauses until somebody decides.
        FAIL: the table stops.
    """

    EVOLVE = "evolve"
    ADD_COLUMNS_ONLY = "add_columns_only"
    IGNORE = "ignore"
    PAUSE = "pause"
    FAIL = "fail"


class SchemaChangeKind(StrEnum):
    """How a table differs from before.

    A column that went and one of the same type in its place that came count as a rename.
    """

    COLUMN_ADDED = "column_added"
    COLUMN_DROPPED = "column_dropped"
    COLUMN_RENAMED = "column_renamed"
    TYPE_CHANGED = "type_changed"
    NULLABILITY_CHANGED = "nullability_changed"
    KEY_CHANGED = "key_changed"
    TABLE_DROPPED = "table_dropped"


class DetectedBy(StrEnum):
    """What noticed a change: the start of a run, the source's own record of DDL, or a look."""

    START = "start"
    DDL_HISTORY = "ddl_history"
    POLL = "poll"


class SchemaChangeState(StrEnum):
    """What became of a change.

    Attributes:
        APPLIED: the task goes on with it.
        IGNORED: the task goes on without it.
        PENDING: the table waits until somebody decides.
        REJECTED: somebody refused it; the table stands still.
        FAILED: the policy or the destination refused it; the table stands still.
    """

    APPLIED = "applied"
    IGNORED = "ignored"
    PENDING = "pending"
    REJECTED = "rejected"
    FAILED = "failed"

    @property
    def holds(self) -> bool:
        """Return whether the table stands still because of it."""
        return self in {
            SchemaChangeState.PENDING,
            SchemaChangeState.REJECTED,
            SchemaChangeState.FAILED,
        }


class DriftDecision(StrEnum):
    """What somebody decides about a change; see `SchemaChangeState`."""

    APPROVE = "approve"
    REJECT = "reject"
    IGNORE = "ignore"


class Difference(Struct, frozen=True, kw_only=True):
    """One way in which a table differs from before.

    Attributes:
        column: the column's name now, or before where there is none now; None for the table.
        key: the columns of the key, before and now, where it changed.
    """

    kind: SchemaChangeKind
    column: str | None = None
    before: Column | None = None
    after: Column | None = None
    key: tuple[tuple[str, ...], tuple[str, ...]] | None = None


class SchemaChange(Struct, frozen=True, kw_only=True):
    """A difference as it was recorded, and what became of it.

    Attributes:
        position: of the source, in hex, by which it had happened; None where there is none.
        ddl: what was executed at the destination or, while it waits, would be; in its words.
        affected_rows: rows written again because of it; None while not known.
        backfill: whether the rows that are there get the values of the new column.
        possible: whether the destination can follow it.
        closed: the table was loaded anew since, as it was then.
        note: why it is as it is, in words.
    """

    id: SchemaChangeId = SchemaChangeId(0)
    task_id: TaskId
    execution_id: ExecutionId | None = None
    table: TableRef
    detected_at: datetime
    detected_by: DetectedBy
    position: str | None = None
    kind: SchemaChangeKind
    column: str | None = None
    before: Column | None = None
    after: Column | None = None
    ddl: tuple[str, ...] = ()
    affected_rows: int | None = None
    policy: DriftPolicy
    state: SchemaChangeState
    backfill: bool = False
    possible: bool = True
    closed: bool = False
    decided_by: str | None = None
    decided_at: datetime | None = None
    note: str = ""


class SchemaVersion(Struct, frozen=True, kw_only=True):
    """What a table looked like from some time on.

    Attributes:
        version: counts from 1 in each table of a task.
        position: of the source, in hex, when it was recorded.
    """

    table: TableRef
    version: int
    recorded_at: datetime
    position: str | None
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    @property
    def schema(self) -> TableSchema:
        """Return it as a schema."""
        return TableSchema(table=self.table, columns=self.columns, key=self.key)


class ColumnChange(Struct, frozen=True, kw_only=True):
    """A column that two versions have differently."""

    column: str
    before: Column
    after: Column


class SchemaDiff(Struct, frozen=True, kw_only=True):
    """How a later version differs from an earlier one."""

    added: tuple[Column, ...]
    dropped: tuple[Column, ...]
    changed: tuple[ColumnChange, ...]


def schema_diff(before: Sequence[Column], after: Sequence[Column]) -> SchemaDiff:
    """Return how columns differ, by name."""
    old, new = {c.name: c for c in before}, {c.name: c for c in after}
    return SchemaDiff(
        added=tuple(c for c in after if c.name not in old),
        dropped=tuple(c for c in before if c.name not in new),
        changed=tuple(
            ColumnChange(column=name, before=old[name], after=c)
            for name, c in new.items()
            if name in old and old[name] != c
        ),
    )


def differences(before: TableSchema, after: TableSchema) -> list[Difference]:
    """Return how a table differs from before; nothing for columns in another order."""
    diff = schema_diff(before.columns, after.columns)
    renames = _renames(before, after, diff)
    kinds = SchemaChangeKind
    found = [
        Difference(kind=kinds.COLUMN_RENAMED, column=new.name, before=old, after=new)
        for old, new in renames
    ]
    gone, came = {old.name for old, _ in renames}, {new.name for _, new in renames}
    found += [
        Difference(kind=kinds.COLUMN_ADDED, column=c.name, after=c)
        for c in diff.added
        if c.name not in came
    ]
    found += [
        Difference(kind=kinds.COLUMN_DROPPED, column=c.name, before=c)
        for c in diff.dropped
        if c.name not in gone
    ]
    for one in diff.changed:
        same = one.before.type == one.after.type
        if not same or one.before.native_type != one.after.native_type:
            kind = kinds.TYPE_CHANGED
        else:
            kind = kinds.NULLABILITY_CHANGED
        found.append(Difference(kind=kind, column=one.column, before=one.before, after=one.after))
    if before.key != after.key:
        found.append(Difference(kind=kinds.KEY_CHANGED, key=(before.key, after.key)))
    return found


def _renames(
    before: TableSchema, after: TableSchema, diff: SchemaDiff
) -> list[tuple[Column, Column]]:
    """Return the columns that went and those that stand in their places, alike but for the name."""
    gone = {i: c for i, c in enumerate(before.columns) if c in diff.dropped}
    if len(before.columns) != len(after.columns):
        return []
    pairs = [(c, after.columns[i]) for i, c in gone.items() if after.columns[i] in diff.added]
    return [
        (old, new)
        for old, new in pairs
        if (old.type, old.native_type, old.nullable) == (new.type, new.native_type, new.nullable)
    ]


_REFUSALS = {
    SchemaChangeKind.TYPE_CHANGED: (
        "Its values may not fit the column at the destination, which the policy leaves as it is:"
        " they could only arrive cut or rounded."
    ),
    SchemaChangeKind.KEY_CHANGED: "Rows would be told apart by other columns than before.",
    SchemaChangeKind.TABLE_DROPPED: "There is nothing to read; what arrived stays.",
}
IGNORABLE = frozenset(
    {
        SchemaChangeKind.COLUMN_ADDED,
        SchemaChangeKind.COLUMN_DROPPED,
        SchemaChangeKind.COLUMN_RENAMED,
        SchemaChangeKind.NULLABILITY_CHANGED,
    }
)
"""Changes that a task can go on without."""
_NEVER_APPLIED = frozenset({SchemaChangeKind.TABLE_DROPPED})
_HARMLESS = frozenset({SchemaChangeKind.COLUMN_DROPPED, SchemaChangeKind.NULLABILITY_CHANGED})
"""Nothing is done at the destination: a column that went stays there and is NULL from then on."""
COLUMN_COMES = frozenset({SchemaChangeKind.COLUMN_ADDED, SchemaChangeKind.COLUMN_RENAMED})
"""Changes that bring a column."""


def values_fit(change: Difference | SchemaChange) -> bool:
    """Return whether a column of another type still fits the one at the destination as it is.

    Its declaration alone changed, or it became narrower.
    """
    before, after = change.before, change.after
    return (
        change.kind is SchemaChangeKind.TYPE_CHANGED
        and before is not None
        and after is not None
        and _holds(before.type, after.type)
    )


def _holds(wide: ColumnType, narrow: ColumnType) -> bool:
    """Return whether every value of a type is one of another, in the same form."""
    match wide, narrow:
        case (Integer(bits=most), Integer(bits=size)) | (Float(bits=most), Float(bits=size)):
            return size <= most
        case Decimal(), Decimal():
            return narrow.scale == wide.scale and narrow.precision <= wide.precision
        case (String(max_chars=most), String(max_chars=size)) | (
            Binary(max_bytes=most),
            Binary(max_bytes=size),
        ):
            return most is None or (size is not None and size <= most)
        case _:
            return wide == narrow


def decided(
    policy: DriftPolicy, difference: Difference, *, approval: bool, impossible: str = ""
) -> tuple[SchemaChangeState, str]:
    """Return what becomes of a difference by a task's policy, and why.

    Args:
        approval: what would be done at the destination waits for somebody.
        impossible: why the destination cannot follow it, '' when it can.
    """
    kind, states = difference.kind, SchemaChangeState
    if kind in _NEVER_APPLIED:
        return states.FAILED, _REFUSALS[kind]
    if policy is DriftPolicy.PAUSE:
        return states.PENDING, "The task pauses until somebody decides."
    if policy is DriftPolicy.FAIL:
        return states.FAILED, "The task's policy is to stop."
    if values_fit(difference) and not impossible:
        return states.APPLIED, "Its values fit the column as it is."
    if kind in _HARMLESS:
        return (states.APPLIED if policy is DriftPolicy.EVOLVE else states.IGNORED), _kept(kind)
    if policy is DriftPolicy.IGNORE and kind in COLUMN_COMES:
        return states.IGNORED, "Its values are not copied."
    if policy is not DriftPolicy.EVOLVE and kind not in COLUMN_COMES:
        return states.FAILED, _REFUSALS[kind]
    if impossible:
        return states.FAILED, impossible
    if approval:
        return states.PENDING, "It waits for approval."
    return states.APPLIED, ""


def _kept(kind: SchemaChangeKind) -> str:
    if kind is SchemaChangeKind.COLUMN_DROPPED:
        return "The destination keeps the column; it is NULL from now on."
    return "Nothing changes at the destination."


def waits(held: Sequence[SchemaChange]) -> bool:
    """Return whether a task stays paused because of one of these."""
    return any(c.state is SchemaChangeState.PENDING and c.policy is DriftPolicy.PAUSE for c in held)
