"""The grammar of function calls: ordinary ones, and those with a syntax of their own."""

from collections.abc import Callable
from typing import Final

from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.cursor import Cursor
from dtaas.sandbox.sqlserver.tsql.lexer import Kind
from dtaas.sandbox.sqlserver.types import MAX

_Parse = Callable[[Cursor], tree.Expression]

_RESERVED_FUNCTIONS: Final = frozenset({"COALESCE", "NULLIF", "LEFT", "RIGHT"})
_BARE_FUNCTIONS: Final = frozenset(
    {"CURRENT_TIMESTAMP", "CURRENT_USER", "SESSION_USER", "SYSTEM_USER", "USER", "CURRENT_DATE"}
)
_DATE_PART_FUNCTIONS: Final = frozenset(
    {
        "DATEADD",
        "DATEDIFF",
        "DATEDIFF_BIG",
        "DATEPART",
        "DATENAME",
        "DATETRUNC",
    }
)


def parse_special_call(cursor: Cursor, parse: _Parse) -> tree.Expression | None:
    """Read a call whose name is reserved or whose arguments have a syntax of their own."""
    token = cursor.token
    word = token.word
    if word in _BARE_FUNCTIONS:
        cursor.take()
        return tree.Call((word,))
    if cursor.ahead().word != "(" or token.kind is not Kind.NAME:
        return None
    if word in {"CAST", "TRY_CAST"}:
        return _cast(cursor, parse)
    if word in {"CONVERT", "TRY_CONVERT"}:
        return _convert(cursor, parse)
    if word == "TRIM":
        return _trim(cursor, parse)
    if word == "IIF":
        return _iif(cursor, parse)
    if word in _DATE_PART_FUNCTIONS:
        return _date_part(cursor, parse)
    if word in _RESERVED_FUNCTIONS:
        cursor.take()
        return parse_call(cursor, (word,), parse)
    return None


def parse_call(cursor: Cursor, parts: tree.Parts, parse: _Parse) -> tree.Expression:
    """Read the arguments of a call, and what may follow them: WITHIN GROUP and OVER."""
    cursor.expect("(")
    distinct = cursor.accept("DISTINCT")
    if not distinct:
        cursor.accept("ALL")
    arguments: list[tree.Expression] = []
    if cursor.accept("*"):
        arguments.append(tree.Star())
    elif not cursor.at(")"):
        arguments.append(parse(cursor))
        while cursor.accept(","):
            arguments.append(parse(cursor))
    cursor.expect(")")
    within: tuple[tree.OrderItem, ...] = ()
    if cursor.accept("WITHIN", "GROUP"):
        cursor.expect("(", "ORDER", "BY")
        within = parse_order(cursor, parse)
        cursor.expect(")")
    over = _over(cursor, parse) if cursor.accept("OVER") else None
    *qualifier, name = parts
    return tree.Call((*qualifier, name), tuple(arguments), distinct, over, within)


def parse_order(cursor: Cursor, parse: _Parse) -> tuple[tree.OrderItem, ...]:
    """Read `a [ASC|DESC], b …`."""
    items = [_order_item(cursor, parse)]
    while cursor.accept(","):
        items.append(_order_item(cursor, parse))
    return tuple(items)


def parse_type(cursor: Cursor) -> tree.TypeName:
    """Read a type's name and its arguments."""
    if cursor.accept("NATIONAL"):
        cursor.accept_any("CHAR", "CHARACTER", "TEXT")
        parts: tree.Parts = ("nvarchar" if cursor.accept("VARYING") else "nchar",)
    elif cursor.accept("DOUBLE", "PRECISION"):
        return tree.TypeName(("float",), (53,))
    else:
        parts = cursor.parts()
        if parts[-1].lower() in {"char", "character", "binary"} and cursor.accept("VARYING"):
            parts = ("varbinary" if parts[-1].lower() == "binary" else "varchar",)
    arguments: list[int] = []
    if cursor.accept("("):
        arguments.append(_type_argument(cursor))
        while cursor.accept(","):
            arguments.append(_type_argument(cursor))
        cursor.expect(")")
    return tree.TypeName(parts, tuple(arguments))


