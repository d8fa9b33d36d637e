"""Files of the lake back to Arrow, in the canonical form the source gave them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, assert_never

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from dtaas.connectors.lake.encode import text_schema
from dtaas.connectors.lake.partitions import decode_value
from dtaas.connectors.lake.text_forms import from_text
from dtaas.model.changes import change_schema
from dtaas.model.errors import DestinationConflictError
from dtaas.model.load import DataFile, FileFormat
from dtaas.model.schema import TableSchema
from dtaas.model.types import is_lob

_BATCH_ROWS: Final = 8192
_READ_BUFFER_BYTES: Final = 1024 * 1024  # else whole column chunks are read at once
_CSV_BLOCK_BYTES: Final = 4 * 1024 * 1024
_CSV_MAX_BLOCK_BYTES: Final = 1024 * 1024 * 1024


def read_batches(
    path: Path, file: DataFile, schema: TableSchema, file_format: FileFormat
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one data file with the schema `TableSchema.arrow_schema()`.

    Columns that only the partition's name holds are put back. Blocks: use it in a thread.

    Args:
        path: where the file lies locally.
        file: its entry in the manifest.

    Raises:
        DestinationConflictError: it is not such a file, or holds other columns.
    """
    yield from _batches(path, file, schema.arrow_schema(), schema, file_format)


def read_changes(
    path: Path, file: DataFile, schema: TableSchema, file_format: FileFormat
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one change file with the schema `change_schema(schema)`.

    Args:
        schema: the table as it was when the file was written.

    Raises:
        DestinationConflictError: it is not such a file, or holds other columns.
    """
    yield from _batches(path, file, change_schema(schema), schema, file_format)


def _batches(
    path: Path, file: DataFile, whole: pa.Schema, schema: TableSchema, file_format: FileFormat
) -> Iterator[pa.RecordBatch]:
    held = {name for name, _ in file.partition}
    stored = pa.schema([field for field in whole if field.name not in held])
    try:
        for batch in _stored_batches(path, stored, schema, file_format):
            yield _completed(batch, whole, dict(file.partition))
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise DestinationConflictError(
            f"{file.key} is not the {file_format} file that was written there: {error}",
            hint="Somebody changed it. Load the table anew.",
        ) from error


def _stored_batches(
    path: Path, stored: pa.Schema, schema: TableSchema, file_format: FileFormat
) -> Iterator[pa.RecordBatch]:
    match file_format:
        case FileFormat.PARQUET:
            with pq.ParquetFile(
                path, page_checksum_verification=True, buffer_size=_READ_BUFFER_BYTES
            ) as parquet:
                yield from parquet.iter_batches(
                    batch_size=_BATCH_ROWS, columns=stored.names, use_threads=False
                )
        case FileFormat.CSV:
            yield from _csv_batches(path, text_schema(stored), _csv_block_bytes(path, schema))
        case FileFormat.JSON:
            import arro3.io  # noqa: PLC0415 - 5 MB that only JSON needs

            with path.open("rb") as lines:
                reader = arro3.io.read_json(lines, text_schema(stored), batch_size=_BATCH_ROWS)
                yield from pa.RecordBatchReader.from_stream(reader)
        case _:
            assert_never(file_format)


def _csv_batches(path: Path, stored: pa.Schema, block_bytes: int) -> Iterator[pa.RecordBatch]:
    with pyarrow.csv.open_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=block_bytes),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=stored,
            include_columns=stored.names,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
            true_values=["true"],
            false_values=["false"],
        ),
    ) as reader:
        yield from reader


def _csv_block_bytes(path: Path, schema: TableSchema) -> int:
    """Return a block that surely holds a row: the reader refuses rows longer than a block."""
    if any(is_lob(column.type) for column in schema.columns):
        return min(path.stat().st_size + 1, _CSV_MAX_BLOCK_BYTES)
    return _CSV_BLOCK_BYTES


def _completed(
    batch: pa.RecordBatch, whole: pa.Schema, partition: Mapping[str, str]
) -> pa.RecordBatch:
    columns = []
    for field in whole:
        if field.name in partition:
            value = from_text(
                pa.array([decode_value(partition[field.name])], pa.string()), field.type
            )
            columns.append(pa.repeat(value[0], batch.num_rows))
        else:
            column = batch.column(field.name)
            same = column.type == field.type
            columns.append(column if same else from_text(column, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=whole)
