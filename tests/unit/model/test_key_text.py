"""Key values as text and back."""

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dtaas.model.key_text import key_texts, key_values


@pytest.mark.parametrize(
    ("kind", "values", "texts"),
    [
        (pa.int64(), [-(2**63), 0, 2**63 - 1], [str(-(2**63)), "0", str(2**63 - 1)]),
        (pa.decimal128(19, 4), [Decimal("-1.5000")], ["-1.5000"]),
        (pa.string(), ["Zoë 'q'", "", " b "], ["Zoë 'q'", "", " b "]),
        (pa.binary(), [b"\x00\xff", b""], ["0x00FF", "0x"]),
        (pa.date32(), [date(1, 1, 1), date(9999, 12, 31)], ["0001-01-01", "9999-12-31"]),
        (
            pa.timestamp("us"),
            [datetime(2024, 2, 29, 23, 59, 59, 123456)],
            ["2024-02-29 23:59:59.123456"],
        ),
        (pa.time64("us"), [time(1, 2, 3, 4)], ["01:02:03.000004"]),
    ],
)
def test_text_is_exact_and_comes_back(kind: pa.DataType, values: list[Any], texts: list[str]):
    column = pa.array(values, kind)
    assert key_texts(column) == texts
    assert key_values(texts, kind).equals(column)


def test_seven_digits_of_a_time_stay() -> None:
    column = pa.array([36_000_000_000_100], pa.time64("ns"))
    assert key_texts(column) == ["10:00:00.0000001"]
    assert key_values(["10:00:00.0000001"], pa.time64("ns")).equals(column)


def test_null_has_no_text() -> None:
    assert key_texts(pa.array([None, 1])) == [None, "1"]
