"""Ids, moments and decimals from ODBC's structures to text."""

import struct
import uuid
from datetime import datetime
from decimal import Decimal, localcontext

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dtaas.connectors.sqlserver.structures import (
    GUID_BYTES,
    NUMERIC_BYTES,
    TIMESTAMP_BYTES,
    decimals,
    guid_text,
    timestamp_text,
)


@given(st.lists(st.uuids() | st.none()), st.integers(0, 3))
def test_ids_are_spelled_as_uuid_spells_them(ids: list[uuid.UUID | None], start: int) -> None:
    raw = pa.array([i.bytes_le if i else None for i in ids], pa.binary(GUID_BYTES)).slice(start)
    text = guid_text(raw)
    text.validate(full=True)
    assert text.to_pylist() == [str(i) if i else None for i in ids][start:]


MOMENTS = st.tuples(st.datetimes(datetime(1, 1, 1)), st.integers(0, 9))


@given(st.lists(MOMENTS | st.none()))
def test_moments_keep_seven_digits(moments: list[tuple[datetime, int] | None]) -> None:
    def packed(moment: datetime, digit: int) -> bytes:
        nanoseconds = moment.microsecond * 1000 + digit * 100
        return struct.pack("<hHHHHHI", *moment.timetuple()[:6], nanoseconds)

    raw = pa.array([packed(*m) if m else None for m in moments], pa.binary(TIMESTAMP_BYTES))
    text = timestamp_text(raw)
    text.validate(full=True)
    assert text.to_pylist() == [
        f"{m[0].isoformat(sep=' ', timespec='microseconds')}{m[1]}" if m else None for m in moments
    ]


@given(st.lists(st.integers(-(10**38) + 1, 10**38 - 1) | st.integers(-3, 3) | st.none()))
def test_decimals_keep_38_digits_and_their_sign(numbers: list[int | None]) -> None:
    def packed(number: int) -> bytes:
        return struct.pack("<BbB", 38, 10, number >= 0) + abs(number).to_bytes(16, "little")

    raw = pa.array([None if n is None else packed(n) for n in numbers], pa.binary(NUMERIC_BYTES))
    found = decimals(raw, pa.decimal128(38, 10))
    found.validate(full=True)
    with localcontext(prec=60):
        assert found.to_pylist() == [None if n is None else Decimal(n).scaleb(-10) for n in numbers]
