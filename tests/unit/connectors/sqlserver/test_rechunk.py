"""Cutting batches: nothing lost, nothing made, order kept, sizes bounded."""

import functools
import operator

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dtaas.connectors.sqlserver.rechunk import Rechunker

TEXTS = st.lists(st.text("ab", max_size=40), max_size=12)


@given(
    batches=st.lists(TEXTS, max_size=8),
    batch_rows=st.integers(1, 20),
    batch_bytes=st.integers(1, 300),
)
def test_rows_come_once_in_order_and_in_bounds(
    batches: list[list[str]], batch_rows: int, batch_bytes: int
) -> None:
    cutter = Rechunker(batch_rows=batch_rows, batch_bytes=batch_bytes)
    out = [
        piece
        for values in batches
        for piece in cutter.add(pa.record_batch([pa.array(values, pa.string())], ["c"]))
    ]
    out += cutter.rest()
    assert [v for piece in out for v in piece.column(0).to_pylist()] == functools.reduce(
        operator.iadd, batches, []
    )
    assert all(1 <= piece.num_rows <= batch_rows for piece in out)
    # Each held piece is within the limit; offsets shared by slices are counted once per piece.
    assert all(piece.nbytes <= batch_bytes or piece.num_rows == 1 for piece in out)


def test_small_fetches_become_one_batch() -> None:
    cutter = Rechunker(batch_rows=100, batch_bytes=1 << 20)
    batch = pa.record_batch([pa.array(range(10))], ["c"])
    assert [list(cutter.add(batch)) for _ in range(9)] == [[]] * 9
    (full,) = cutter.add(batch)
    assert full.num_rows == 100
    assert list(cutter.rest()) == []
