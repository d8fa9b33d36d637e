"""Parameters of a call: TYPE_INFO and value as clients send them (MS-TDS 2.2.6.6)."""

import struct
from collections.abc import Callable
from typing import Any, Final

from dtaas.sandbox.sqlserver.results import Parameter
from dtaas.sandbox.sqlserver.types import MAX, SqlType, Variant
from dtaas.sandbox.sqlserver.wire.collations import collation_named, collation_on_wire
from dtaas.sandbox.sqlserver.wire.protocol import (
    PLP_MARK,
    PLP_NULL,
    PLP_UNKNOWN_LENGTH,
    ProtocolError,
    Type,
)
from dtaas.sandbox.sqlserver.wire.reader import Reader
from dtaas.sandbox.sqlserver.wire.typeinfo import FIXED, time_bytes
from dtaas.sandbox.sqlserver.wire.values import TICKS_PER_DAY, UTF_16
from dtaas.sandbox.sqlserver.wire.variants import SIMPLE_BASES

_BY_REFERENCE: Final = 0x01
_NULL_U16: Final = 0xFFFF
_NULL_U32: Final = 0xFFFFFFFF
_MAX_PRECISION: Final = 38
_MONEY: Final = struct.Struct("<iI")
_MAX_SCALE: Final = 7
_DATE_BYTES: Final = 3

_SIZED: Final = {
    Type.INT_N: {1: "tinyint", 2: "smallint", 4: "int", 8: "bigint"},
    Type.BIT_N: {1: "bit"},
    Type.FLOAT_N: {4: "real", 8: "float"},
    Type.MONEY_N: {4: "smallmoney", 8: "money"},
    Type.DATETIME_N: {4: "smalldatetime", 8: "datetime"},
    Type.GUID: {16: "uniqueidentifier"},
}
_TIMES: Final = {
    Type.TIME_N: ("time", 0),
    Type.DATETIME2_N: ("datetime2", 3),
    Type.DATETIMEOFFSET_N: ("datetimeoffset", 5),
}
_STRINGS: Final = {
    Type.CHAR: "char",
    Type.VARCHAR: "varchar",
    Type.NCHAR: "nchar",
    Type.NVARCHAR: "nvarchar",
    Type.BINARY: "binary",
    Type.VARBINARY: "varbinary",
}
_LEGACY: Final = {Type.TEXT: "text", Type.NTEXT: "ntext", Type.IMAGE: "image"}
_WIDE: Final = frozenset({"nchar", "nvarchar", "ntext", "xml"})
_BINARY: Final = frozenset({"binary", "varbinary", "image"})


def read_parameter(reader: Reader) -> Parameter:
    """Read a parameter: name, status, type and value.

    Raises:
        ProtocolError: the type is unknown (table-valued parameters are), or the bytes end early.
    """
    name = reader.b_varchar()
    status = reader.u8()
    sql, value = read_value(reader)
    return Parameter(name=name, type=sql, value=value, output=bool(status & _BY_REFERENCE))


def read_value(reader: Reader) -> tuple[SqlType, Any]:
    """Read a TYPE_INFO and the value after it, in wire form.

    Raises:
        ProtocolError: as `read_parameter`.
    """
    token = reader.u8()
    if token in SIMPLE_BASES and token not in {Type.DATE_N, Type.GUID}:
        sql = SqlType(SIMPLE_BASES[Type(token)])
        return sql, _decode(sql, reader.take(FIXED[sql.name][2]))
    try:
        read = _READERS[Type(token)]
    except (KeyError, ValueError) as exc:
        raise ProtocolError(f"a parameter of type {token:#04x} is not supported") from exc
    return read(Type(token), reader)


def _sized(token: Type, reader: Reader) -> tuple[SqlType, Any]:
    names = _SIZED[token]
    widest = reader.u8()
    size = reader.u8()
    if widest not in names or (size and size not in names):
        raise ProtocolError(f"{widest} and {size} are no sizes of the type {token.name}")
    sql = SqlType(names[widest])
    # A NULL has size 0; a value may be sent narrower than its declared type.
    return sql, _decode(SqlType(names[size]), reader.take(size)) if size else None