def _type_argument(cursor: Cursor) -> int:
    if cursor.accept("MAX"):
        return MAX
    if cursor.token.kind is not Kind.INTEGER:
        raise cursor.error()
    return int(cursor.take().text)


def _order_item(cursor: Cursor, parse: _Parse) -> tree.OrderItem:
    operand = parse(cursor)
    descending = cursor.accept("DESC")
    if not descending:
        cursor.accept("ASC")
    return tree.OrderItem(operand, descending)


def _over(cursor: Cursor, parse: _Parse) -> tree.Over:
    cursor.expect("(")
    partition: list[tree.Expression] = []
    if cursor.accept("PARTITION", "BY"):
        partition.append(parse(cursor))
        while cursor.accept(","):
            partition.append(parse(cursor))
    order = parse_order(cursor, parse) if cursor.accept("ORDER", "BY") else ()
    frame = _frame(cursor) if cursor.at_any("ROWS", "RANGE") else None
    cursor.expect(")")
    return tree.Over(tuple(partition), order, frame)


def _frame(cursor: Cursor) -> str:
    unit = cursor.take().word
    if cursor.accept("BETWEEN"):
        low = _frame_bound(cursor)
        cursor.expect("AND")
        return f"{unit} BETWEEN {low} AND {_frame_bound(cursor)}"
    return f"{unit} {_frame_bound(cursor)}"


def _frame_bound(cursor: Cursor) -> str:
    if cursor.accept("CURRENT", "ROW"):
        return "CURRENT ROW"
    if cursor.token.kind is Kind.INTEGER:
        count = cursor.take().text
    else:
        cursor.expect("UNBOUNDED")
        count = "UNBOUNDED"
    side = cursor.accept_any("PRECEDING", "FOLLOWING")
    if side is None:
        raise cursor.error()
    return f"{count} {side}"


def _cast(cursor: Cursor, parse: _Parse) -> tree.Expression:
    is_try = cursor.take().word == "TRY_CAST"
    cursor.expect("(")
    operand = parse(cursor)
    cursor.expect("AS")
    type_name = parse_type(cursor)
    cursor.expect(")")
    return tree.Cast(operand, type_name, None, is_try)


def _convert(cursor: Cursor, parse: _Parse) -> tree.Expression:
    is_try = cursor.take().word == "TRY_CONVERT"
    cursor.expect("(")
    type_name = parse_type(cursor)
    cursor.expect(",")
    operand = parse(cursor)
    style = parse(cursor) if cursor.accept(",") else None
    cursor.expect(")")
    return tree.Cast(operand, type_name, style, is_try)


def _trim(cursor: Cursor, parse: _Parse) -> tree.Expression:
    cursor.take()
    cursor.expect("(")
    side = cursor.accept_any("LEADING", "TRAILING", "BOTH") or "BOTH"
    operand = parse(cursor)
    characters = None
    if cursor.accept("FROM"):
        characters, operand = operand, parse(cursor)
    cursor.expect(")")
    return tree.Trim(side, characters, operand)


def _iif(cursor: Cursor, parse: _Parse) -> tree.Expression:
    cursor.take()
    cursor.expect("(")
    condition = parse(cursor)
    cursor.expect(",")
    then = parse(cursor)
    cursor.expect(",")
    otherwise = parse(cursor)
    cursor.expect(")")
    return tree.Case(None, ((condition, then),), otherwise)


def _date_part(cursor: Cursor, parse: _Parse) -> tree.Expression:
    """Read a call whose first argument is a date part, a bare word and no column."""
    name = cursor.take().word
    cursor.expect("(")
    part = tree.Column((cursor.name(),))
    arguments: list[tree.Expression] = [part]
    while cursor.accept(","):
        arguments.append(parse(cursor))
    cursor.expect(")")
    return tree.Call((name,), tuple(arguments))
