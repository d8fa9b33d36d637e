"""Units of work of a full load: chunks, what was written for them, and the load they belong to."""

from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec import Struct

from dtaas.model.ids import ExecutionId, LoadId, TaskId
from dtaas.model.schema import TableSchema


class Chunk(Struct, frozen=True, kw_only=True):
    """A key range of one table, half open: `lower < key <= upper`. Enough to redo it anywhere.

    Attributes:
        index: 0, 1, 2 … in key order; part of object names, so fixed once planned.
        columns: key columns the bounds speak of; empty for a table read as one stream.
        lower: exact text of the exclusive lower bound per column, None for the first chunk.
        upper: exact text of the inclusive upper bound, None for the last chunk, which therefore
            also takes rows that appear above every planned key.
        expected_rows: rows counted, or estimated by the source, when planning; None when not known.
    """

    index: int
    columns: tuple[str, ...] = ()
    lower: tuple[str, ...] | None = None
    upper: tuple[str, ...] | None = None
    expected_rows: int | None = None


class DataFile(Struct, frozen=True, kw_only=True):
    """One immutable object or file written for a chunk.

    Attributes:
        key: path below the destination's base, `/` separated.
        partition: Hive partition values by column, in order; empty without partitions.
        etag: what the destination calls this content, quotes stripped; '' where it has no name.
        sha256: hex digest of the bytes.
    """

    key: str
    rows: int
    bytes: int
    etag: str = ""
    sha256: str = ""
    partition: tuple[tuple[str, str], ...] = ()


class ChunkReceipt(Struct, frozen=True, kw_only=True):
    """Proof that a chunk is durable at the destination, not yet visible to readers."""

    chunk_index: int
    rows: int
    bytes: int
    files: tuple[DataFile, ...]


class WriteMode(StrEnum):
    """What a full load does to rows already at the target.

    Attributes:
        OVERWRITE: a new table takes the old one's place, at once.
        APPEND: they stay, and the load's rows come beside them.
        TRUNCATE_INSERT: the same table is emptied and filled in one transaction, so that grants,
            views and policies on it stay.
    """

    OVERWRITE = "overwrite"
    APPEND = "append"
    TRUNCATE_INSERT = "truncate_insert"


class FileFormat(StrEnum):
    """File formats of S3 and file destinations."""

    PARQUET = "parquet"
    CSV = "csv"
    JSON = "json"


class PartitionField(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One level of Hive-style partitions: the column itself, or a part of its date."""

    column: str
    part: str = "value"
    """`value`, `year`, `month`, `day` or `hour`."""


class WriteOptions(Struct, frozen=True, kw_only=True):
    """How a task wants its files.

    Attributes:
        history: the target keeps every version of its rows; readers of `scan` see those of now.
    """

    format: FileFormat = FileFormat.PARQUET
    mode: WriteMode = WriteMode.OVERWRITE
    partition_by: tuple[PartitionField, ...] = ()
    target_file_bytes: int = 128 * 1024 * 1024
    history: bool = False


class Owner(Struct, frozen=True, kw_only=True):
    """Who owns a target: one task of one daemon installation.

    Attributes:
        epoch: rises with every daemon that takes the task over; a lower one is refused.
    """

    installation: str
    task_id: TaskId
    task_name: str
    epoch: int = 0


class TargetTable(Struct, frozen=True, kw_only=True):
    """Where a table goes: path segments below the connector's prefix, or (schema, name)."""

    path: tuple[str, ...]

    def __str__(self) -> str:
        """Return the path for people."""
        return "/".join(self.path)


class TableLoad(Struct, frozen=True, kw_only=True):
    """One attempt to load one table, resumable until committed.

    Attributes:
        load_id: part of every object name of the load, so names are never used twice.
        schema: the table as it was when the load was planned.
        source_position: opaque position of the source when the load began (an LSN in hex), or ''.
        planned_at: when it began, in UTC.
    """

    load_id: LoadId
    task_id: TaskId
    execution_id: ExecutionId
    owner: Owner
    schema: TableSchema
    target: TargetTable
    options: WriteOptions
    chunks: tuple[Chunk, ...]
    source_position: str = ""
    planned_at: datetime | None = None


class CommitResult(Struct, frozen=True, kw_only=True):
    """A committed load: totals that readers now see, and where they look.

    Attributes:
        location: URL of the pointer or table, for people.
        already_committed: true when a replay found its own work done.
    """

    rows: int
    bytes: int
    files: int
    location: str
    already_committed: bool = False


def encode_load(load: TableLoad) -> bytes:
    """Return the load as JSON, equal bytes for equal loads."""
    return msgspec.json.encode(load)


def decode_load(data: bytes) -> TableLoad:
    """Return the load `encode_load` wrote."""
    return msgspec.json.decode(data, type=TableLoad)
