"""Rows as a server would send them, written independently of the decoder."""

import struct
import uuid
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from dtaas.tds.plan import As, ColumnPlan, Length

TICKS = 10_000_000

COLUMNS: list[tuple[str, pa.DataType, ColumnPlan]] = [
    ("id", pa.int64(), ColumnPlan(length=Length.FIXED, how=As.INT, width=8, wire=8)),
    ("small", pa.int16(), ColumnPlan(length=Length.BYTE, how=As.INT, width=2)),
    ("flag", pa.bool_(), ColumnPlan(length=Length.BYTE, how=As.BIT)),
    ("price", pa.decimal128(38, 4), ColumnPlan(length=Length.BYTE, how=As.DECIMAL, width=16)),
    ("name", pa.string(), ColumnPlan(length=Length.SHORT, how=As.UTF16)),
    ("body", pa.string(), ColumnPlan(length=Length.PARTIAL, how=As.UTF16)),
    ("old", pa.string(), ColumnPlan(length=Length.POINTER, how=As.CODE_PAGE, codec="cp1252")),
    ("data", pa.binary(), ColumnPlan(length=Length.PARTIAL, how=As.BYTES)),
    ("guid", pa.string(), ColumnPlan(length=Length.BYTE, how=As.GUID_TEXT)),
    ("at", pa.string(), ColumnPlan(length=Length.BYTE, how=As.TIMESTAMP_TEXT, scale=7)),
]
SCHEMA = pa.schema([pa.field(name, kind) for name, kind, _ in COLUMNS])
PLANS = [plan for _, _, plan in COLUMNS]
DONE = struct.pack("<BHHQ", 0xFD, 0x10, 0xC1, 0)


def encode_row(row: dict[str, Any], *, with_bitmap: bool) -> bytes:
    """Return a ROW or NBCROW token; `body` and `data` are split where `row["cut"]` says."""
    data = b""
    if with_bitmap:
        bitmap = bytearray((len(COLUMNS) + 7) // 8)
        for index, (name, _, _) in enumerate(COLUMNS):
            if row[name] is None:
                bitmap[index // 8] |= 1 << index % 8
        data = b"\xd2" + bytes(bitmap)
    else:
        data = b"\xd1"
    for name, _, _ in COLUMNS:
        if row[name] is None and with_bitmap:
            continue
        data += _encode(name, row[name], row["cut"])
    return data


def packets(payload: bytes, size: int) -> bytes:
    """Return the payload in packets of at most `size` bytes of it."""
    parts = [payload[i : i + size] for i in range(0, len(payload), size)] or [b""]
    return b"".join(
        struct.pack(">BBHHBB", 4, i == len(parts) - 1, len(part) + 8, 0, (i + 1) % 256, 0) + part
        for i, part in enumerate(parts)
    )


def _encode(name: str, value: Any, cut: int) -> bytes:
    if name in ("body", "data"):
        encoded = value.encode("utf-16-le") if isinstance(value, str) else value
        return _chunks(encoded, cut)
    if value is None:
        return b"\xff\xff" if name == "name" else b"\0"
    return _ENCODERS[name](value)


def _name(value: str) -> bytes:
    text = value.encode("utf-16-le")
    return struct.pack("<H", len(text)) + text


def _old(value: str) -> bytes:
    text = value.encode("cp1252")
    return b"\x10" + bytes(16) + bytes(8) + struct.pack("<I", len(text)) + text


def _decimal(value: Decimal) -> bytes:
    unscaled = int(value.scaleb(4))
    return bytes((17, unscaled >= 0)) + abs(unscaled).to_bytes(16, "little")


def _chunks(value: bytes | None, cut: int) -> bytes:
    if value is None:
        return b"\xff" * 8
    parts = [part for part in (value[:cut], value[cut:]) if part]
    data = struct.pack("<Q", 0xFFFFFFFFFFFFFFFE)
    return data + b"".join(struct.pack("<I", len(p)) + p for p in parts) + bytes(4)


def _moment(value: str) -> bytes:
    day, clock = value.split(" ")
    hours, minutes, rest = clock.split(":")
    seconds, fraction = rest.split(".")
    ticks = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * TICKS + int(fraction)
    year, month, of_month = map(int, day.split("-"))
    days = _days(year, month, of_month)
    return b"\x08" + ticks.to_bytes(5, "little") + days.to_bytes(3, "little")


def _days(year: int, month: int, day: int) -> int:
    return date(year, month, day).toordinal() - 1


_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "id": lambda v: struct.pack("<q", v),
    "small": lambda v: struct.pack("<Bh", 2, v),
    "flag": lambda v: bytes((1, v)),
    "price": _decimal,
    "name": _name,
    "old": _old,
    "guid": lambda v: b"\x10" + uuid.UUID(v).bytes_le,
    "at": _moment,
}