def _decimal(token: Type, reader: Reader) -> tuple[SqlType, Any]:
    widest, precision, scale, size = reader.u8(), reader.u8(), reader.u8(), reader.u8()
    if not 1 <= precision <= _MAX_PRECISION or scale > precision or size > widest:
        raise ProtocolError(f"decimal({precision},{scale}) of {size} bytes does not exist")
    name = "decimal" if token is Type.DECIMAL_N else "numeric"
    sql = SqlType(name, precision=precision, scale=scale)
    return sql, _decode(sql, reader.take(size)) if size else None


def _date(_token: Type, reader: Reader) -> tuple[SqlType, Any]:
    size = reader.u8()
    if size not in {0, _DATE_BYTES}:
        raise ProtocolError(f"a date of {size} bytes does not exist")
    sql = SqlType("date")
    return sql, _decode(sql, reader.take(size)) if size else None


def _time(token: Type, reader: Reader) -> tuple[SqlType, Any]:
    scale, size = reader.u8(), reader.u8()
    name, extra = _TIMES[token]
    if scale > _MAX_SCALE or size not in {0, time_bytes(scale) + extra}:
        raise ProtocolError(f"{name}({scale}) with {size} bytes does not exist")
    sql = SqlType(name, scale=scale)
    return sql, _decode(sql, reader.take(size)) if size else None


def _string(token: Type, reader: Reader) -> tuple[SqlType, Any]:
    name = _STRINGS[token]
    limit = reader.u16()
    collation = None if name in _BINARY else reader.take(5)
    sql = _string_type(name, limit, collation)
    if limit == PLP_MARK:
        data = _plp(reader)
    else:
        size = reader.u16()
        data = None if size == _NULL_U16 else reader.take(size)
    return sql, None if data is None else _decode(sql, data)


def _string_type(name: str, limit: int, collation: bytes | None) -> SqlType:
    length = MAX if limit == PLP_MARK else limit // 2 if name in _WIDE else limit
    if collation is None:
        return SqlType(name, length=length)
    return SqlType(name, length=length, collation=collation_on_wire(collation).name)


def _legacy(token: Type, reader: Reader) -> tuple[SqlType, Any]:
    name = _LEGACY[token]
    reader.u32()
    collation = None if token is Type.IMAGE else collation_on_wire(reader.take(5)).name
    sql = SqlType(name, collation=collation)
    size = reader.u32()
    return sql, None if size == _NULL_U32 else _decode(sql, reader.take(size))


def _xml(_token: Type, reader: Reader) -> tuple[SqlType, Any]:
    if reader.u8():
        reader.b_varchar()
        reader.b_varchar()
        reader.us_varchar()
    sql = SqlType("xml")
    data = _plp(reader)
    return sql, None if data is None else _decode(sql, data).removeprefix("\ufeff")


def _udt(_token: Type, reader: Reader) -> tuple[SqlType, Any]:
    _database, _schema, name = reader.b_varchar(), reader.b_varchar(), reader.b_varchar()
    return SqlType(name.lower()), _plp(reader)


def _null(_token: Type, _reader: Reader) -> tuple[SqlType, Any]:
    return SqlType("int"), None


def _plp(reader: Reader) -> bytes | None:
    """Read a value in chunks, its total length known or not (MS-TDS 2.2.5.2.3)."""
    total = reader.u64()
    if total == PLP_NULL:
        return None
    chunks = []
    while size := reader.u32():
        chunks.append(reader.take(size))
    data = b"".join(chunks)
    if total not in {PLP_UNKNOWN_LENGTH, len(data)}:
        raise ProtocolError(f"a value of {total} bytes came with {len(data)}")
    return data


def _variant(_token: Type, reader: Reader) -> tuple[SqlType, Any]:
    sql = SqlType("sql_variant")
    reader.u32()
    size = reader.u32()
    if not size:
        return sql, None
    inner = Reader(reader.take(size))
    token, property_bytes = inner.u8(), inner.u8()
    base = _variant_base(token, Reader(inner.take(property_bytes)))
    return sql, Variant(base, _decode(base, inner.take(inner.remaining)))


