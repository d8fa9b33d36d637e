"""Changes of a table: positions, windows of whole transactions, and the form change rows have."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Final

import pyarrow as pa
from msgspec import Struct

from dtaas.model.ids import LoadId, TaskId
from dtaas.model.load import Owner, TargetTable, WriteOptions
from dtaas.model.schema import TableRef, TableSchema
from dtaas.model.types import arrow_type

POSITION_BYTES: Final = 10
"""A position is 10 bytes, big-endian: byte order is log order. Shorter counters are padded left."""
OP: Final = "_op"
LSN: Final = "_lsn"
COMMAND_ID: Final = "_command_id"
SEQVAL: Final = "_seqval"
COMMIT_TIME: Final = "_commit_time"
UNCHANGED: Final = "_unchanged"
ORDER: Final = (LSN, COMMAND_ID, SEQVAL, OP)
"""Sort and dedupe key of change rows. A delete comes before the insert of the same operation."""

CHANGE_FIELDS: Final = (
    pa.field(OP, pa.string(), nullable=False),
    pa.field(LSN, pa.string(), nullable=False),
    pa.field(COMMAND_ID, pa.int32(), nullable=False),
    pa.field(SEQVAL, pa.string(), nullable=False),
    pa.field(COMMIT_TIME, pa.timestamp("us", tz="UTC"), nullable=True),
    pa.field(UNCHANGED, pa.string(), nullable=True),
)


class ChangeOp(StrEnum):
    """What happened to a row. A change of the key is a delete and an insert."""

    INSERT = "I"
    UPDATE = "U"
    DELETE = "D"


def change_schema(schema: TableSchema) -> pa.Schema:
    """Return the schema of every change batch of a table.

    First `CHANGE_FIELDS`: `_op` is 'I', 'U' or 'D', `_lsn` and `_seqval` are 20 lower-case hex
    digits. Then the table's columns, all of them nullable. A delete carries the key; its other
    columns may be NULL. `_unchanged` is NULL, or a JSON array of the names of columns whose value
    the source did not log because the update left it as it was: the target keeps its own.
    """
    columns = (pa.field(c.name, arrow_type(c.type), nullable=True) for c in schema.columns)
    return pa.schema([*CHANGE_FIELDS, *columns])


class TrackingMethod(StrEnum):
    """How a source knows what changed."""

    CAPTURE = "cdc"
    CHANGE_TRACKING = "change_tracking"
    WATERMARK = "watermark"


class Capture(StrEnum):
    """Which way changes of a whole task are read.

    Attributes:
        CDC: change data capture: every change, in order.
        CHANGE_TRACKING: the last state of each row that changed; every edition has it.
        AUTO: the first where it is there or can be switched on, else the second.
    """

    CDC = "cdc"
    CHANGE_TRACKING = "change_tracking"
    AUTO = "auto"


class TrackedTable(Struct, frozen=True, kw_only=True):
    """A table whose changes can be read, and from where.

    Attributes:
        schema: columns as the change rows carry them; the key is the one changes are applied by.
        captured: the table as the source captures it, where transformations make `schema` of it.
        instance: the capture instance, '' where there is none.
        instance_id: identity of this very instance (object id and creation time), so that one
            dropped and made again under the same name is noticed.
        start: lowest position from which changes are complete.
        made_by_us: whether a task of ours enabled it, so that it may be disabled again.
        left_out: columns that were there when the table was tracked and are not captured.
        successor: a newer instance of the same table that takes over at its own start.
        predecessor: the instance this one took over from, until it is dropped.
    """

    schema: TableSchema
    method: TrackingMethod
    instance: str = ""
    instance_id: str = ""
    start: bytes = b""
    made_by_us: bool = False
    captured: TableSchema | None = None
    left_out: tuple[str, ...] = ()
    successor: "Succession | None" = None
    predecessor: "TrackedTable | None" = None

    @property
    def table(self) -> TableRef:
        """Return the table's name."""
        return self.schema.table


class Missed(Struct, frozen=True, kw_only=True):
    """Values that no change row brings: of columns added while an instance did not capture them.

    Attributes:
        columns: their names.
        since: no row had a value in them before this position.
        filled: rows may have values that no statement wrote but the default of a column: every
            row is looked at, not only those that changed.
    """

    columns: tuple[str, ...]
    since: bytes
    filled: bool


