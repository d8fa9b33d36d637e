"""The ports: what the engine asks of sources and destinations.

Each promise stands at its method, and a contract suite in `tests/contract` proves it for every
implementation. All of them raise `DtaasError` only.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol, TypeVar, runtime_checkable

import pyarrow as pa
from msgspec import Struct

from dtaas.model.check import CheckReport, OnStep
from dtaas.model.connectors import ConnectionConfig, Connector, ConnectorRole
from dtaas.model.execution import (
    ReadBy,
)
from dtaas.model.load import (
    Chunk,
    ChunkReceipt,
    CommitResult,
    Owner,
    TableLoad,
    TargetTable,
)
from dtaas.model.schema import TableInfo, TableRef, TableSchema

C = TypeVar("C", bound=ConnectionConfig)


class Capabilities(Struct, frozen=True, kw_only=True):
    """What a product can do, so that a task it cannot do is refused when it is saved.

    Attributes:
        applies_changes: changes are applied to rows by key, which every table then must have.
        truncate_insert: a table can be emptied and filled in one transaction.
        history: a table can keep every version of its rows.
        incremental: rows can be found by a watermark.
    """

    full_load: bool = False
    cdc: bool = False
    overwrite: bool = False
    append: bool = False
    partitions: bool = False
    applies_changes: bool = False
    truncate_insert: bool = False
    history: bool = False
    incremental: bool = False


KEYS_AT_ONCE: Final = 200
"""Keys read by one query: a longer condition costs the server more to plan than to run."""


# --- sources --------------------------------------------------------------------------------------
class BatchReader(Protocol):
    """A chunk being read. The engine decides when to ask for more."""

    @property
    def read_by(self) -> ReadBy | None:
        """What reads the rows, known from the first `next` on; None where there is one way only."""
        ...

    async def next(self) -> pa.RecordBatch | None:
        """Return the next rows, or None after the last.

        None is a promise that the source ended the result without error: only then is the chunk
        complete. Cancelling a call interrupts the source and closes the reader.

        Returns:
            A batch of at least one row with exactly the schema `TableSchema.arrow_schema()`.

        Raises:
            RetryableError: the link broke or the source was busy; the chunk must be read anew.
            SchemaChangedError: the table no longer has the columns the schema names.
        """
        ...


class Source(Protocol):
    """Reads one database for one task. Not shared between tasks; its methods may overlap."""

    async def check(self, on_step: OnStep) -> CheckReport:
        """Test the connection step by step; a failed step is reported, not raised."""
        ...

    async def discover(self) -> Sequence[TableInfo]:
        """Return every table the login can see, sorted by schema and name."""
        ...

    async def describe(self, table: TableRef) -> TableSchema:
        """Return the table's columns and key.

        Raises:
            TableNotFoundError: it does not exist or is not visible.
            UnsupportedTypeError: a column cannot be moved without loss; names it and the way out.
        """
        ...

    async def plan(self, schema: TableSchema, *, chunk_rows: int) -> Sequence[Chunk]:
        """Cut the table into key ranges of about `chunk_rows` rows.

        The ranges are disjoint and cover every possible key. An empty table gives one chunk, and
        so does a table that cannot be cut.
        """
        ...

    def read(
        self, schema: TableSchema, chunk: Chunk, *, batch_rows: int, batch_bytes: int
    ) -> AbstractAsyncContextManager[BatchReader]:
        """Open a reader over one chunk. Every row of the range comes exactly once.

        Args:
            batch_rows: most rows of a batch.
            batch_bytes: about the most bytes of a batch; a single larger row still comes whole.
        """
        ...

    def read_keys(
        self,
        schema: TableSchema,
        columns: tuple[str, ...],
        keys: Sequence[tuple[str, ...]],
        *,
        batch_rows: int,
        batch_bytes: int,
    ) -> AbstractAsyncContextManager[BatchReader]:
        """Open a reader over the rows of some keys, as they are now; keys without a row give none.

        Args:
            columns: names of the key's columns.
            keys: at most `KEYS_AT_ONCE`, each the exact text of its values.

        Raises:
            SourceQueryError: a column of the key has no exact text, or a text is no value of it.
        """
        ...

    async def position(self) -> str:
        """Return the source's present log position as text, or '' when it has none."""
        ...

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        ...


@runtime_checkable
class ConnectsAhead(Protocol):
    """The part of a source that can connect before it is asked anything."""

    async def connect_ahead(self) -> None:
        """Connect. It does not fail: what is wrong is told to who asks first."""
        ...


