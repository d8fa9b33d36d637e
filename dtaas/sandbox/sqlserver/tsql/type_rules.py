"""Rules of T-SQL's types: precedence, families, and the type two operands meet in.

Source: Microsoft Learn, "Data type precedence" and "Precision, scale, and length".
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql.value import Value
from dtaas.sandbox.sqlserver.types import MAX, SqlType

_PRECEDENCE: Final = [
    "binary",
    "varbinary",
    "char",
    "varchar",
    "nchar",
    "nvarchar",
    "sysname",
    "uniqueidentifier",
    "timestamp",
    "image",
    "text",
    "ntext",
    "bit",
    "tinyint",
    "smallint",
    "int",
    "bigint",
    "smallmoney",
    "money",
    "decimal",
    "numeric",
    "real",
    "float",
    "time",
    "date",
    "smalldatetime",
    "datetime",
    "datetime2",
    "datetimeoffset",
    "xml",
    "sql_variant",
    "geography",
    "geometry",
    "hierarchyid",
]
RANK: Final[Mapping[str, int]] = {name: i for i, name in enumerate(_PRECEDENCE)}
"""Lowest precedence first."""

INTEGERS: Final = frozenset({"bit", "tinyint", "smallint", "int", "bigint"})
DECIMALS: Final = frozenset({"decimal", "numeric"})
MONEYS: Final = frozenset({"money", "smallmoney"})
FLOATS: Final = frozenset({"real", "float"})
NUMBERS: Final = INTEGERS | DECIMALS | MONEYS | FLOATS
CHARACTERS: Final = frozenset({"char", "varchar", "nchar", "nvarchar", "sysname", "text", "ntext"})
NATIONAL: Final = frozenset({"nchar", "nvarchar", "sysname", "ntext"})
BINARIES: Final = frozenset({"binary", "varbinary", "image", "timestamp"})
MOMENTS: Final = frozenset(
    {"date", "time", "smalldatetime", "datetime", "datetime2", "datetimeoffset"}
)
CLR: Final = frozenset({"hierarchyid", "geometry", "geography"})

_MAX_DIGITS: Final = 38
_MIN_SCALE: Final = 6
_VARCHAR_BYTES: Final = 8000
_NVARCHAR_UNITS: Final = 4000
_INTEGER_DIGITS: Final = {"bit": 1, "tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}
_MONEY_DIGITS: Final = {"money": 19, "smallmoney": 10}
_MONEY_SCALE: Final = 4


def decimal_of(value: Value) -> SqlType:
    """Return the numeric type a number takes part in decimal arithmetic with.

    A constant has as many digits as it is written with, others those of their type.
    """
    name = value.type.name
    if name in DECIMALS:
        return value.type
    if value.digits is not None and name in INTEGERS:
        return SqlType("numeric", precision=len(value.digits))
    if name in MONEYS:
        return SqlType("numeric", precision=_MONEY_DIGITS[name], scale=_MONEY_SCALE)
    return SqlType("numeric", precision=_INTEGER_DIGITS[name])


def decimal_result(operator: str, left: SqlType, right: SqlType) -> SqlType:
    """Return precision and scale of `left operator right`."""
    p1, s1, p2, s2 = left.precision, left.scale, right.precision, right.scale
    match operator:
        case "+" | "-":
            scale = max(s1, s2)
            precision = max(p1 - s1, p2 - s2) + scale + 1
        case "*":
            scale, precision = s1 + s2, p1 + p2 + 1
        case "/":
            scale = max(_MIN_SCALE, s1 + p2 + 1)
            precision = p1 - s1 + s2 + scale
        case _:
            scale = max(s1, s2)
            precision = min(p1 - s1, p2 - s2) + scale
    return _capped(operator, precision, scale)


def _capped(operator: str, precision: int, scale: int) -> SqlType:
    if precision <= _MAX_DIGITS:
        return SqlType("numeric", precision=precision, scale=scale)
    whole = precision - scale
    if operator in "+-":
        scale = max(_MAX_DIGITS - whole, 0)
    elif whole < _MAX_DIGITS - _MIN_SCALE:
        scale = min(scale, _MAX_DIGITS - whole)
    else:
        scale = min(scale, _MIN_SCALE)
    return SqlType("numeric", precision=_MAX_DIGITS, scale=scale)


def common_type(values: Sequence[Value]) -> SqlType:
    """Return the type that CASE, COALESCE, UNION and comparisons give their operands.

    Bare NULLs do not count; when there is nothing else the result is int.
    Character types keep the collation of the value that wins; `collation_of` decides it.
    """
    known = [value for value in values if not value.is_null]
    if not known:
        return SqlType("int")
    top = max((value.type for value in known), key=lambda type_: RANK[type_.name])
    if top.name in DECIMALS:
        return _common_decimal(known)
    if top.name in CHARACTERS:
        return _common_text(top, known)
    if top.name in BINARIES:
        length = (
            MAX if any(v.type.length == MAX for v in known) else max(v.type.length for v in known)
        )
        return replace(top, length=length)
    if top.name in MOMENTS:
        scale = max(v.type.scale for v in known if v.type.name in MOMENTS)
        return (
            replace(top, scale=scale)
            if top.name in {"datetime2", "datetimeoffset", "time"}
            else top
        )
    return top


def _common_decimal(values: Sequence[Value]) -> SqlType:
    numbers = [v for v in values if v.type.name in INTEGERS | DECIMALS | MONEYS]
    types = [decimal_of(replace(v, digits=None)) for v in numbers]
    scale = max(t.scale for t in types)
    precision = max(t.precision - t.scale for t in types) + scale
    if precision > _MAX_DIGITS:
        scale = max(scale - (precision - _MAX_DIGITS), 0)
        precision = _MAX_DIGITS
    return SqlType("numeric", precision=precision, scale=scale)


def _common_text(top: SqlType, values: Sequence[Value]) -> SqlType:
    texts = [v for v in values if v.type.name in CHARACTERS]
    if any(v.type.length == MAX for v in texts):
        name = "nvarchar" if top.name in NATIONAL else "varchar"
        return replace(top, name=name, length=MAX)
    name = "nvarchar" if top.name == "sysname" else top.name
    return replace(top, name=name, length=max(v.type.length for v in texts))


def joined_text_type(left: SqlType, right: SqlType) -> SqlType:
    """Return the type of `left + right` for texts, without its collation."""
    national = left.name in NATIONAL or right.name in NATIONAL
    name = "nvarchar" if national else "varchar"
    if left.name in {"char", "nchar"} and right.name in {"char", "nchar"}:
        name = "nchar" if national else "char"
    if MAX in (left.length, right.length):
        return SqlType("nvarchar" if national else "varchar", MAX)
    limit = _NVARCHAR_UNITS if national else _VARCHAR_BYTES
    return SqlType(name, min(left.length + right.length, limit))


def text_type(value_type: SqlType, length: int) -> SqlType:
    """Return varchar or nvarchar of a length with the collation of `value_type`."""
    national = value_type.name in NATIONAL
    limit = _NVARCHAR_UNITS if national else _VARCHAR_BYTES
    return SqlType(
        "nvarchar" if national else "varchar",
        length if 0 <= length <= limit else MAX,
        collation=value_type.collation,
    )


_DEFAULT_LENGTHS: Final = {
    "char": 30, "varchar": 30, "nchar": 30, "nvarchar": 30, "binary": 30, "varbinary": 30,
}  # fmt: skip
_SYNONYMS: Final = {
    "integer": "int", "dec": "decimal", "character": "char", "rowversion": "timestamp",
}  # fmt: skip
_LOBS: Final = {"text": 2**31 - 1, "ntext": 2**30 - 1, "image": 2**31 - 1, "xml": MAX}
_REAL_DIGITS: Final = 24
_FLOAT_DIGITS: Final = 53
_FRACTION_DIGITS: Final = 7
_DEFAULT_DIGITS: Final = 18


def built_in_type(name: str, arguments: Sequence[int], collation: str) -> SqlType | None:
    """Return a system type as CAST reads it, None when there is no such type.

    Raises:
        SqlError: 131, 1001, 2716, 2750, 2751 or 2724-like errors for arguments out of range.
    """
    name = _SYNONYMS.get(name.lower(), name.lower())
    if name == "sysname":
        return SqlType("nvarchar", 128, collation=collation)
    if name not in RANK:
        return None
    if name in _DEFAULT_LENGTHS:
        return _sized(name, arguments, collation)
    if name in _LOBS:
        return SqlType(name, _LOBS[name], collation=None if name == "image" else collation)
    if name in DECIMALS:
        return _decimal(name, arguments)
    if name in {"time", "datetime2", "datetimeoffset"}:
        return _fractional(name, arguments)
    if name == "float":
        return _float(arguments)
    if arguments:
        raise SqlError(
            2716,
            "Column, parameter, or variable #1: Cannot specify a column width on data type "
            f"{name}.",
        )
    return SqlType(
        name,
        length=8 if name == "timestamp" else 0,
        precision=_REAL_DIGITS if name == "real" else 0,
    )


def _fractional(name: str, arguments: Sequence[int]) -> SqlType:
    scale = arguments[0] if arguments else _FRACTION_DIGITS
    if not 0 <= scale <= _FRACTION_DIGITS:
        raise SqlError(1002, f"Line 1: Specified scale {scale} is invalid.", severity=15)
    return SqlType(name, scale=scale)


def _float(arguments: Sequence[int]) -> SqlType:
    digits = arguments[0] if arguments else _FLOAT_DIGITS
    if not 1 <= digits <= _FLOAT_DIGITS:
        raise SqlError(
            2750,
            f"Column or parameter #1: Specified column precision {digits} is greater than the "
            "maximum precision of 53.",
        )
    if digits <= _REAL_DIGITS:
        return SqlType("real", precision=_REAL_DIGITS)
    return SqlType("float", precision=_FLOAT_DIGITS)


def _sized(name: str, arguments: Sequence[int], collation: str) -> SqlType:
    national = name in NATIONAL
    limit = _NVARCHAR_UNITS if national else _VARCHAR_BYTES
    length = arguments[0] if arguments else _DEFAULT_LENGTHS[name]
    if length == 0:
        raise SqlError(
            1001, f"Line 1: Length or precision specification {length} is invalid.", severity=15
        )
    if length > limit or (length == MAX and not name.startswith(("var", "nvar"))):
        raise SqlError(
            131,
            f"The size ({length}) given to the type '{name}' exceeds the maximum allowed for any "
            f"data type ({limit}).",
            severity=15,
        )
    return SqlType(name, length, collation=None if name.endswith("binary") else collation)


def _decimal(name: str, arguments: Sequence[int]) -> SqlType:
    precision = arguments[0] if arguments else _DEFAULT_DIGITS
    scale = arguments[1] if len(arguments) > 1 else 0
    if not 1 <= precision <= _MAX_DIGITS:
        raise SqlError(
            2750,
            f"Column or parameter #1: Specified column precision {precision} is greater than the "
            "maximum precision of 38.",
        )
    if scale > precision:
        raise SqlError(
            183,
            f"The scale ({scale}) for column '' must be within the range 0 to {precision}.",
            severity=15,
        )
    return SqlType(name, precision=precision, scale=scale)
