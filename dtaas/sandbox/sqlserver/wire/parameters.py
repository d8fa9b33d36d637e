"""Parameters of a call: TYPE_INFO and value as clients send them (MS-TDS 2.2.6.6)."""

from collections.abc import Callable
from typing import Any, Final

from dtaas.sandbox.sqlserver.results import Parameter
from dtaas.sandbox.sqlserver.types import MAX, SqlType, Variant
from dtaas.sandbox.sqlserver.wire.collations import collation_on_wire
from dtaas.sandbox.sqlserver.wire.decoders import BINARY, WIDE, decode
from dtaas.sandbox.sqlserver.wire.protocol import (
    PLP_MARK,
    PLP_NULL,
    PLP_UNKNOWN_LENGTH,
    ProtocolError,
    Type,
)
from dtaas.sandbox.sqlserver.wire.reader import Reader
from dtaas.sandbox.sqlserver.wire.typeinfo import FIXED, time_bytes
from dtaas.sandbox.sqlserver.wire.variants import SIMPLE_BASES

_BY_REFERENCE: Final = 0x01
_NULL_U16: Final = 0xFFFF
_NULL_U32: Final = 0xFFFFFFFF
_MAX_PRECISION: Final = 38
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


def read_parameter(reader: Reader) -> Parameter:
    """Read a parameter: name, status, type and value.

    Raises:
        ProtocolError: the type is not supported, as table-valued ones are not, or the bytes end.
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
        return sql, decode(sql, reader.take(FIXED[sql.name][2]))
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
    return sql, decode(SqlType(names[size]), reader.take(size)) if size else None


def _decimal(token: Type, reader: Reader) -> tuple[SqlType, Any]:
    widest, precision, scale, size = reader.u8(), reader.u8(), reader.u8(), reader.u8()
    if not 1 <= precision <= _MAX_PRECISION or scale > precision or size > widest:
        raise ProtocolError(f"decimal({precision},{scale}) of {size} bytes does not exist")
    name = "decimal" if token is Type.DECIMAL_N else "numeric"
    sql = SqlType(name, precision=precision, scale=scale)
    return sql, decode(sql, reader.take(size)) if size else None


def _date(_token: Type, reader: Reader) -> tuple[SqlType, Any]:
    size = reader.u8()
    if size not in {0, _DATE_BYTES}:
        raise ProtocolError(f"a date of {size} bytes does not exist")
    sql = SqlType("date")
    return sql, decode(sql, reader.take(size)) if size else None


def _time(token: Type, reader: Reader) -> tuple[SqlType, Any]:
    scale, size = reader.u8(), reader.u8()
    name, extra = _TIMES[token]
    if scale > _MAX_SCALE or size not in {0, time_bytes(scale) + extra}:
        raise ProtocolError(f"{name}({scale}) with {size} bytes does not exist")
    sql = SqlType(name, scale=scale)
    return sql, decode(sql, reader.take(size)) if size else None


def _string(token: Type, reader: Reader) -> tuple[SqlType, Any]:
    name = _STRINGS[token]
    limit = reader.u16()
    collation = None if name in BINARY else reader.take(5)
    sql = _string_type(name, limit, collation)
    if limit == PLP_MARK:
        data = _plp(reader)
    else:
        size = reader.u16()
        data = None if size == _NULL_U16 else reader.take(size)
    return sql, None if data is None else decode(sql, data)


def _string_type(name: str, limit: int, collation: bytes | None) -> SqlType:
    length = MAX if limit == PLP_MARK else limit // 2 if name in WIDE else limit
    if collation is None:
        return SqlType(name, length=length)
    return SqlType(name, length=length, collation=collation_on_wire(collation).name)


def _legacy(token: Type, reader: Reader) -> tuple[SqlType, Any]:
    name = _LEGACY[token]
    reader.u32()
    collation = None if token is Type.IMAGE else collation_on_wire(reader.take(5)).name
    sql = SqlType(name, collation=collation)
    size = reader.u32()
    return sql, None if size == _NULL_U32 else decode(sql, reader.take(size))


def _xml(_token: Type, reader: Reader) -> tuple[SqlType, Any]:
    if reader.u8():
        reader.b_varchar()
        reader.b_varchar()
        reader.us_varchar()
    sql = SqlType("xml")
    data = _plp(reader)
    return sql, None if data is None else decode(sql, data).removeprefix("\ufeff")


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
    return sql, Variant(base, decode(base, inner.take(inner.remaining)))


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
        collation = None if name in BINARY else properties.take(5)
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
