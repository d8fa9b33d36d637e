"""T-SQL column types: from written arguments to a SqlType, and the figures sys.columns shows."""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.forms import CHARACTER_TYPES
from dtaas.sandbox.sqlserver.types import MAX, SqlType

SYNONYMS: Final = {
    "integer": "int",
    "dec": "decimal",
    "character": "char",
    "varcharacter": "varchar",
    "rowversion": "timestamp",
    "binary varying": "varbinary",
}
_IDS: Final = {
    "image": 34, "text": 35, "uniqueidentifier": 36, "date": 40, "time": 41, "datetime2": 42,
    "datetimeoffset": 43, "tinyint": 48, "smallint": 52, "int": 56, "smalldatetime": 58,
    "real": 59, "money": 60, "datetime": 61, "float": 62, "sql_variant": 98, "ntext": 99,
    "bit": 104, "decimal": 106, "numeric": 108, "smallmoney": 122, "bigint": 127,
    "hierarchyid": 128, "geometry": 129, "geography": 130, "varbinary": 165, "varchar": 167,
    "binary": 173, "char": 175, "timestamp": 189, "nvarchar": 231, "nchar": 239, "xml": 241,
    "sysname": 256,
}  # fmt: skip
"""user_type_id by name; Microsoft Learn, sys.types."""

_LONGEST: Final = {"char": 8000, "varchar": 8000, "binary": 8000, "varbinary": 8000,
                   "nchar": 4000, "nvarchar": 4000}  # fmt: skip
_WITH_MAX: Final = frozenset({"varchar", "nvarchar", "varbinary"})
# Bytes, precision and scale of the types that have no parameters.
_FIXED: Final = {
    "bit": (1, 1, 0), "tinyint": (1, 3, 0), "smallint": (2, 5, 0), "int": (4, 10, 0),
    "bigint": (8, 19, 0), "money": (8, 19, 4), "smallmoney": (4, 10, 4), "date": (3, 10, 0),
    "smalldatetime": (4, 16, 0), "datetime": (8, 23, 3), "uniqueidentifier": (16, 0, 0),
    "text": (16, 0, 0), "ntext": (16, 0, 0), "image": (16, 0, 0), "xml": (-1, 0, 0),
    "sql_variant": (8016, 0, 0), "timestamp": (8, 0, 0), "hierarchyid": (892, 0, 0),
    "geometry": (-1, 0, 0), "geography": (-1, 0, 0),
}  # fmt: skip
# Bytes at scales 0-2, 3-4, 5-7, and the digits before the fraction.
_TIMES: Final = {
    "time": ((3, 4, 5), 8),
    "datetime2": ((6, 7, 8), 19),
    "datetimeoffset": ((8, 9, 10), 26),
}
_MAX_DIGITS: Final = 38
_MAX_SCALE: Final = 7
_REAL_DIGITS: Final = 24
_DOUBLE_DIGITS: Final = 53


class Figures(Struct, frozen=True):
    """max_length (bytes), precision and scale, as sys.columns shows them."""

    max_length: int
    precision: int
    scale: int


def is_base_type(name: str) -> bool:
    """Tell whether a lower-case name is a system type or a synonym of one."""
    return name in _IDS or name in SYNONYMS


def user_type_id(name: str) -> int:
    """Return the id of a system type."""
    return _IDS[name]


def make_type(name: str, arguments: tuple[int, ...], *, collation: str, column: str) -> SqlType:
    """Return the type written as `name(arguments)`.

    Args:
        name: lower-case name of a system type or a synonym.
        arguments: as written; MAX for (max).
        collation: for character types.
        column: for the error texts.

    Raises:
        SqlError: 131, 1001, 1002, 2716 and their kin: arguments out of range.
    """
    name = SYNONYMS.get(name, name)
    if name == "sysname":
        return SqlType("nvarchar", 128, collation=collation)
    if name in _LONGEST:
        type_ = SqlType(name, _length(name, arguments, column))
    elif name in {"decimal", "numeric"}:
        type_ = _decimal(name, arguments, column)
    elif name in _TIMES:
        type_ = SqlType(name, scale=_scale(arguments))
    elif name == "float":
        type_ = _float(arguments, column)
    elif arguments:
        raise SqlError(
            2716,
            f"Column, parameter, or variable #1: Cannot specify a column width on data type "
            f"{name}.",
        )
    elif name == "real":
        type_ = SqlType("real", precision=_REAL_DIGITS)
    else:
        type_ = SqlType(name)
    return replace(type_, collation=collation) if name in CHARACTER_TYPES - {"xml"} else type_


