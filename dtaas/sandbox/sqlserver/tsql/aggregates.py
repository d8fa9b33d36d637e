"""Aggregates, with and without OVER. Source: Microsoft Learn, "Aggregate functions"."""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.forms import storage_type
from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.block import Block
from dtaas.sandbox.sqlserver.tsql.comparing import comparable, key
from dtaas.sandbox.sqlserver.tsql.conditions import as_text
from dtaas.sandbox.sqlserver.tsql.conversion import convert
from dtaas.sandbox.sqlserver.tsql.errors import argument_count, invalid_operand, syntax
from dtaas.sandbox.sqlserver.tsql.ordering import order_by
from dtaas.sandbox.sqlserver.tsql.type_rules import (
    CHARACTERS,
    DECIMALS,
    FLOATS,
    MONEYS,
    NUMBERS,
    text_type,
)
from dtaas.sandbox.sqlserver.tsql.value import BIGINT, FLOAT, INT, MONEY, Value
from dtaas.sandbox.sqlserver.types import MAX, SqlType

Bind = Callable[[tree.Expression, Block], Value]

AGGREGATES: Final = frozenset(
    {"COUNT", "COUNT_BIG", "SUM", "AVG", "MIN", "MAX", "STDEV", "STDEVP", "VAR", "VARP"}
    | {"STRING_AGG"}
)
_STATISTICS: Final = {
    "STDEV": "stddev_samp",
    "STDEVP": "stddev_pop",
    "VAR": "var_samp",
    "VARP": "var_pop",
}
_SUMS: Final = {
    "tinyint": INT,
    "smallint": INT,
    "int": INT,
    "bigint": BIGINT,
    "money": MONEY,
    "smallmoney": MONEY,
    "real": FLOAT,
    "float": FLOAT,
}
_DIGITS: Final = 38
_AVG_SCALE: Final = 6


def bind_aggregate(node: tree.Call, block: Block, bind: Bind, over: str = "") -> Value:
    """Bind an aggregate; `over` is the OVER clause in the storage's SQL.

    Raises:
        SqlError: 147 or 130 where no aggregate may stand, 8117 for a type it does not take.
    """
    if block.in_aggregate and not over:
        raise SqlError(
            130,
            "Cannot perform an aggregate function on an expression containing an aggregate or a "
            "subquery.",
        )
    if not block.allows_aggregates and not over:
        raise SqlError(
            147,
            "An aggregate may not appear in the WHERE clause unless it is in a subquery contained "
            "in a HAVING clause or a select list, and the column being aggregated is an outer "
            "reference.",
            severity=15,
        )
    name = node.parts[-1].upper()
    inner = block if over else replace(block, in_aggregate=True)
    if name in {"COUNT", "COUNT_BIG"}:
        return _count(node, name, inner, bind, over)
    if name == "STRING_AGG":
        return _string_agg(node, inner, bind, over)
    if len(node.arguments) != 1 or isinstance(node.arguments[0], tree.Star):
        raise argument_count(name, "1")
    value = bind(node.arguments[0], inner)
    if name in {"MIN", "MAX"}:
        return _extreme(name, value, over)
    if value.type.name not in NUMBERS or value.type.name == "bit":
        raise invalid_operand(value.type.name, name.lower())
    distinct = "DISTINCT " if node.distinct else ""
    if name in _STATISTICS:
        argument = convert(value, FLOAT).sql
        return Value(sql=f"{_STATISTICS[name]}({distinct}{argument}){over}", type=FLOAT)
    return _sum(value, distinct, over) if name == "SUM" else _average(value, distinct, over)


def _count(node: tree.Call, name: str, block: Block, bind: Bind, over: str) -> Value:
    if len(node.arguments) != 1:
        raise argument_count(name.lower(), "1")
    argument = node.arguments[0]
    if isinstance(argument, tree.Star):
        sql = "count(*)"
    else:
        value = bind(argument, block)
        sql = (
            f"count(DISTINCT {key(comparable(value, 'count'))})"
            if node.distinct
            else (f"count({value.sql})")
        )
    if name == "COUNT":
        return Value(sql=f"({sql}{over})::integer", type=INT, nullable=False)
    return Value(sql=f"({sql}{over})", type=BIGINT, nullable=False)


def _extreme(name: str, value: Value, over: str) -> Value:
    if value.type.name in {"bit", "text", "ntext", "image", "xml"}:
        raise invalid_operand(value.type.name, name.lower())
    value = replace(value, nullable=True, column=None, identity=False, constant=False)
    function = name.lower()
    if value.type.name in CHARACTERS:
        comparable(value, function)
        return replace(value, sql=f"tsql.{function}_text({key(value)}, {value.sql}){over}")
    if value.type.name == "uniqueidentifier":
        return replace(value, sql=f"({function}({value.sql}::text){over})::uuid")
    return replace(value, sql=f"({function}({value.sql}){over})::{storage_type(value.type)}")


def _sum(value: Value, distinct: str, over: str) -> Value:
    type_ = _SUMS.get(value.type.name)
    if type_ is None:
        type_ = SqlType("numeric", precision=_DIGITS, scale=value.type.scale)
    pg = storage_type(type_)
    argument = f"{value.sql}::double precision" if type_ == FLOAT else value.sql
    return Value(sql=f"(sum({distinct}{argument}){over})::{pg}", type=type_)


def _average(value: Value, distinct: str, over: str) -> Value:
    name = value.type.name
    if name in FLOATS:
        argument = f"{value.sql}::double precision"
        return Value(sql=f"(avg({distinct}{argument}){over})", type=FLOAT)
    total = f"(sum({distinct}{value.sql}){over})::numeric"
    number = f"nullif((count({distinct}{value.sql}){over}), 0)::numeric"
    if name in DECIMALS | MONEYS:
        type_ = (
            MONEY
            if name in MONEYS
            else SqlType("numeric", precision=_DIGITS, scale=max(value.type.scale, _AVG_SCALE))
        )
        scale = 4 if type_ == MONEY else type_.scale
        return Value(sql=f"tsql.quotient({total}, {number}, {scale})", type=type_)
    type_ = BIGINT if name == "bigint" else INT
    return Value(sql=f"div({total}, {number})::{storage_type(type_)}", type=type_)


def _string_agg(node: tree.Call, block: Block, bind: Bind, over: str) -> Value:
    if len(node.arguments) != 2:  # noqa: PLR2004 - text and separator
        raise argument_count("string_agg", "2")
    if over:
        raise syntax("OVER")
    value = as_text(bind(node.arguments[0], block), 1, "string_agg")
    separator = as_text(bind(node.arguments[1], block), 2, "string_agg")
    order = f" {order_by(node.within, block, bind)}" if node.within else ""
    length = MAX if value.type.length == MAX else 8000
    return replace(
        value,
        sql=f"string_agg({value.sql}, {separator.sql}{order})",
        type=text_type(value.type, length),
        nullable=True,
        column=None,
    )
