"""Tables and targets held by the process: what the in-memory connectors read and write."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa

from dtaas.connectors.memory.change_log import ChangeLog, Transaction, applied
from dtaas.model.ids import LoadId
from dtaas.model.load import ChunkReceipt, Owner, TableLoad
from dtaas.model.schema import TableRef, TableSchema

Hook = Callable[[str, TableRef], Awaitable[None]]
"""Awaited with the name of a step (`read`, `write`, `commit` …) before it happens. It may raise a
`DtaasError` to make the step fail or wait to hold it back: tests steer a load with it."""


async def _no_hook(step: str, table: TableRef) -> None:
    """Let every step pass."""


@dataclass
class MemoryTable:
    """A source table: its schema and rows of exactly that schema."""

    schema: TableSchema
    rows: pa.Table


@dataclass
class MemoryTarget:
    """A destination table: its owner, its committed loads, newest last.

    Attributes:
        changes: change rows of the present generation, in the order they were applied.
        position: where the stream of that generation stands, None before the first.
        epoch: of the stream's last writer; an older one is fenced off.
    """

    owner: Owner | None = None
    loads: list[TableLoad] = field(default_factory=list)
    receipts: dict[LoadId, tuple[ChunkReceipt, ...]] = field(default_factory=dict)
    rows: pa.Table | None = None
    generation: LoadId | None = None
    position: bytes | None = None
    epoch: int = 0
    changes: list[pa.RecordBatch] = field(default_factory=list)


@dataclass
class Dataset:
    """One named set of tables and targets.

    Attributes:
        staged: what chunks wrote and no commit has published yet.
    """

    tables: dict[TableRef, MemoryTable] = field(default_factory=dict)
    targets: dict[tuple[str, ...], MemoryTarget] = field(default_factory=dict)
    staged: dict[tuple[LoadId, int], list[pa.RecordBatch]] = field(default_factory=dict)
    hook: Hook = _no_hook
    log: ChangeLog = field(default_factory=ChangeLog)

    def add(self, schema: TableSchema, rows: pa.Table) -> None:
        """Add or replace a source table."""
        self.tables[schema.table] = MemoryTable(schema, rows.cast(schema.arrow_schema()))

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Change source tables; leaving commits to the log, an error leaves nothing."""
        transaction = Transaction()
        yield transaction
        for ref in {c.table: None for c in transaction.changes}:
            table = self.tables[ref]
            changes = [c for c in transaction.changes if c.table == ref]
            rows = applied(table.rows.to_pylist(), table.schema.key, changes)
            table.rows = pa.Table.from_pylist(rows, schema=table.schema.arrow_schema())
        self.log.commit(transaction.changes)

    def target(self, path: tuple[str, ...]) -> MemoryTarget:
        """Return the target at `path`, made on first use."""
        return self.targets.setdefault(path, MemoryTarget())


_DATASETS: dict[str, Dataset] = {}


def dataset(name: str) -> Dataset:
    """Return the process's dataset of that name, made on first use."""
    return _DATASETS.setdefault(name, Dataset())
