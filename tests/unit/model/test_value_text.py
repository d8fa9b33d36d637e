"""Values people write: taken exactly, or refused with the reason."""

import re
from datetime import date, datetime, time
from decimal import Decimal as Exact
from typing import Any

import pytest

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
from dtaas.model.value_text import value_of

ID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


@pytest.mark.parametrize(
    ("text", "column", "value"),
    [
        ("TRUE", Boolean(), True),
        ("0", Boolean(), False),
        ("-32768", Integer(16), -32768),
        ("+9223372036854775807", Integer(64), 2**63 - 1),
        ("12.50", Decimal(4, 2), Exact("12.50")),
        ("-.5", Decimal(3, 1), Exact("-0.5")),
        ("007", Decimal(1, 0), Exact(7)),
        ("12.5000", Decimal(4, 2), Exact("12.50")),
        ("1e3", Float(64), 1000.0),
        ("0.5", Float(32), 0.5),
        ("2024-02-29", Date(), date(2024, 2, 29)),
        ("23:59:59.125", Time(3), time(23, 59, 59, 125000)),
        ("2024-02-29T01:02:03.5", Timestamp(3), datetime(2024, 2, 29, 1, 2, 3, 500000)),
        ("2024-02-29 01:02:03", Timestamp(7), "2024-02-29 01:02:03.0000000"),
        ("2024-02-29 01:02:03.5+02:00", TimestampTz(3), "2024-02-29 01:02:03.500 +02:00"),
        ("2024-02-29 01:02:03 -05:30", TimestampTz(0), "2024-02-29 01:02:03 -05:30"),
        ("ж💡", String(3), "ж💡"),
        ("", String(), ""),
        ("0xCAFE", Binary(2), b"\xca\xfe"),
        ("0x", Binary(), b""),
        (ID.upper(), Uuid(), ID),
        ('{"a": 1}', Json(), '{"a": 1}'),
        ('{"type": "int", "value": "42"}', Variant(), '{"type": "int", "value": "42"}'),
        ("<a/>", Xml(), "<a/>"),
    ],
)
def test_what_fits_is_taken_exactly(text: str, column: ColumnType, value: Any) -> None:
    found = value_of(text, column)
    assert found.type == arrow_type(column)
    assert found.to_pylist() == [value]


@pytest.mark.parametrize(
    ("text", "column", "why"),
    [
        ("yes", Boolean(), "neither true nor false"),
        ("12.0", Integer(32), "not a whole number"),
        ("\uff11\uff12", Integer(32), "not a whole number"),
        ("32768", Integer(16), "outside -32768 to 32767"),
        ("", Decimal(4, 2), "not a decimal number"),
        ("1.005", Decimal(4, 2), "more than 2 digits after"),
        ("100", Decimal(4, 2), "more than 2 digits before"),
        ("1e2", Decimal(4, 2), "not a decimal number"),
        ("nan", Float(64), "not a finite number"),
        ("1_0", Float(64), "not a finite number"),
        ("x", Float(64), "not a number"),
        ("1e39", Float(32), "too large"),
        ("2023-02-29", Date(), "not a day"),
        ("29.2.2024", Date(), "YYYY-MM-DD"),
        ("24:00:00", Time(3), "not a day or time"),
        ("10:00:00.1234", Time(3), "more than 3 digits"),
        ("10:00", Time(3), "HH:MM:SS"),
        ("2024-02-29 25:00:00", Timestamp(3), "not a day or time"),
        ("2024-02-29 01:02:03.00000001", Timestamp(7), "more than 7 digits"),
        ("2024-02-29", Timestamp(3), "YYYY-MM-DD HH:MM:SS"),
        ("2024-02-29 01:02:03", TimestampTz(3), "+HH:MM"),
        ("2024-02-29 01:02:03 +14:01", TimestampTz(3), "beyond 14:00"),
        ("ж💡", String(2), "3 characters long"),
        ("0xABC", Binary(), "0x and hex"),
        ("0xCAFE", Binary(1), "2 bytes long"),
        ("x", Uuid(), "not a UUID"),
        ("{", Json(), "not JSON"),
        ('{"type": "int"}', Variant(), '{"type": "int", "value": "42"}'),
    ],
)
def test_what_does_not_is_refused_with_the_reason(text: str, column: ColumnType, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        value_of(text, column)
