"""Window functions. Source: Microsoft Learn, "OVER clause", "Analytic functions", "Ranking"."""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.aggregates import AGGREGATES, bind_aggregate
from dtaas.sandbox.sqlserver.tsql.block import Block
from dtaas.sandbox.sqlserver.tsql.comparing import comparable, key, unify
from dtaas.sandbox.sqlserver.tsql.conversion import convert
from dtaas.sandbox.sqlserver.tsql.errors import argument_count, unknown_function
from dtaas.sandbox.sqlserver.tsql.ordering import order_by
from dtaas.sandbox.sqlserver.tsql.value import BIGINT, FLOAT, INT, Value

Bind = Callable[[tree.Expression, Block], Value]

_RANKS: Final = {"ROW_NUMBER": "row_number", "RANK": "rank", "DENSE_RANK": "dense_rank"}
_SHARES: Final = {"PERCENT_RANK": "percent_rank", "CUME_DIST": "cume_dist"}
_ENDS: Final = {"FIRST_VALUE": "first_value", "LAST_VALUE": "last_value"}
_NEIGHBOURS: Final = {"LAG": "lag", "LEAD": "lead"}
_NEED_ORDER: Final = frozenset({*_RANKS, *_SHARES, *_ENDS, *_NEIGHBOURS, "NTILE"})
_MOST_ARGUMENTS: Final = 3

WINDOW_FUNCTIONS: Final = _NEED_ORDER


def bind_window(node: tree.Call, block: Block, bind: Bind) -> Value:
    """Bind a call with OVER.

    Raises:
        SqlError: 4108 where none may stand, 4112 without ORDER BY, 10759 a frame not allowed.
    """
    name = node.parts[-1].upper()
    if not block.allows_windows:
        raise SqlError(
            4108,
            "Windowed functions can only appear in the SELECT or ORDER BY clauses.",
            severity=15,
        )
    inner = replace(block, allows_windows=False)
    over = _over(node, name, inner, bind)
    if name in AGGREGATES:
        if node.distinct:
            raise SqlError(
                10759, "Use of DISTINCT is not allowed with the OVER clause.", severity=15
            )
        return bind_aggregate(node, inner, bind, over)
    if name in _RANKS:
        _count(node, name, 0, 0)
        return Value(sql=f"({_RANKS[name]}(){over})", type=BIGINT, nullable=False)
    if name in _SHARES:
        _count(node, name, 0, 0)
        return Value(sql=f"({_SHARES[name]}(){over})", type=FLOAT, nullable=False)
    if name == "NTILE":
        _count(node, name, 1, 1)
        tiles = convert(bind(node.arguments[0], inner), INT)
        return Value(sql=f"(ntile({tiles.sql}){over})::bigint", type=BIGINT, nullable=False)
    if name in _ENDS:
        _count(node, name, 1, 1)
        value = bind(node.arguments[0], inner)
        return _plain(value, f"({_ENDS[name]}({value.sql}){over})")
    if name in _NEIGHBOURS:
        return _neighbour(node, name, inner, bind, over)
    raise unknown_function(node.parts[-1])


def _neighbour(node: tree.Call, name: str, block: Block, bind: Bind, over: str) -> Value:
    _count(node, name, 1, _MOST_ARGUMENTS)
    value = bind(node.arguments[0], block)
    offset = convert(bind(node.arguments[1], block), INT).sql if len(node.arguments) > 1 else "1"
    arguments = [value.sql, offset]
    if len(node.arguments) == _MOST_ARGUMENTS:
        default = bind(node.arguments[2], block)
        arguments.append(
            unify([value, default])[1][1].sql
            if default.is_null
            else convert(default, value.type).sql
        )
    return _plain(value, f"({_NEIGHBOURS[name]}({', '.join(arguments)}){over})")


def _plain(value: Value, sql: str) -> Value:
    return Value(sql=sql, type=value.type, coercibility=value.coercibility, conflict=value.conflict)


def _over(node: tree.Call, name: str, block: Block, bind: Bind) -> str:
    over = node.over or tree.Over()
    if not over.order and name in _NEED_ORDER:
        raise SqlError(
            4112, f"The function '{name}' must have an OVER clause with ORDER BY.", severity=15
        )
    parts = []
    if over.partition:
        values = [comparable(bind(item, block), "PARTITION BY") for item in over.partition]
        parts.append(f"PARTITION BY {', '.join(key(value) for value in values)}")
    if over.order:
        parts.append(order_by(over.order, block, bind))
    if over.frame:
        if name in _NEED_ORDER - set(_ENDS):
            raise SqlError(
                10752, f"The function '{name}' may not have a window frame.", severity=15
            )
        parts.append(over.frame)
    return f" OVER ({' '.join(parts)})"


def _count(node: tree.Call, name: str, least: int, most: int) -> None:
    if not least <= len(node.arguments) <= most:
        raise argument_count(name.lower(), str(least))
