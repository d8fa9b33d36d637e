"""Arithmetic, bit and string operators.

Rules: Microsoft Learn, "Arithmetic operators", "+ (String concatenation)", "Precision, scale, and
length". The storage's own operators are used where they fail as SQL Server does (overflow,
division by zero; see `errors.from_postgres`).
"""

from typing import Final

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.storage.forms import storage_type
from dtaas.sandbox.sqlserver.tsql.comparing import merge_collations
from dtaas.sandbox.sqlserver.tsql.conversion import Conversion, convert
from dtaas.sandbox.sqlserver.tsql.errors import (
    incompatible_types,
    invalid_operand,
    type_clash,
)
from dtaas.sandbox.sqlserver.tsql.type_rules import (
    BINARIES,
    CHARACTERS,
    DECIMALS,
    FLOATS,
    INTEGERS,
    MOMENTS,
    MONEYS,
    NUMBERS,
    RANK,
    decimal_of,
    decimal_result,
    joined_text_type,
)
from dtaas.sandbox.sqlserver.tsql.value import FLOAT, Value
from dtaas.sandbox.sqlserver.types import MAX, SqlType

_NAMES: Final = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "%": "modulo",
    "&": "'&'",
    "|": "'|'",
    "^": "'^'",
}
_BITS: Final = {"&": "&", "|": "|", "^": "#"}
_OLD: Final = frozenset({"datetime", "smalldatetime"})
_BINARY_LIMIT: Final = 8000


def binary(operator: str, left: Value, right: Value) -> Value:
    """Bind `left operator right`.

    Raises:
        SqlError: 206, 402, 8117 and other type errors.
    """
    left, right = _nulls(left, right)
    names = {left.type.name, right.type.name}
    if names <= CHARACTERS:
        if operator != "+":
            raise invalid_operand(left.type.name, _NAMES[operator])
        return concatenate(left, right)
    if operator in _BITS:
        return _bitwise(operator, left, right)
    if names <= BINARIES:
        if operator != "+":
            raise invalid_operand(left.type.name, _NAMES[operator])
        return _join_bytes(left, right)
    if names & _OLD:
        return _old_moment(operator, left, right)
    if names & (MOMENTS | {"uniqueidentifier", "xml", "sql_variant"}):
        raise incompatible_types(left.type.name, right.type.name, _NAMES[operator])
    return _arithmetic(operator, left, right)


def negate(operand: Value) -> Value:
    """Bind `-x`.

    Raises:
        SqlError: 8117.
    """
    if operand.type.name not in NUMBERS or operand.type.name == "bit":
        raise invalid_operand(operand.type.name, "minus")
    if operand.type.name == "tinyint":
        return replace(operand, sql=f"(-{operand.sql})::smallint", type=SqlType("smallint"))
    # a sign before a constant is part of it: PostgreSQL's -x::t would cast before it negates
    return replace(operand, sql=f"(-{operand.sql})", text=None, identity=False, column=None)


def invert(operand: Value) -> Value:
    """Bind `~x`.

    Raises:
        SqlError: 8117.
    """
    match operand.type.name:
        case "bit":
            return replace(operand, sql=f"(1 - {operand.sql})::smallint", digits=None)
        case "tinyint":
            return replace(operand, sql=f"(255 - {operand.sql})::smallint", digits=None)
        case name if name in INTEGERS:
            return replace(operand, sql=f"(~{operand.sql})", digits=None)
        case name:
            raise invalid_operand(name, "'~'")


def concatenate(left: Value, right: Value) -> Value:
    """Bind the concatenation of two texts."""
    winner = merge_collations([left, right])
    type_ = replace(joined_text_type(left.type, right.type), collation=winner.type.collation)
    sql = f"({left.sql} || {right.sql})"
    if type_.length != MAX and left.type.length + right.type.length > type_.length:
        sql = f"tsql.cut({sql}, {type_.length}, {0 if type_.name == 'nvarchar' else 1252})"
    return _result(
        sql, type_, left, right, coercibility=winner.coercibility, conflict=winner.conflict
    )


def _result(sql: str, type_: SqlType, left: Value, right: Value, **more: object) -> Value:
    fields = {
        "sql": sql,
        "type": type_,
        "nullable": left.nullable or right.nullable,
        "constant": left.constant and right.constant,
        **more,
    }
    return Value(**fields)  # type: ignore[arg-type]


def _nulls(left: Value, right: Value) -> tuple[Value, Value]:
    """Give a bare NULL the type of the other side."""
    if left.is_null and not right.is_null:
        return Conversion(right.type)(left), right
    if right.is_null and not left.is_null:
        return left, Conversion(left.type)(right)
    return left, right


