"""Reading both ends of a table, each row once, in batches that are looked at in threads."""

from collections.abc import Callable, Iterator

import pyarrow as pa
from anyio import create_task_group

from dtaas.concurrency.blocking import Blocking
from dtaas.model.fingerprint import Fingerprinter, TableFingerprint
from dtaas.model.load import Chunk, TargetTable
from dtaas.model.ports import Destination, Source
from dtaas.model.schema import TableSchema

Visit = Callable[[pa.RecordBatch], None]
_CHUNK_ROWS = 250_000
_BATCH_ROWS = 65_536
_BATCH_BYTES = 8 * 1024 * 1024


async def scan_source(
    source: Source, schema: TableSchema, visit: Visit, *, readers: int = 1
) -> None:
    """Visit every row the source holds now.

    Args:
        readers: chunks read side by side.
    """
    chunks = iter(await source.plan(schema, chunk_rows=_CHUNK_ROWS))
    blocking = Blocking(readers)

    async def read(queue: Iterator[Chunk]) -> None:
        for chunk in queue:
            async with source.read(
                schema, chunk, batch_rows=_BATCH_ROWS, batch_bytes=_BATCH_BYTES
            ) as reader:
                while (batch := await reader.next()) is not None:
                    await blocking(visit, batch)

    async with create_task_group() as group:
        for _ in range(readers):
            group.start_soon(read, chunks)


async def fingerprint_of(
    destination: Destination, target: TargetTable, schema: TableSchema
) -> TableFingerprint:
    """Read a committed table back and return its row count and column hashes."""
    figures = Fingerprinter(schema.arrow_schema())
    await destination.scan(target, schema, figures.add)
    return figures.result()