def figures(type_: SqlType) -> Figures:
    """Return what sys.columns shows of a type."""
    match type_.name:
        case "decimal" | "numeric":
            steps = (9, 19, 28, _MAX_DIGITS)
            bytes_ = 5 + 4 * next(i for i, most in enumerate(steps) if type_.precision <= most)
            return Figures(bytes_, type_.precision, type_.scale)
        case "real" | "float":
            return Figures(4 if type_.name == "real" else 8, type_.precision, 0)
        case "nchar" | "nvarchar":
            return Figures(MAX if type_.length == MAX else 2 * type_.length, 0, 0)
        case "char" | "varchar" | "binary" | "varbinary":
            return Figures(type_.length, 0, 0)
        case "time" | "datetime2" | "datetimeoffset":
            sizes, digits = _TIMES[type_.name]
            size = sizes[(type_.scale > 2) + (type_.scale > 4)]  # noqa: PLR2004
            return Figures(size, digits + (type_.scale + 1 if type_.scale else 0), type_.scale)
        case name:
            return Figures(*_FIXED[name])


def type_text(type_: SqlType) -> str:
    """Return a type as T-SQL writes it, without its collation."""
    match type_.name:
        case "decimal" | "numeric":
            return f"{type_.name}({type_.precision},{type_.scale})"
        case "time" | "datetime2" | "datetimeoffset":
            return f"{type_.name}({type_.scale})"
        case name if name in _LONGEST:
            return f"{name}({'max' if type_.length == MAX else type_.length})"
        case name:
            return name


def _length(name: str, arguments: tuple[int, ...], column: str) -> int:
    if not arguments:
        return 1
    (length,) = arguments[:1]
    if length == MAX and name in _WITH_MAX:
        return MAX
    if length in {0, MAX}:
        raise SqlError(1001, "Line 1: Length or precision specification 0 is invalid.", severity=15)
    if length > _LONGEST[name]:
        raise SqlError(
            131,
            f"The size ({length}) given to the column '{column}' exceeds the maximum allowed for "
            f"any data type ({8000 if _LONGEST[name] == 8000 else 4000}).",  # noqa: PLR2004
            severity=15,
            state=2 if _LONGEST[name] == 8000 else 3,  # noqa: PLR2004
        )
    return length


def _decimal(name: str, arguments: tuple[int, ...], column: str) -> SqlType:
    precision, scale = (*arguments, *(18, 0)[len(arguments) :])
    if precision < 1 or precision > _MAX_DIGITS:
        raise SqlError(
            2750,
            f"Column or parameter #1: Specified column precision {precision} is greater than the "
            f"maximum precision of {_MAX_DIGITS}.",
        )
    if scale > precision:
        raise SqlError(
            183,
            f"The scale ({scale}) for column '{column}' must be within the range 0 to {precision}.",
            severity=15,
        )
    return SqlType(name, precision=precision, scale=scale)


def _scale(arguments: tuple[int, ...]) -> int:
    scale = arguments[0] if arguments else _MAX_SCALE
    if not 0 <= scale <= _MAX_SCALE:
        raise SqlError(1002, f"Line 1: Specified scale {scale} is invalid.", severity=15)
    return scale


def _float(arguments: tuple[int, ...], column: str) -> SqlType:
    digits = arguments[0] if arguments else _DOUBLE_DIGITS
    if not 1 <= digits <= _DOUBLE_DIGITS:
        raise SqlError(
            2717,
            f"The size ({digits}) given to the column '{column}' exceeds the maximum allowed "
            f"({_DOUBLE_DIGITS}).",
        )
    if digits <= _REAL_DIGITS:
        return SqlType("real", precision=_REAL_DIGITS)
    return SqlType("float", precision=_DOUBLE_DIGITS)
