"""Arrow tables to files: one encoder a format. Encoders run in threads and know no network."""

from collections.abc import Callable
from typing import IO, Any, Final, Protocol, assert_never, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from dtaas.connectors.lake.text_forms import to_text
from dtaas.model.errors import UnsupportedTypeError
from dtaas.model.load import FileFormat

MIB: Final = 1024 * 1024
ROW_GROUP_ROWS: Final = 128 * 1024
ROW_GROUP_BYTES: Final = 4 * MIB
"""As large as a batch of the reader is by default, so that rows wait for nothing."""
TEXT_SLICE_BYTES: Final = 4 * MIB
JSON_SLICE_ROWS: Final = 4096  # its encoder holds the interpreter's lock: keep the event loop alive
_SAMPLE_ROWS: Final = 10_000
_MIN_REPEAT: Final = 2


class Encoder(Protocol):
    """Writes tables of one schema into one file."""

    def write(self, table: pa.Table) -> None:
        """Encode the rows of `table`."""
        ...

    def close(self) -> None:
        """Write what ends the file. The sink stays open."""
        ...


class ParquetEncoder:
    """Parquet 2.6: zstd level 1, page index and checksums, a row group per table written.

    A dictionary is used for columns whose first rows repeat themselves: for others it costs time
    and space.
    """

    def __init__(self, sink: IO[bytes], schema: pa.Schema) -> None:
        self._out = _buffered(sink)
        self._schema = schema
        self._writer: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        """Write `table` as one row group."""
        self._open(table).write_table(table, row_group_size=ROW_GROUP_ROWS)
        self._out.flush()

    def close(self) -> None:
        """Write the footer, with the schema even when there was no row."""
        self._open(self._schema.empty_table()).close()
        self._out.detach()

    def _open(self, first: pa.Table) -> pq.ParquetWriter:
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._out,
                self._schema,
                version="2.6",
                compression="zstd",
                compression_level=1,
                use_dictionary=_repeating(first),
                write_page_index=True,
                write_page_checksum=True,
            )
        return self._writer


def _buffered(sink: IO[bytes]) -> pa.BufferedOutputStream:
    """Return what passes small writes on as few large ones, when it is flushed or is full.

    Headers and pages are many small writes, each of which would take the interpreter's lock. It
    has to be detached in the end: forgotten or closed, it closes the sink.
    """
    return pa.BufferedOutputStream(pa.PythonFile(sink, mode="w"), MIB)


def _repeating(table: pa.Table) -> Any:
    """Return the columns of which a value comes twice on average among the first rows."""
    head = table.slice(0, _SAMPLE_ROWS)
    names = [
        name
        for name, column in zip(head.column_names, head.columns, strict=True)
        if not pa.types.is_boolean(column.type)
        and pc.count_distinct(column).as_py() * _MIN_REPEAT <= head.num_rows
    ]
    return names or False  # the parameter is declared as bool, but documented to take names


class CsvEncoder:
    """CSV (RFC 4180, LF) with a header line. NULL is nothing, an empty text is `""`."""

    def __init__(self, sink: IO[bytes], schema: pa.Schema) -> None:
        self._out = _buffered(sink)
        options = pyarrow.csv.WriteOptions(include_header=True, quoting_style="needed")
        self._writer = pyarrow.csv.CSVWriter(self._out, text_schema(schema), write_options=options)

    def write(self, table: pa.Table) -> None:
        """Write the rows."""
        self._writer.write_table(text_table(table))
        self._out.flush()

    def close(self) -> None:
        """Flush."""
        self._writer.close()
        self._out.detach()


class JsonEncoder:
    """JSON lines: an object a row, every column named, NULL as null.

    Integers and floats are JSON numbers; decimals are strings, because most readers would round
    a number of 38 digits.
    """

    def __init__(self, sink: IO[bytes], schema: pa.Schema) -> None:
        self._out = _buffered(sink)
        self._floats = [f.name for f in schema if pa.types.is_floating(f.type)]

    def write(self, table: pa.Table) -> None:
        """Write the rows.

        Raises:
            UnsupportedTypeError: a float is NaN or infinite, for which JSON has no form.
        """
        import arro3.io  # noqa: PLC0415 - 5 MB that only JSON needs

        for name in self._floats:
            if not pc.all(pc.is_finite(table[name]), min_count=0).as_py():
                raise UnsupportedTypeError(
                    f"Column {name!r} has a NaN or infinite value, which JSON cannot hold.",
                    hint="Use Parquet or CSV.",
                )
        for batch in text_table(table).to_batches(max_chunksize=JSON_SLICE_ROWS):
            arro3.io.write_ndjson(batch, cast("IO[bytes]", self._out), explicit_nulls=True)
        self._out.flush()

    def close(self) -> None:
        """Let go of the sink: the last line is already whole."""
        self._out.detach()


def text_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of the text formats: text where they have no exact type of their own."""
    return pa.schema([pa.field(f.name, _text_type(f.type), f.nullable) for f in schema])


def text_table(table: pa.Table) -> pa.Table:
    """Return `table` in the form of `text_schema`."""
    columns = []
    for column in table.columns:
        if _text_type(column.type) == column.type:
            columns.append(column)
        else:
            texts = [to_text(chunk) for chunk in column.chunks]
            columns.append(pa.chunked_array(texts, pa.string()))
    return pa.Table.from_arrays(columns, schema=text_schema(table.schema))


def _text_type(kind: pa.DataType) -> pa.DataType:
    own = pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return kind if own else pa.string()


def encoder(file_format: FileFormat, sink: Any, schema: pa.Schema) -> Encoder:
    """Return a fresh encoder that writes to `sink`, a writable file object."""
    build: Callable[[IO[bytes], pa.Schema], Encoder]
    match file_format:
        case FileFormat.PARQUET:
            build = ParquetEncoder
        case FileFormat.CSV:
            build = CsvEncoder
        case FileFormat.JSON:
            build = JsonEncoder
        case _:
            assert_never(file_format)
    return build(cast("IO[bytes]", sink), schema)


def slice_bytes(file_format: FileFormat) -> int:
    """Return how many Arrow bytes to encode at once: a row group, or a piece of text."""
    return ROW_GROUP_BYTES if file_format is FileFormat.PARQUET else TEXT_SLICE_BYTES