def _variant_base(token: int, properties: Reader) -> SqlType:
    try:
        kind = Type(token)
    except ValueError as exc:
        raise ProtocolError(f"a sql_variant of type {token:#04x} is not supported") from exc
    if kind in SIMPLE_BASES:
        return SqlType(SIMPLE_BASES[kind])
    if kind in _TIMES:
        return SqlType(_TIMES[kind][0], scale=properties.u8())
    if kind in {Type.DECIMAL_N, Type.NUMERIC_N}:
        name = "decimal" if kind is Type.DECIMAL_N else "numeric"
        return SqlType(name, precision=properties.u8(), scale=properties.u8())
    if kind in _STRINGS:
        name = _STRINGS[kind]
        collation = None if name in _BINARY else properties.take(5)
        return _string_type(name, properties.u16(), collation)
    raise ProtocolError(f"a sql_variant of type {kind.name} is not supported")


_READERS: Final[dict[Type, Callable[[Type, Reader], tuple[SqlType, Any]]]] = {
    Type.NULL: _null,
    **dict.fromkeys(_SIZED, _sized),
    **dict.fromkeys((Type.DECIMAL_N, Type.NUMERIC_N), _decimal),
    Type.DATE_N: _date,
    **dict.fromkeys(_TIMES, _time),
    **dict.fromkeys(_STRINGS, _string),
    **dict.fromkeys(_LEGACY, _legacy),
    Type.XML: _xml,
    Type.UDT: _udt,
    Type.VARIANT: _variant,
}


# ---- bytes of one value to its wire form


def _decode(sql: SqlType, data: bytes) -> Any:
    if sql.name in _WIDE:
        return data.decode(UTF_16, "surrogatepass") if len(data) % 2 == 0 else _odd(data)
    if sql.name in {"char", "varchar", "text"}:
        return data.decode(collation_named(sql.collation).codec, "replace")
    if sql.name in _BINARY or sql.name == "uniqueidentifier":
        return data
    try:
        return _DECODERS[sql.name](sql, data)
    except (struct.error, KeyError) as exc:
        raise ProtocolError(f"{len(data)} bytes are no {sql.name}") from exc


def _odd(data: bytes) -> str:
    raise ProtocolError(f"{len(data)} bytes are no UTF-16")


def _unpack(codes: str) -> Callable[[SqlType, bytes], Any]:
    form = struct.Struct("<" + codes)
    return lambda _sql, data: form.unpack(data)[0]


def _money(_sql: SqlType, data: bytes) -> int:
    high, low = _MONEY.unpack(data)
    value: int = high << 32 | low
    return value


def _signed_magnitude(_sql: SqlType, data: bytes) -> int:
    magnitude = int.from_bytes(data[1:], "little")
    return magnitude if data[:1] == b"\1" else -magnitude


def _datetime(_sql: SqlType, data: bytes) -> int:
    days, ticks = struct.unpack("<iI", data)
    return int(days) * 25_920_000 + int(ticks)


def _smalldatetime(_sql: SqlType, data: bytes) -> int:
    days, minutes = struct.unpack("<HH", data)
    return int(days) * 1_440 + int(minutes)


def _days(_sql: SqlType, data: bytes) -> int:
    return int.from_bytes(data, "little")


def _ticks(sql: SqlType, data: bytes) -> int:
    size = time_bytes(sql.scale)
    unit: int = 10 ** (7 - sql.scale)
    days = int.from_bytes(data[size : size + 3], "little")
    return days * TICKS_PER_DAY + int.from_bytes(data[:size], "little") * unit


def _offset(sql: SqlType, data: bytes) -> bytes:
    (minutes,) = struct.unpack("<h", data[-2:])
    try:
        return struct.pack(">QH", _ticks(sql, data[:-2]), minutes + 840)
    except struct.error as exc:
        raise ProtocolError(f"{minutes} minutes are no time zone") from exc


_DECODERS: Final[dict[str, Callable[[SqlType, bytes], Any]]] = {
    "bit": lambda _sql, data: int(data != b"\0"),
    "tinyint": _unpack("B"),
    "smallint": _unpack("h"),
    "int": _unpack("i"),
    "bigint": _unpack("q"),
    "real": _unpack("f"),
    "float": _unpack("d"),
    "money": _money,
    "smallmoney": _unpack("i"),
    "decimal": _signed_magnitude,
    "numeric": _signed_magnitude,
    "datetime": _datetime,
    "smalldatetime": _smalldatetime,
    "date": _days,
    "time": _days,
    "datetime2": _ticks,
    "datetimeoffset": _offset,
}
