"""A database in memory that logs its changes: transactions, positions, instances, retention."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from dtaas.model.changes import (
    COMMAND_ID,
    COMMIT_TIME,
    LSN,
    OP,
    POSITION_BYTES,
    SEQVAL,
    UNCHANGED,
    ChangeOp,
    change_schema,
)
from dtaas.model.schema import TableRef, TableSchema

Row = dict[str, Any]
_identities = itertools.count(1)


def position_of(number: int) -> bytes:
    """Return the position of the transaction with that number."""
    return number.to_bytes(POSITION_BYTES, "big")


@dataclass
class MemoryInstance:
    """What records the changes of one table.

    Attributes:
        start: changes at and after this position are recorded.
        low: lowest position still kept.
    """

    schema: TableSchema
    start: bytes
    low: bytes
    identity: str = field(default_factory=lambda: f"instance {next(_identities)}")


@dataclass(frozen=True)
class Change:
    """One change of one row, inside its transaction."""

    table: TableRef
    op: ChangeOp
    row: Row


@dataclass(frozen=True)
class Commit:
    """A committed transaction."""

    position: bytes
    at: datetime
    changes: tuple[Change, ...]


class Transaction:
    """Collects changes until its commit."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def insert(self, table: TableRef, row: Mapping[str, Any]) -> None:
        """Add a row."""
        self.changes.append(Change(table, ChangeOp.INSERT, dict(row)))

    def update(self, table: TableRef, row: Mapping[str, Any]) -> None:
        """Replace the row with the same key."""
        self.changes.append(Change(table, ChangeOp.UPDATE, dict(row)))

    def delete(self, table: TableRef, row: Mapping[str, Any]) -> None:
        """Remove the row with the same key."""
        self.changes.append(Change(table, ChangeOp.DELETE, dict(row)))


class ChangeLog:
    """The log of one database. `capturing` off is a capture process that stands still.

    Attributes:
        captured: everything up to here is captured.
        identity: the recovery fork; a restore changes it.
        now: the database's clock.
        retention_s: how long changes are kept, for what a poll says of it.
        polls: how many times it was asked what is new.
        replica: whether it is a copy that may lag behind another.
    """

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.instances: dict[TableRef, MemoryInstance] = {}
        self.captured = position_of(1)
        self.capturing = True
        self.identity = "fork 1"
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.retention_s: float | None = None
        self.polls = 0
        self.replica = False
        self._last = 1

    @property
    def committed(self) -> bytes:
        """Return the position of the last commit, captured or not."""
        return position_of(self._last)

    def commit(self, changes: list[Change]) -> bytes:
        """Append a transaction and return its position."""
        self._last += 1
        self.commits.append(Commit(self.committed, self.now(), tuple(changes)))
        self.capture()
        return self.committed

    def idle(self) -> bytes:
        """Move on without a change, as a log does by itself."""
        return self.commit([])

    def capture(self) -> None:
        """Let the capture process read the log to its end, if it runs."""
        if self.capturing:
            self.captured = self.committed

    def enable(self, schema: TableSchema) -> MemoryInstance:
        """Begin to record a table; again after `disable` it is another instance."""
        start = position_of(self._last + 1)
        self.instances[schema.table] = MemoryInstance(schema, start, start)
        self.idle()
        return self.instances[schema.table]

    def disable(self, table: TableRef) -> None:
        """Stop recording a table."""
        self.instances.pop(table, None)

    def clean(self, table: TableRef, low: bytes) -> None:
        """Forget the changes of a table before `low`."""
        self.instances[table].low = low

    def restore(self, position: bytes, *, fork: bool = True) -> None:
        """Go back to `position`; without `fork` as a fail-over that lost the log's tail does."""
        self.commits = [c for c in self.commits if c.position <= position]
        self._last = int.from_bytes(position)
        self.captured = position
        if fork:
            self.identity = f"fork after {position.hex()} {next(_identities)}"

    def of(self, table: TableRef, after: bytes, to: bytes) -> Iterator[tuple[Commit, list[Change]]]:
        """Return the transactions with `after < position <= to` that changed a table."""
        for commit in self.commits:
            if after < commit.position <= to:
                changes = [c for c in commit.changes if c.table == table]
                if changes:
                    yield commit, changes

    def rows(self, schema: TableSchema, commit: Commit, changes: list[Change]) -> pa.Table:
        """Return a transaction's changes of a table as change rows."""
        lsn = commit.position.hex()
        rows = [
            {
                OP: change.op.value,
                LSN: lsn,
                COMMAND_ID: number,
                SEQVAL: position_of(number).hex(),
                COMMIT_TIME: commit.at,
                UNCHANGED: None,
            }
            | {c.name: change.row.get(c.name) for c in schema.columns}
            for number, change in enumerate(changes, start=1)
        ]
        return pa.Table.from_pylist(rows, schema=change_schema(schema))


def applied(rows: list[Row], key: tuple[str, ...], changes: list[Change]) -> list[Row]:
    """Return a table's rows as changes leave them."""
    if not key:
        return _applied_whole(rows, changes)
    state = {tuple(row[k] for k in key): row for row in rows}
    for change in changes:
        place = tuple(change.row[k] for k in key)
        if change.op is ChangeOp.DELETE:
            state.pop(place, None)
        else:
            state[place] = state.get(place, {}) | change.row
    return list(state.values())


def _applied_whole(rows: list[Row], changes: list[Change]) -> list[Row]:
    """Insert and delete whole rows of a table without a key."""
    state = list(rows)
    for change in changes:
        if change.op is ChangeOp.DELETE:
            state.remove(change.row)
        else:
            state.append(change.row)
    return state
