"""Content hashes: blind to order and batching, and to nothing else."""

from datetime import date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtaas.model.fingerprint import Fingerprinter, TableFingerprint, hash_values

SCHEMA = pa.schema(
    [
        ("n", pa.int64()),
        ("s", pa.string()),
        ("b", pa.binary()),
        ("d", pa.decimal128(38, 4)),
        ("f", pa.float64()),
        ("t", pa.timestamp("us")),
        ("x", pa.bool_()),
    ]
)
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.text(max_size=12),
        st.none() | st.binary(max_size=12),
        st.none() | st.decimals(Decimal(-(10**30)), Decimal(10**30), places=4),
        st.none() | st.floats(allow_nan=False),
        st.none() | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)),
        st.none() | st.booleans(),
    ),
    max_size=12,
)


def batch(rows: list[tuple]) -> pa.RecordBatch:
    columns = [pa.array([row[i] for row in rows], f.type) for i, f in enumerate(SCHEMA)]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def figures(*batches: pa.RecordBatch) -> TableFingerprint:
    adder = Fingerprinter(SCHEMA)
    for one in batches:
        adder.add(one)
    return adder.result()


@given(ROWS, st.randoms(use_true_random=False), st.integers(0, 12))
@settings(max_examples=80, deadline=None)
def test_order_and_batches_do_not_matter(rows, random, cut):
    shuffled = list(rows)
    random.shuffle(shuffled)
    whole = figures(batch(rows))
    parts = figures(batch(shuffled[:cut]), batch(shuffled[cut:]))
    sliced = figures(batch(shuffled).slice(0, cut), batch(shuffled).slice(cut))
    assert whole == parts == sliced
    assert whole.differences(parts) == ()


@given(ROWS.filter(bool), st.data())
@settings(max_examples=80, deadline=None)
def test_any_other_value_is_seen(rows, data):
    at = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.integers(0, len(SCHEMA) - 1))
    other = data.draw(ROWS.filter(bool))[0][column]
    changed = list(rows)
    changed[at] = (*rows[at][:column], other, *rows[at][column + 1 :])
    same = changed == rows
    assert (figures(batch(rows)) == figures(batch(changed))) == same


def test_a_lost_and_a_doubled_row_are_seen():
    rows = [(i, str(i), b"", Decimal(i), 0.5, None, True) for i in range(4)]
    whole = figures(batch(rows))
    assert figures(batch(rows[1:])).differences(whole) == ("3 rows against 4",)
    doubled = figures(batch([*rows[1:], rows[1]]))
    assert "values of column 'n'" in doubled.differences(whole)


def test_values_that_changed_places_between_rows_are_seen():
    a = [(1, "a", None, None, None, None, None), (2, "b", None, None, None, None, None)]
    b = [(1, "b", None, None, None, None, None), (2, "a", None, None, None, None, None)]
    assert figures(batch(a)).differences(figures(batch(b))) == (
        "the pairing of values within rows",
    )


@pytest.mark.parametrize(
    "array",
    [
        pa.array(["", None, "a", "aa", "a\0", "ä"]),
        pa.array([b"", None, b"\0", b"\0\0", b"\1"]),
        pa.array([0, None, 1, -1], pa.int16()),
        pa.array([time(0), None, time(0, 0, 1)], pa.time64("us")),
        pa.array([date(1, 1, 1), None, date(9999, 12, 31)]),
        pa.array([Decimal(0), None, Decimal(2**64), Decimal(-1)], pa.decimal128(38, 0)),
    ],
)
def test_null_and_neighbours_differ(array: pa.Array):
    hashes = hash_values(array).tolist()
    assert len(set(hashes)) == len(hashes)


def test_slices_hash_like_copies():
    array = pa.array(["x", "yy", None, "zzz"])
    assert hash_values(array.slice(1, 2)).tolist() == hash_values(pa.array(["yy", None])).tolist()


def test_minus_zero_is_zero():
    assert hash_values(pa.array([-0.0])).tolist() == hash_values(pa.array([0.0])).tolist()
