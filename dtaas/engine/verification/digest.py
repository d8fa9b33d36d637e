"""What is kept of one side of a comparison: figures of the whole, and sums by bucket of keys.

A bucket holds the rows whose key hashes alike in its top bits. Its sum does not depend on the order
of the rows, so that both ends are read once in whatever order suits them; where sums differ, only
the rows of those buckets are looked at again. Memory is fixed: 1.5 MiB a side.
"""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dtaas.model.fingerprint import U64, Fingerprinter, TableFingerprint, hash_rows

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_BUCKET_BITS: Final = 16
BUCKETS: Final = 1 << _BUCKET_BITS
_SHIFT: Final = np.uint64(64 - _BUCKET_BITS)


def key_hashes(batch: pa.RecordBatch, key: Sequence[str]) -> U64:
    """Return one hash per row of the values of its key."""
    return hash_rows(batch.select(list(key))).rows


def bucket_of(keys: U64) -> U64:
    """Return the bucket of each key hash."""
    buckets: U64 = keys >> _SHIFT
    return buckets


class TableDigest:
    """Adds up the rows of one side; threads may share it."""

    def __init__(self, schema: pa.Schema, key: Sequence[str]) -> None:
        """Begin.

        Args:
            key: columns that tell rows apart, empty when nothing does.
        """
        self._figures = Fingerprinter(schema)
        self._key = key
        self.sums: U64 = np.zeros(BUCKETS if key else 0, dtype=np.uint64)
        self.counts = np.zeros(BUCKETS if key else 0, dtype=np.int64)
        self._adding = Lock()

    def add(self, batch: pa.RecordBatch) -> None:
        """Add the rows of `batch`."""
        if batch.num_rows == 0:
            return
        hashed = hash_rows(batch)
        self._figures.add_hashed(batch, hashed)
        if not self._key:
            return
        order, starts, found = _grouped(bucket_of(key_hashes(batch, self._key)))
        sums = np.add.reduceat(hashed.rows[order], starts)
        counts = np.diff(starts, append=len(order))
        with self._adding:
            self.sums[found] += sums
            self.counts[found] += counts

    def result(self) -> TableFingerprint:
        """Return the figures of the whole."""
        return self._figures.result()


def differing_buckets(a: TableDigest, b: TableDigest) -> U64:
    """Return the buckets whose rows differ, ascending."""
    return np.flatnonzero((a.sums != b.sums) | (a.counts != b.counts)).astype(np.uint64)


Wanted = Callable[[U64], Mask]
"""Says of each key hash whether its row is wanted."""


def of_buckets(buckets: U64) -> Wanted:
    """Want the rows of some buckets."""
    wanted = np.zeros(BUCKETS, dtype=np.bool_)
    wanted[buckets] = True

    def is_wanted(keys: U64) -> Mask:
        mask: Mask = wanted[bucket_of(keys)]
        return mask

    return is_wanted


def of_keys(wanted: U64) -> Wanted:
    """Want the rows of some key hashes."""

    def is_wanted(keys: U64) -> Mask:
        return np.isin(keys, wanted)

    return is_wanted


class KeyedRows:
    """Hashes of single rows by the hash of their key, of the rows wanted."""

    def __init__(self, key: Sequence[str], wanted: Wanted) -> None:
        self._key = key
        self._wanted = wanted
        self._parts: list[tuple[U64, U64]] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep the rows wanted."""
        keys = key_hashes(batch, self._key)
        kept = self._wanted(keys)
        if kept.any():
            self._parts.append((keys[kept], hash_rows(batch).rows[kept]))  # append is atomic

    def by_key(self) -> "KeySums":
        """Return what each key has: how many rows, and the sum of their hashes."""
        if not self._parts:
            empty = np.zeros(0, dtype=np.uint64)
            return KeySums(empty, empty, np.zeros(0, dtype=np.int64))
        keys = np.concatenate([keys for keys, _ in self._parts])
        rows = np.concatenate([rows for _, rows in self._parts])
        order, starts, found = _grouped(keys)
        return KeySums(
            found, np.add.reduceat(rows[order], starts), np.diff(starts, append=len(order))
        )


class KeySums:
    """Rows and sum of row hashes by key hash, sorted by it."""

    def __init__(self, keys: U64, sums: U64, counts: I64) -> None:
        self.keys = keys
        self._sums = sums
        self._counts = counts

    def differing(self, other: "KeySums") -> U64:
        """Return the hashes of keys that are not the same at both, ascending."""
        every = np.union1d(self.keys, other.keys)
        (mine, mine_n), (theirs, theirs_n) = self._at(every), other._at(every)  # noqa: SLF001
        found: U64 = every[(mine != theirs) | (mine_n != theirs_n)]
        return found

    def _at(self, keys: U64) -> tuple[U64, I64]:
        sums = np.zeros(len(keys), dtype=np.uint64)
        counts = np.zeros(len(keys), dtype=np.int64)
        places = np.searchsorted(keys, self.keys)
        sums[places], counts[places] = self._sums, self._counts
        return sums, counts


def _grouped(values: U64) -> tuple[I64, I64, U64]:
    """Return the order that sorts `values`, where each value begins in it, and the values."""
    order = np.argsort(values, kind="stable")
    found, starts = np.unique(values[order], return_index=True)
    return order, starts, found
