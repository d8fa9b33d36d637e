"""Order-free content hashes: do two tables hold the same rows?

A column's hash is the sum, modulo 2^64, of a 64-bit hash of each value; a row's hash mixes the
hashes of its values in column order. Sums do not depend on the order of the rows, on batches or
on chunks, so they can be taken on the way and compared afterwards. Values are hashed in their
canonical Arrow form, so a table read from SQL Server and the same table read back from Parquet,
CSV or JSON give the same figures.
"""

from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

U64 = npt.NDArray[np.uint64]

_TEXT_OR_BYTES = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
)
_NULL = np.uint64(0x9E3779B97F4A7C15)
_EMPTY = np.uint64(0xA0761D6478BD642F)
_WORD_BYTES = 8
_LOW_BYTES = np.array([(1 << 8 * n) - 1 for n in range(_WORD_BYTES + 1)], dtype=np.uint64)
"""Masks that keep the first n bytes of a little-endian word."""
_BASE = np.uint64(0x5DEECE66D1B3A7F5)


class TableFingerprint(Struct, frozen=True, kw_only=True):
    """Row count and content hashes of a table.

    Attributes:
        columns: hash per column as 16 hex digits, by name.
        row_hash: hash over whole rows; it sees values that changed places between rows.
    """

    rows: int
    columns: dict[str, str]
    row_hash: str

    def differences(self, other: "TableFingerprint") -> tuple[str, ...]:
        """Return what differs, in words; empty when the two agree."""
        if self.rows != other.rows:
            return (f"{self.rows} rows against {other.rows}",)
        names = [n for n in self.columns if self.columns[n] != other.columns.get(n)]
        if names:
            return tuple(f"values of column {name!r}" for name in names)
        if self.row_hash != other.row_hash:
            return ("the pairing of values within rows",)
        return ()


class Fingerprinter:
    """Adds up batches of one table; threads may share it."""

    def __init__(self, schema: pa.Schema) -> None:
        self._names = schema.names
        self._sums = np.zeros(len(schema), dtype=np.uint64)
        self._row_sum = np.zeros(1, dtype=np.uint64)
        self._rows = 0
        self._adding = Lock()

    def add(self, batch: pa.RecordBatch) -> None:
        """Add the rows of `batch`, whose columns are those of the schema in order."""
        self.add_hashed(batch, hash_rows(batch))

    def add_hashed(self, batch: pa.RecordBatch, hashed: "HashedRows") -> None:
        """Add rows whose hashes are known."""
        with self._adding:
            self._sums += hashed.columns
            self._row_sum += hashed.rows.sum(dtype=np.uint64)
            self._rows += batch.num_rows

    def result(self) -> TableFingerprint:
        """Return the figures so far."""
        return TableFingerprint(
            rows=self._rows,
            columns={n: f"{int(s):016x}" for n, s in zip(self._names, self._sums, strict=True)},
            row_hash=f"{int(self._row_sum[0]):016x}",
        )


class HashedRows(NamedTuple):
    """Hashes of a batch: one sum a column, one hash a row."""

    columns: U64
    rows: U64


def hash_rows(batch: pa.RecordBatch) -> HashedRows:
    """Return one sum of value hashes a column, and one hash a row that mixes its values."""
    sums = np.zeros(batch.num_columns, dtype=np.uint64)
    rows = np.zeros(batch.num_rows, dtype=np.uint64)
    for i, column in enumerate(batch.columns):
        if batch.num_rows == 0:
            break
        hashes = hash_values(column)
        sums[i : i + 1] += hashes.sum(dtype=np.uint64)  # arrays wrap, scalars warn
        rows = _mix(rows * np.uint64(0x9FB21C651E98DF25) + hashes + np.uint64(i + 1))
    return HashedRows(sums, rows)


def hash_values(array: pa.Array) -> U64:
    """Return one 64-bit hash per value; equal values hash alike, NULL has a hash of its own."""
    kind = array.type
    if any(is_kind(kind) for is_kind in _TEXT_OR_BYTES):
        hashes = _hash_bytes(array.cast(pa.large_binary()))
    elif pa.types.is_boolean(kind):
        hashes = _mix(pc.fill_null(array, False).cast(pa.uint8()).to_numpy().astype(np.uint64))
    elif pa.types.is_decimal128(kind):
        hashes = _hash_decimals(array)
    else:
        hashes = _hash_fixed(array)
    if array.null_count:
        hashes = np.where(pc.is_null(array).to_numpy(zero_copy_only=False), _NULL, hashes)
    return hashes


def _hash_fixed(array: pa.Array) -> U64:
    kind = array.type
    if pa.types.is_floating(kind):
        numbers = array.cast(pa.float64()).fill_null(0.0).to_numpy()
        return _mix((numbers + 0.0).view(np.uint64))  # adding zero makes -0.0 equal 0.0
    if pa.types.is_time64(kind) or pa.types.is_time32(kind) or pa.types.is_timestamp(kind):
        kind_int = pa.int32() if kind.bit_width == 32 else pa.int64()  # noqa: PLR2004 - bits
        array = array.cast(kind_int)
    elif pa.types.is_date32(kind):
        array = array.cast(pa.int32())
    return _mix(array.fill_null(0).to_numpy().astype(np.int64).view(np.uint64))


def _hash_decimals(array: pa.Array) -> U64:
    words = np.frombuffer(array.buffers()[1], dtype=np.uint64)
    words = words[2 * array.offset : 2 * (array.offset + len(array))].reshape(-1, 2)
    return _mix(_mix(words[:, 0]) + words[:, 1])


def _hash_bytes(array: pa.Array) -> U64:
    """Hash each value as a polynomial in its 8-byte words modulo 2^64, mixed with its length."""
    offsets = np.frombuffer(array.buffers()[1], dtype=np.int64)
    offsets = offsets[array.offset : array.offset + len(array) + 1]
    lengths = np.diff(offsets)
    hashes = np.full(len(array), _EMPTY, dtype=np.uint64)
    filled = np.flatnonzero(lengths)
    if filled.size and array.buffers()[2] is not None:
        data = np.frombuffer(array.buffers()[2], dtype=np.uint8)[offsets[0] : offsets[-1]]
        starts = (offsets[:-1] - offsets[0])[filled]
        hashes[filled] = _hash_words(data, starts, lengths[filled])
    return _mix(hashes + lengths.astype(np.uint64) * _EMPTY)


def _hash_words(
    data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> U64:
    """Hash the byte ranges of `data` that begin at `starts` and are `lengths` > 0 long."""
    padded = np.zeros(data.size + _WORD_BYTES, dtype=np.uint8)
    padded[: data.size] = data
    at_any_byte = np.ndarray((data.size + 1,), dtype="<u8", buffer=padded, strides=(1,))
    counts = (lengths + _WORD_BYTES - 1) // _WORD_BYTES
    ends = np.cumsum(counts)
    place = np.arange(ends[-1]) - np.repeat(ends - counts, counts)
    words = at_any_byte[np.repeat(starts, counts) + _WORD_BYTES * place].astype(np.uint64)
    used_bytes = lengths - _WORD_BYTES * (counts - 1)  # of each value's last word
    words[ends - 1] &= _LOW_BYTES[used_bytes]
    terms = _mix(words + np.uint64(1)) * _powers(int(counts.max()))[place]
    return np.add.reduceat(terms, ends - counts)


def _powers(count: int) -> U64:
    return np.cumprod(np.full(count, _BASE, dtype=np.uint64), dtype=np.uint64)


def _mix(x: U64) -> U64:
    """Finalise as in splitmix64, so that sums of hashes do not cancel by structure."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
