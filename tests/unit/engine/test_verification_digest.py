"""Digests of two sides: whatever differs is found, and nothing else."""

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from dtaas.engine.verification.digest import (
    KeyedRows,
    TableDigest,
    differing_buckets,
    key_hashes,
    of_buckets,
    of_keys,
)
from dtaas.engine.verification.rows import Comparison, FoundRows
from dtaas.model.verification import Difference

SCHEMA = pa.schema([("id", pa.int32()), ("part", pa.string()), ("value", pa.float64())])
KEY = ("id", "part")
TABLES = st.dictionaries(
    st.tuples(st.integers(-5, 50), st.sampled_from(["a", "B", "é", ""])),
    st.one_of(st.none(), st.floats(allow_nan=False)),
    max_size=30,
)
Rows = dict[tuple[int, str], Any]


def batches(rows: Rows, size: int) -> list[pa.RecordBatch]:
    table = pa.Table.from_pylist(
        [{"id": k[0], "part": k[1], "value": v} for k, v in rows.items()], schema=SCHEMA
    )
    return table.to_batches(size)


def digest(rows: Rows, size: int) -> TableDigest:
    found = TableDigest(SCHEMA, KEY)
    for batch in batches(rows, size):
        found.add(batch)
    return found


def differing(left: Rows, right: Rows) -> dict[tuple[int, str], Difference]:
    found = {}
    for key in left.keys() | right.keys():
        if key not in right:
            found[key] = Difference.MISSING
        elif key not in left:
            found[key] = Difference.EXTRA
        elif left[key] != right[key]:
            found[key] = Difference.CHANGED
    return found


@settings(max_examples=150, deadline=None)
@given(left=TABLES, right=TABLES, size=st.integers(1, 9))
def test_exactly_the_keys_that_differ_are_found(left: Rows, right: Rows, size: int) -> None:
    wanted = differing(left, right)
    a, b = digest(left, size), digest(right, size + 3)
    buckets = differing_buckets(a, b)
    assert bool(a.result().differences(b.result())) == bool(wanted)
    x, y = KeyedRows(KEY, of_buckets(buckets)), KeyedRows(KEY, of_buckets(buckets))
    for batch in batches(left, size):
        x.add(batch)
    for batch in batches(right, size):
        y.add(batch)
    keys = x.by_key().differing(y.by_key())
    rows = Comparison(FoundRows(KEY, keys), FoundRows(KEY, keys))
    for batch in batches(left, size):
        rows.source.add(batch)
    for batch in batches(right, size):
        rows.destination.add(batch)
    told = {
        (int(d.key["id"] or 0), d.key["part"] or ""): d.difference for d in rows.differences(KEY)
    }
    assert told == wanted


def test_a_row_twice_is_not_a_row_once() -> None:
    rows: Rows = {(1, "a"): 1.0, (2, "a"): 2.0}
    once, twice = digest(rows, 5), digest(rows, 5)
    twice.add(batches({(2, "a"): 2.0}, 5)[0])
    assert len(differing_buckets(once, twice)) == 1
    keys = key_hashes(batches(rows, 5)[0], KEY)
    a, b = KeyedRows(KEY, of_keys(keys)), KeyedRows(KEY, of_keys(keys))
    for side in (a, b):
        side.add(batches(rows, 5)[0])
    b.add(batches({(2, "a"): 2.0}, 5)[0])
    assert list(a.by_key().differing(b.by_key())) == [keys[1]]


def test_nothing_is_wanted_of_an_empty_table() -> None:
    empty = KeyedRows(KEY, of_keys(np.zeros(0, dtype=np.uint64)))
    assert len(empty.by_key().differing(empty.by_key())) == 0
    assert len(differing_buckets(digest({}, 1), digest({}, 1))) == 0