# --- destinations ---------------------------------------------------------------------------------
class ChunkWriter(Protocol):
    """A chunk being written. Leaving the context without `finish` removes what was uploaded."""

    async def write(self, batch: pa.RecordBatch) -> None:
        """Take one batch. Returns when there is room for more, not when it is durable."""
        ...

    async def finish(self) -> ChunkReceipt:
        """Make the chunk durable, still invisible to readers, and return the proof."""
        ...


class Destination(Protocol):
    """Writes for one task. Not shared between tasks; chunks may be written side by side."""

    async def check(self, on_step: OnStep) -> CheckReport:
        """Test the connection step by step, including that a write is really allowed."""
        ...

    def target_of(self, table: TableRef, mapped: tuple[str, ...] | None) -> TargetTable:
        """Return where a table goes: the mapping's path, else the connector's prefix.

        Pure. Different tables may give the same target only when the mapping makes them.
        """
        ...

    async def claim(self, target: TargetTable, owner: Owner, *, take_over: bool = False) -> None:
        """Record in the target that `owner` writes it. Idempotent for the same owner.

        Raises:
            DestinationInUseError: another owner holds it, whom `detail` names.
        """
        ...

    async def release(self, target: TargetTable, owner: Owner) -> None:
        """Give the target free again if `owner` holds it. Idempotent."""
        ...

    async def begin(self, load: TableLoad) -> None:
        """Prepare for the load. Idempotent: also called when a load is resumed."""
        ...

    def write(self, load: TableLoad, chunk: Chunk) -> AbstractAsyncContextManager[ChunkWriter]:
        """Open a writer for one chunk. Writing a chunk twice leaves it there once."""
        ...

    async def commit(self, load: TableLoad, receipts: Sequence[ChunkReceipt]) -> CommitResult:
        """Publish the load: readers see all of it from now on, and never a part.

        Idempotent: a replay after a crash or a lost reply finds its own work and says so.

        Raises:
            DestinationConflictError: somebody else moved the target's pointer meanwhile.
        """
        ...

    async def abandon(self, load: TableLoad) -> None:
        """Remove what an uncommitted load left behind. Idempotent; never touches others' data."""
        ...

    async def scan(
        self, target: TargetTable, schema: TableSchema, visit: Callable[[pa.RecordBatch], None]
    ) -> None:
        """Read the committed table back as its readers see it, each row once.

        Args:
            visit: takes batches of `schema.arrow_schema()`; called from worker threads, several
                at a time.

        Raises:
            TableNotFoundError: nothing was committed there.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        ...


class ConnectorType(Struct, frozen=True, kw_only=True):
    """A row of the registry, without the code behind it."""

    kind: str
    role: ConnectorRole
    title: str
    config_type: type[ConnectionConfig]
    capabilities: Capabilities


class ConnectorRegistry(Protocol):
    """Which products there are, and how to build one."""

    def types(self) -> Sequence[ConnectorType]:
        """Return every product, sources first."""
        ...

    def type_of(self, role: ConnectorRole, kind: str) -> ConnectorType:
        """Return one product.

        Raises:
            ValidationFailedError: no such product; the hint lists those there are.
        """
        ...

    def admit(self, config: ConnectionConfig) -> None:
        """Refuse a configuration that leads where connectors may not reach. Pure: for saving it.

        Raises:
            PlaceNotAllowedError: names the field.
        """
        ...

    async def opened(self, config: C) -> C:
        """Return a configuration with secrets in the place of references, to be used at once.

        Raises:
            PlaceNotAllowedError, SecretMissingError, SecretStoreUnavailableError: see `resolved`.
        """
        ...

    async def import_driver(self, config: ConnectionConfig) -> None:
        """Import, in a thread, what building a connector needs; `opened` does so, too."""
        ...

    async def resolved(self, connector: Connector) -> Connector:
        """Return the connector with secrets in the place of references, to be built at once.

        Raises:
            PlaceNotAllowedError: it leads where connectors may not reach.
            SecretMissingError: a reference points to nothing, or to what may not be read.
            SecretStoreUnavailableError: the service that keeps it does not answer.
        """
        ...

    def source(self, connector: Connector) -> Source:
        """Build a source of a connector without references to secrets.

        Connects lazily: raises nothing but DriverMissingError.
        """
        ...

    def destination(self, connector: Connector, *, task_name: str, database: str) -> Destination:
        """Build a destination. `task_name` and `database` fill its prefix template."""
        ...
