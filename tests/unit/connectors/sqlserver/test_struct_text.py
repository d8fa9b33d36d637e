"""Ids and moments from ODBC's structures to text."""

import struct
import uuid
from datetime import datetime

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dtaas.connectors.sqlserver.struct_text import STRUCT_BYTES, guid_text, timestamp_text

TYPE = pa.binary(STRUCT_BYTES)


@given(st.lists(st.uuids() | st.none()), st.integers(0, 3))
def test_ids_are_spelled_as_uuid_spells_them(ids: list[uuid.UUID | None], start: int) -> None:
    raw = pa.array([i.bytes_le if i else None for i in ids], TYPE).slice(start)
    text = guid_text(raw)
    text.validate(full=True)
    assert text.to_pylist() == [str(i) if i else None for i in ids][start:]


MOMENTS = st.tuples(st.datetimes(datetime(1, 1, 1)), st.integers(0, 9))


@given(st.lists(MOMENTS | st.none()))
def test_moments_keep_seven_digits(moments: list[tuple[datetime, int] | None]) -> None:
    def packed(moment: datetime, digit: int) -> bytes:
        nanoseconds = moment.microsecond * 1000 + digit * 100
        return struct.pack("<hHHHHHI", *moment.timetuple()[:6], nanoseconds)

    raw = pa.array([packed(*m) if m else None for m in moments], TYPE)
    text = timestamp_text(raw)
    text.validate(full=True)
    assert text.to_pylist() == [
        f"{m[0].isoformat(sep=' ', timespec='microseconds')}{m[1]}" if m else None for m in moments
    ]
