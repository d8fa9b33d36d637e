"""Proof of arrival: read source and destination again and compare what they hold."""

from collections.abc import Iterator

from anyio import create_task_group
from msgspec import Struct

from dtaas.concurrency.blocking import Blocking
from dtaas.model.fingerprint import Fingerprinter, TableFingerprint
from dtaas.model.load import Chunk, TargetTable
from dtaas.model.ports import Destination, Source
from dtaas.model.schema import TableRef, TableSchema

_CHUNK_ROWS = 250_000
_BATCH_ROWS = 65_536
_BATCH_BYTES = 8 * 1024 * 1024


class TableComparison(Struct, frozen=True, kw_only=True):
    """What comparing one table found.

    Attributes:
        differences: in words, empty when both hold the same rows.
    """

    table: TableRef
    source: TableFingerprint
    destination: TableFingerprint
    differences: tuple[str, ...]


async def compare_table(
    source: Source, destination: Destination, table: TableRef, target: TargetTable, *, readers: int
) -> TableComparison:
    """Read one table at both ends and compare row count and column hashes.

    Args:
        readers: chunks of the source read side by side.
    """
    schema = await source.describe(table)
    sides: dict[str, TableFingerprint] = {}

    async def read_source() -> None:
        sides["source"] = await fingerprint_source(source, schema, readers=readers)

    async def read_destination() -> None:
        sides["destination"] = await destination.fingerprint(target, schema)

    async with create_task_group() as group:
        group.start_soon(read_source)
        group.start_soon(read_destination)
    return TableComparison(
        table=table,
        source=sides["source"],
        destination=sides["destination"],
        differences=sides["source"].differences(sides["destination"]),
    )


async def fingerprint_source(
    source: Source, schema: TableSchema, *, readers: int
) -> TableFingerprint:
    """Return row count and column hashes of a table as the source holds it now."""
    chunks = iter(await source.plan(schema, chunk_rows=_CHUNK_ROWS))
    total = Fingerprinter(schema.arrow_schema())
    blocking = Blocking(readers)

    async def add(queue: Iterator[Chunk]) -> None:
        figures = Fingerprinter(schema.arrow_schema())
        for chunk in queue:
            async with source.read(
                schema, chunk, batch_rows=_BATCH_ROWS, batch_bytes=_BATCH_BYTES
            ) as reader:
                while (batch := await reader.next()) is not None:
                    await blocking(figures.add, batch)
        total.merge(figures)

    async with create_task_group() as group:
        for _ in range(readers):
            group.start_soon(add, chunks)
    return total.result()