class Succession(Struct, frozen=True, kw_only=True):
    """How a newer instance takes over: changes from its start on are read from it.

    Attributes:
        tracked: the table as the newer instance captures it.
        missed: what the older one did not capture up to there.
    """

    tracked: TrackedTable
    missed: Missed


class SourceState(Struct, frozen=True, kw_only=True):
    """What one poll of a source said, about all tracked tables at once.

    Attributes:
        position: everything up to here is captured; where idle tables move to.
        identity: which history the positions belong to (recovery fork); a change means a restore.
        high: last changed position by table; tables without any change are missing.
        low: lowest position still kept, by table.
        committed_at: commit time of `position` at the source, in UTC.
        polled_at: the source's own clock, in UTC: lag is measured on one clock only.
        scanned_at: when the latest scan of the source's log ended, on its own clock, in UTC; None
            when changes are captured as they commit.
        capture_lag_s: seconds the source's capture is behind its log; 0 when it is caught up.
        zone_s: seconds from the source's local time, in which commit times are kept, to UTC.
        retention_s: seconds changes are kept, None when not known.
        trouble: why nothing is captured, in words; '' while it works.
        structure: by table, a mark that is another one after DDL on it and after a capture
            instance of it was made; missing where the source cannot tell.
        replica: read from a copy of the source; the next poll may ask another copy, which lags.
    """

    position: bytes
    identity: str
    high: dict[TableRef, bytes]
    low: dict[TableRef, bytes]
    committed_at: datetime | None
    polled_at: datetime
    capture_lag_s: float
    scanned_at: datetime | None = None
    zone_s: float = 0.0
    retention_s: float | None = None
    trouble: str = ""
    structure: dict[TableRef, str] = {}
    replica: bool = False


class ChangeWindow(Struct, frozen=True, kw_only=True):
    """Changes of one table with `after < position <= to`: whole transactions. Enough to redo them.

    Attributes:
        expected_rows: the most change rows it can hold, counted when it was cut, None when not
            known.
        commit_time: commit time of `to`, for lag and for commit-date partitions.
        reach: where reading begins when that lies before `after`: a watermark's overlap.
        missed: the window is the first of a newer instance: rows with values that its predecessor
            missed are read from the table and follow the window's changes.
    """

    table: TableRef
    after: bytes
    to: bytes
    expected_rows: int | None = None
    commit_time: datetime | None = None
    reach: bytes | None = None
    missed: Missed | None = None


class TableStream(Struct, frozen=True, kw_only=True):
    """The flow of one table's changes into one target.

    Attributes:
        generation: id of the full load the changes follow, or of the stream itself when there was
            none. A re-load opens a new generation; change files of older ones do not count.
        base: position the full load is consistent with, changes after it belong to the stream.
        epoch: rises with every owner of the task; a lower one is fenced off at the destination.
    """

    task_id: TaskId
    owner: Owner
    target: TargetTable
    options: WriteOptions
    tracked: TrackedTable
    generation: LoadId
    base: bytes
    epoch: int = 0


class ChangeReceipt(Struct, frozen=True, kw_only=True):
    """Proof that a window is durable at the destination and visible to its readers.

    Attributes:
        rows: change rows applied; 0 when the window had none.
        already_applied: true when a replay found its own work done.
    """

    position: bytes
    rows: int
    inserts: int = 0
    updates: int = 0
    deletes: int = 0
    bytes: int = 0
    files: int = 0
    already_applied: bool = False


class StreamState(Struct, frozen=True, kw_only=True):
    """What the metadata store keeps of one table's stream, written as one row.

    Attributes:
        position: everything up to here is done with.
        applied: the last window's end that is durable at the destination; `position` moves on
            from there while nothing changes.
        intent: the window being applied, stored before its first byte is written and redone exactly
            after a crash; None between windows.
        verified_through: position up to which both ends were proved equal, None when never.
        watermark: of a watermark stream, what `Fence.seen` said when it was last read.
    """

    stream: TableStream
    position: bytes
    applied: bytes
    identity: str = ""
    intent: ChangeWindow | None = None
    verified_through: bytes | None = None
    watermark: str | None = None


def capture_of(wanted: Capture, streams: Iterable[StreamState]) -> Capture:
    """Return which way a task's changes are read: one that streams goes on by the way it began."""
    if wanted is not Capture.AUTO:
        return wanted
    ways = {s.stream.tracked.method.value for s in streams} & {c.value for c in Capture}
    return Capture(min(ways)) if ways else wanted
