"""What encoders write becomes parts, byte for byte."""

import gc
import hashlib

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtaas.connectors.lake.chunk_writer import sliced
from dtaas.connectors.lake.encode import MIB, ROW_GROUP_BYTES, ROW_GROUP_ROWS, encoder
from dtaas.connectors.lake.parts import CountingSink, PartSink
from dtaas.model.load import FileFormat

WRITES = st.lists(st.binary(max_size=40), max_size=30)


@given(WRITES, st.integers(1, 50))
def test_all_parts_but_the_rest_have_the_same_size(writes: list[bytes], part_bytes: int):
    sink = PartSink(part_bytes)
    for data in writes:
        assert sink.write(memoryview(data)) == len(data)
    parts, rest = sink.take_parts(), sink.take_rest()
    assert {len(part) for part in parts} <= {part_bytes}
    assert len(rest) < part_bytes
    _holds(sink, b"".join(writes), b"".join((*parts, rest)))


class Pieces(CountingSink):
    """Keeps each write."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def _take(self, data: bytes) -> None:
        self.pieces.append(data)


def _holds(sink: PartSink, written: bytes, found: bytes) -> None:
    assert found == written
    assert sink.size_bytes == sink.tell() == len(written)
    assert sink.sha256 == hashlib.sha256(written).hexdigest()


@pytest.mark.parametrize("file_format", FileFormat)
def test_what_was_encoded_is_in_the_sink_in_large_pieces(file_format: FileFormat):
    table = pa.table({"id": pa.array(range(50_000))})
    sink = Pieces()
    made = encoder(file_format, sink, table.schema)
    made.write(table)
    first = sink.size_bytes
    assert first > 0
    made.write(table)
    made.close()
    del made
    gc.collect()
    assert not sink.closed
    assert len(sink.pieces) <= 2 + 2 * sink.size_bytes // MIB + 1
    assert _read(file_format, b"".join(sink.pieces)) == pa.concat_tables([table, table])


def _read(file_format: FileFormat, data: bytes) -> pa.Table:
    source = pa.BufferReader(data)
    match file_format:
        case FileFormat.PARQUET:
            assert pq.ParquetFile(source).num_row_groups == 2
            return pq.read_table(pa.BufferReader(data))
        case FileFormat.CSV:
            return pyarrow.csv.read_csv(source)
        case FileFormat.JSON:
            return pyarrow.json.read_json(source)


@pytest.mark.parametrize(
    ("values", "pieces"),
    [(ROW_GROUP_BYTES // 8 + 1, 1), (ROW_GROUP_ROWS, 1), (2 * ROW_GROUP_BYTES // 8, 2)],
)
def test_a_batch_a_little_too_large_stays_whole(values: int, pieces: int):
    batch = pa.record_batch({"id": pa.array(range(values), pa.int64())})
    found = sliced(batch, max(ROW_GROUP_ROWS, values), ROW_GROUP_BYTES)
    assert len(found) == pieces
    assert sum(piece.num_rows for piece in found) == values
