"""Bulk fill: Arrow batches into a table by binary COPY."""

from collections.abc import Iterable

import pyarrow as pa

from dtaas.sandbox.sqlserver.storage.server import StorageServer


async def fill_table(
    storage: StorageServer,
    database: str,
    schema: str,
    table: str,
    batches: Iterable[pa.RecordBatch],
) -> int:
    raise NotImplementedError
