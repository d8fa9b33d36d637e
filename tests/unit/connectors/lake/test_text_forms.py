"""Text forms are exact, plain and ISO."""

from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtaas.connectors.lake.text_forms import from_text, to_text


@pytest.mark.parametrize(
    ("values", "kind", "texts"),
    [
        ([Decimal("-1E-10"), Decimal(0), None, Decimal("12.5")], pa.decimal128(38, 10), ["-0.0000000001", "0.0000000000", None, "12.5000000000"]),
        ([Decimal(-5), Decimal("9" * 38)], pa.decimal128(38, 0), ["-5", "9" * 38]),
        ([b"", b"\x00\xfe", None], pa.binary(), ["", "00fe", None]),
        ([date(1, 1, 1), date(9999, 12, 31)], pa.date32(), ["0001-01-01", "9999-12-31"]),
        ([datetime(1, 1, 1)], pa.timestamp("us"), ["0001-01-01 00:00:00.000000"]),
        ([86_399_999_999_900], pa.time64("ns"), ["23:59:59.999999900"]),
        ([True, None], pa.bool_(), ["true", None]),
    ],
)  # fmt: skip
def test_forms(values: list[object], kind: pa.DataType, texts: list[str | None]) -> None:
    array = pa.array(values, kind)
    assert to_text(array).to_pylist() == texts
    assert from_text(pa.array(texts), kind).equals(array)


@given(
    st.lists(st.none() | st.binary(max_size=9), max_size=9),
    st.lists(st.none() | st.decimals(-(10**20), 10**20, places=8), max_size=9),
    st.integers(0, 4),
)
def test_slices_come_back(
    blobs: list[bytes | None], numbers: list[Decimal | None], start: int
) -> None:
    for array in pa.array(blobs, pa.binary()), pa.array(numbers, pa.decimal128(38, 8)):
        part = array.slice(start)
        back = from_text(to_text(part), array.type)
        assert back.to_pylist() == part.to_pylist()
