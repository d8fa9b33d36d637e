"""Functions of numbers. Source: Microsoft Learn, "Mathematical functions (Transact-SQL)"."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.storage.forms import storage_type
from dtaas.sandbox.sqlserver.tsql.conversion import convert
from dtaas.sandbox.sqlserver.tsql.errors import invalid_argument_type
from dtaas.sandbox.sqlserver.tsql.function import Function, call
from dtaas.sandbox.sqlserver.tsql.names import Compilation
from dtaas.sandbox.sqlserver.tsql.type_rules import (
    CHARACTERS,
    DECIMALS,
    FLOATS,
    MONEYS,
    NUMBERS,
)
from dtaas.sandbox.sqlserver.tsql.value import FLOAT, INT, MONEY, Value
from dtaas.sandbox.sqlserver.types import SqlType

_Values = Sequence[Value]
_SMALL: Final = frozenset({"tinyint", "smallint", "bit"})


def _number(value: Value, function: str) -> Value:
    """Return an argument as these functions take it: small integers are int, texts float."""
    if value.is_null:
        return convert(value, INT)
    if value.type.name in CHARACTERS | {"bit"}:
        return convert(value, FLOAT)
    if value.type.name in _SMALL:
        return convert(value, INT)
    if value.type.name == "smallmoney":
        return convert(value, MONEY)
    if value.type.name == "real":
        return convert(value, FLOAT)
    if value.type.name not in NUMBERS:
        raise invalid_argument_type(value.type.name, 1, function)
    return value


def _absolute(values: _Values, _: Compilation) -> Value:
    value = _number(values[0], "abs")
    return call("abs", [value.sql], value.type, value)


def _whole(function: str, values: _Values, _: Compilation) -> Value:
    value = _number(values[0], function)
    if value.type.name in DECIMALS:
        type_ = SqlType("numeric", precision=value.type.precision)
        return call(function, [value.sql], type_, value)
    if value.type.name in FLOATS | MONEYS:
        return call(function, [value.sql], value.type, value)
    return replace(value, column=None, identity=False)


def _sign(values: _Values, _: Compilation) -> Value:
    value = _number(values[0], "sign")
    result = call("sign", [value.sql], value.type, value)
    return replace(result, sql=f"{result.sql}::{storage_type(value.type)}")


def _round(values: _Values, _: Compilation) -> Value:
    value = _number(values[0], "round")
    digits = convert(values[1], INT).sql
    truncates = convert(values[2], INT).sql if len(values) > 2 else "0"  # noqa: PLR2004 - optional
    if value.type.name in FLOATS:
        return call("tsql.round_float", [value.sql, digits, truncates], value.type, *values)
    pg = storage_type(value.type)
    scale = 4 if value.type.name in MONEYS else value.type.scale
    result = call(
        "tsql.round_decimal",
        [f"{value.sql}::numeric", digits, truncates, str(scale)],
        value.type,
        *values,
    )
    return replace(result, sql=f"{result.sql}::{pg}")


def _power(values: _Values, _: Compilation) -> Value:
    base, exponent = _number(values[0], "power"), convert(values[1], FLOAT)
    if base.type.name in FLOATS:
        return call("power", [base.sql, exponent.sql], base.type, *values)
    if base.type.name in DECIMALS | MONEYS:
        scale = 4 if base.type.name in MONEYS else base.type.scale
        type_ = MONEY if base.type.name in MONEYS else SqlType("numeric", precision=38, scale=scale)
        sql = f"power({base.sql}::double precision, {exponent.sql})::numeric"
        return Value(sql=f"{sql}::{storage_type(type_)}", type=type_, nullable=True)
    result = call("tsql.power_int", [base.sql, exponent.sql], base.type, *values)
    return replace(result, sql=f"{result.sql}::{storage_type(base.type)}")


def _float(function: str, values: _Values, _: Compilation) -> Value:
    value = convert(values[0], FLOAT)
    return call(function, [value.sql], FLOAT, value)


def _logarithm(values: _Values, _: Compilation) -> Value:
    value = convert(values[0], FLOAT)
    if len(values) == 1:
        return call("ln", [value.sql], FLOAT, value)
    base = convert(values[1], FLOAT)
    return Value(sql=f"(ln({value.sql}) / ln({base.sql}))", type=FLOAT)


def _pi(_: _Values, __: Compilation) -> Value:
    return Value(sql="pi()", type=FLOAT, nullable=False, constant=True)


def _simple(function: str) -> Function:
    return Function(1, 1, lambda values, compilation: _float(function, values, compilation))


MATH_FUNCTIONS: Final[Mapping[str, Function]] = {
    "ABS": Function(1, 1, _absolute),
    "CEILING": Function(1, 1, lambda v, c: _whole("ceiling", v, c)),
    "FLOOR": Function(1, 1, lambda v, c: _whole("floor", v, c)),
    "SIGN": Function(1, 1, _sign),
    "ROUND": Function(2, 3, _round),
    "POWER": Function(2, 2, _power),
    "SQUARE": Function(
        1,
        1,
        lambda v, _: Value(
            sql=f"power({convert(v[0], FLOAT).sql}, 2)", type=FLOAT, nullable=v[0].nullable
        ),
    ),
    "LOG": Function(1, 2, _logarithm),
    "PI": Function(0, 0, _pi),
    "SQRT": _simple("sqrt"),
    "EXP": _simple("exp"),
    "LOG10": _simple("log"),
    "SIN": _simple("sin"),
    "COS": _simple("cos"),
    "TAN": _simple("tan"),
    "ATAN": _simple("atan"),
    "DEGREES": _simple("degrees"),
    "RADIANS": _simple("radians"),
}
"""By upper-case name."""
