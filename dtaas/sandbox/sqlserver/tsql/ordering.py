"""ORDER BY: NULL is the lowest value; texts are sorted by their collation."""

from collections.abc import Callable, Sequence

from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.block import Block
from dtaas.sandbox.sqlserver.tsql.comparing import comparable, key
from dtaas.sandbox.sqlserver.tsql.value import Value

Bind = Callable[[tree.Expression, Block], Value]


def order_by(items: Sequence[tree.OrderItem], block: Block, bind: Bind) -> str:
    """Return an ORDER BY clause for OVER and WITHIN GROUP.

    Raises:
        SqlError: 306 for a type without order, 468 for a collation conflict.
    """
    terms = [order_term(bind(item.operand, block), descending=item.descending) for item in items]
    return f"ORDER BY {', '.join(terms)}"


def order_term(value: Value, *, descending: bool) -> str:
    """Return one term of an ORDER BY clause."""
    sql = key(comparable(value, "ORDER BY"))
    # every index of the storage has this order, so that it serves ORDER BY
    return f"{sql} DESC NULLS LAST" if descending else f"{sql} NULLS FIRST"
