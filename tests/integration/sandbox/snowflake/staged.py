"""Parquet files on their way to a stage."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.integration.sandbox.snowflake.conftest import Connect

PARQUET = "FILE_FORMAT = (TYPE = PARQUET USE_VECTORIZED_SCANNER = TRUE)"
BY_NAME = f"{PARQUET} MATCH_BY_COLUMN_NAME = CASE_SENSITIVE"


def parquet(table: pa.Table) -> bytes:
    """Return a table as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


async def put(connect: Connect, content: bytes, name: str, stage: str) -> tuple[Any, ...]:
    """Bring a file to a stage and return the row PUT answers."""
    cursor = (await connect()).cursor()
    await cursor.execute(
        f"PUT 'file://{name}' {stage} AUTO_COMPRESS = FALSE OVERWRITE = TRUE",
        file_stream=io.BytesIO(content),
    )
    return (await cursor.fetchall())[0]