def _bitwise(operator: str, left: Value, right: Value) -> Value:
    for value, other in ((left, right), (right, left)):
        if value.type.name not in INTEGERS | BINARIES:
            raise incompatible_types(left.type.name, right.type.name, _NAMES[operator])
        if value.type.name in BINARIES and other.type.name in BINARIES:
            raise incompatible_types(left.type.name, right.type.name, _NAMES[operator])
    target = max((left.type, right.type), key=lambda type_: RANK[type_.name])
    left, right = convert(left, target), convert(right, target)
    return _result(f"({left.sql} {_BITS[operator]} {right.sql})", target, left, right)


def _join_bytes(left: Value, right: Value) -> Value:
    lengths = (left.type.length, right.type.length)
    length = MAX if MAX in lengths else min(sum(lengths), _BINARY_LIMIT)
    return _result(f"({left.sql} || {right.sql})", SqlType("varbinary", length), left, right)


def _old_moment(operator: str, left: Value, right: Value) -> Value:
    """Add to or subtract from datetime and smalldatetime: numbers are days since 1900."""
    target = max((left.type, right.type), key=lambda type_: RANK[type_.name])
    if target.name not in _OLD:
        raise incompatible_types(left.type.name, right.type.name, _NAMES[operator])
    if operator not in "+-":
        raise invalid_operand(target.name, _NAMES[operator])
    left, right = convert(left, target), convert(right, target)
    if target.name == "datetime":
        sql = f"tsql.checked_datetime({left.sql} {operator} {right.sql}, 'datetime', false)"
    else:
        zero = "599266080000000000"
        sql = (
            f"tsql.checked_smalldatetime({left.sql} {operator} ({right.sql} - {zero}), "
            "'smalldatetime', false)"
        )
    return _result(sql, target, left, right)


def _arithmetic(operator: str, left: Value, right: Value) -> Value:
    target = max((left.type, right.type), key=lambda type_: RANK[type_.name])
    for value in (left, right):
        if value.type.name in CHARACTERS | BINARIES and target.name not in NUMBERS:
            raise incompatible_types(left.type.name, right.type.name, _NAMES[operator])
        if value.type.name in BINARIES and target.name not in INTEGERS:
            raise type_clash(value.type.name, target.name)
    if left.type.name == right.type.name == "bit":
        raise invalid_operand("bit", _NAMES[operator])
    if target.name in FLOATS:
        return _float(operator, convert(left, target), convert(right, target))
    if target.name in DECIMALS:
        return _decimal(operator, left, right)
    left, right = convert(left, target), convert(right, target)
    if target.name in MONEYS:
        return _money(operator, left, right)
    return _integer(operator, left, right)


def _integer(operator: str, left: Value, right: Value) -> Value:
    type_ = left.type
    sql = f"({left.sql} {operator} {right.sql})"
    if type_.name == "tinyint":
        sql = f"tsql.tinyint({sql})"
    return _result(sql, type_, left, right)


def _float(operator: str, left: Value, right: Value) -> Value:
    if operator == "%":
        raise invalid_operand(left.type.name, "modulo")
    return _result(f"({left.sql} {operator} {right.sql})", left.type, left, right)


def _money(operator: str, left: Value, right: Value) -> Value:
    pg = storage_type(left.type)
    if operator == "/":
        return _result(f"tsql.quotient({left.sql}, {right.sql}, 4)::{pg}", left.type, left, right)
    return _result(f"({left.sql} {operator} {right.sql})::{pg}", left.type, left, right)


def _decimal(operator: str, left: Value, right: Value) -> Value:
    left, right = _as_number(left), _as_number(right)
    result = decimal_result(operator, decimal_of(left), decimal_of(right))
    pg = f"numeric({result.precision},{result.scale})"
    if operator == "/":
        return _result(
            f"tsql.quotient({left.sql}, {right.sql}, {result.scale})::{pg}", result, left, right
        )
    return _result(f"({left.sql} {operator} {right.sql})::{pg}", result, left, right)


def _as_number(value: Value) -> Value:
    if value.type.name in CHARACTERS:
        return convert(value, SqlType("numeric", precision=38, scale=10))
    if value.type.name in INTEGERS:
        type_ = decimal_of(value)
        return replace(value, sql=f"{value.sql}::numeric", type=type_)
    if value.type.name in MONEYS:
        return replace(value, type=decimal_of(value))
    return value


def to_float(value: Value) -> Value:
    """Convert to float, as the mathematical functions do."""
    return convert(value, FLOAT)
