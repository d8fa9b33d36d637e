"""Every canonical type has an exact place in Snowflake; the forms come back as they were."""

import pyarrow as pa
import pytest

from dtaas.connectors.snowflake.types import canonical_column, staged_column, stored_type
from dtaas.model.types import (
    Binary,
    Boolean,
    ColumnType,
    Date,
    Decimal,
    Float,
    Integer,
    Json,
    String,
    Time,
    Timestamp,
    TimestampTz,
    Uuid,
    Variant,
    Xml,
    arrow_type,
)


@pytest.mark.parametrize(
    ("kind", "ddl", "staged"),
    [
        (Boolean(), "BOOLEAN", "BOOLEAN"),
        (Integer(16), "NUMBER(5,0)", "NUMBER(5,0)"),
        (Integer(32), "NUMBER(10,0)", "NUMBER(10,0)"),
        (Integer(64), "NUMBER(19,0)", "NUMBER(19,0)"),
        (Decimal(38, 37), "NUMBER(38,37)", "NUMBER(38,37)"),
        (Decimal(38, 38), "VARCHAR(41)", "VARCHAR(41)"),
        (Float(64), "FLOAT", "FLOAT"),
        (Date(), "DATE", "DATE"),
        (Time(7), "TIME(7)", "TIME(7)"),
        (Timestamp(3), "TIMESTAMP_NTZ(3)", "TIMESTAMP_NTZ(3)"),
        (Timestamp(7), "TIMESTAMP_NTZ(7)", "VARCHAR(34)"),
        (TimestampTz(7), "TIMESTAMP_TZ(7)", "VARCHAR(40)"),
        (Uuid(), "VARCHAR(36)", "VARCHAR(36)"),
        (String(50), "VARCHAR(50)", "VARCHAR(50)"),
        (String(None), "VARCHAR", "VARCHAR"),
        (Xml(), "VARCHAR", "VARCHAR"),
        (Json(), "VARCHAR", "VARCHAR"),
        (Variant(), "VARCHAR", "VARCHAR"),
        (Binary(16), "BINARY(16)", "BINARY(16)"),
        (Binary(None), "BINARY(8388608)", "BINARY(8388608)"),
    ],
)
def test_the_column_of_every_type(kind: ColumnType, ddl: str, staged: str) -> None:
    found = stored_type(kind)
    assert (found.ddl, found.staged) == (ddl, staged)


def test_an_offset_is_staged_as_iso_8601() -> None:
    column = pa.chunked_array([["2024-01-02 03:04:05.1234567 +05:30", None]])
    staged = staged_column(column, TimestampTz(7))
    assert staged.to_pylist() == ["2024-01-02T03:04:05.1234567+05:30", None]


def test_small_decimals_are_staged_in_plain_digits() -> None:
    column = pa.chunked_array([pa.array(["0." + "0" * 37 + "1"]).cast(pa.decimal128(38, 38))])
    assert staged_column(column, Decimal(38, 38)).to_pylist() == ["0." + "0" * 37 + "1"]


@pytest.mark.parametrize(
    ("kind", "read", "canonical"),
    [
        (Time(7), "01:02:03.1234567", 3_723_123_456_700),
        (Timestamp(7), "2024-02-29 23:59:59.1234567", "2024-02-29 23:59:59.1234567"),
        (Timestamp(7), "2024-02-29 23:59:59", "2024-02-29 23:59:59.0000000"),
        (
            TimestampTz(3),
            "2024-01-02 03:04:05.123 +05:30",
            "2024-01-02 03:04:05.123 +05:30",
        ),
        (TimestampTz(0), "2024-01-02 03:04:05 -08", "2024-01-02 03:04:05 -08:00"),
        (Decimal(38, 38), "0." + "0" * 37 + "1", "0." + "0" * 37 + "1"),
    ],
)
def test_what_is_read_back_is_canonical(kind: ColumnType, read: str, canonical: object) -> None:
    found = canonical_column(pa.array([read, None]), kind)
    assert found.type == arrow_type(kind)
    expected = pa.array([canonical, None])
    if pa.types.is_time(found.type):
        expected = pa.array([3_723_123_456_700, None], pa.int64())
    assert found.equals(expected.cast(found.type))
