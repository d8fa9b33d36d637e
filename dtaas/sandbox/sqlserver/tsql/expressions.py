"""Binding of expressions: a syntax tree and a block to SQL of the storage with a T-SQL type."""

from typing import Final, assert_never

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.collations import parse_collation
from dtaas.sandbox.sqlserver.storage.forms import escape_text
from dtaas.sandbox.sqlserver.tsql import operators, predicates, tree
from dtaas.sandbox.sqlserver.tsql.aggregates import AGGREGATES, bind_aggregate
from dtaas.sandbox.sqlserver.tsql.block import Block
from dtaas.sandbox.sqlserver.tsql.calls import bind_call, bind_trim
from dtaas.sandbox.sqlserver.tsql.clr import (
    bind_clr_method,
    bind_clr_property,
    bind_static_method,
)
from dtaas.sandbox.sqlserver.tsql.comparing import unify
from dtaas.sandbox.sqlserver.tsql.conditions import bind_condition
from dtaas.sandbox.sqlserver.tsql.conversion import Conversion, code_page, convert
from dtaas.sandbox.sqlserver.tsql.errors import (
    invalid_argument_type,
    keyword_syntax,
    not_grouped,
    syntax,
)
from dtaas.sandbox.sqlserver.tsql.type_rules import CHARACTERS, CLR, NATIONAL
from dtaas.sandbox.sqlserver.tsql.value import (
    DATETIMEOFFSET,
    INT,
    Coercibility,
    Value,
    quote,
)
from dtaas.sandbox.sqlserver.tsql.windows import bind_window
from dtaas.sandbox.sqlserver.types import SqlType

_CODECS: Final = {65001: "utf-8", 936: "gbk", 950: "big5", 949: "cp949", 932: "cp932"}


def bind(node: tree.Expression, block: Block) -> Value:
    """Bind an expression.

    Raises:
        SqlError: what SQL Server says of it.
    """
    if block.groups is not None and not block.in_aggregate:
        grouped = _grouped(node, block)
        if grouped is not None:
            return grouped
    if isinstance(node, predicates.CONDITIONS):
        raise syntax(_shown(node))
    return _bind(node, block)


def _bind(node: tree.Expression, block: Block) -> Value:  # noqa: C901, PLR0912 - one case a node
    match node:
        case tree.Literal():
            return literal(node, block.compilation.collation)
        case tree.Variable(name):
            return block.compilation.variable(name)
        case tree.Column(parts):
            return _column(parts, block)
        case tree.Unary("-", operand):
            return operators.negate(bind(operand, block))
        case tree.Unary("~", operand):
            return operators.invert(bind(operand, block))
        case tree.Unary(_, operand):
            return bind(operand, block)
        case tree.Binary(operator, left, right):
            return operators.binary(operator, bind(left, block), bind(right, block))
        case tree.Case():
            return _case(node, block)
        case tree.Cast():
            return _cast(node, block)
        case tree.Collate(operand, collation):
            return collate(bind(operand, block), collation)
        case tree.AtTimeZone():
            return _at_time_zone(node, block)
        case tree.ScalarQuery(query):
            return _scalar_query(query, block)
        case tree.Call():
            return _call(node, block)
        case tree.StaticCall(type_name, method, arguments):
            return bind_static_method(type_name, method, [bind(a, block) for a in arguments])
        case tree.Trim():
            return bind_trim(node, block, bind)
        case tree.Star():
            raise syntax("*")
        case tree.Default():
            raise keyword_syntax("DEFAULT")
        case _:
            raise syntax(_shown(node))
    assert_never(node)


def literal(node: tree.Literal, collation: str) -> Value:
    """Bind a constant; texts get the database's collation."""
    value, type_ = node.value, node.type
    if value is None:
        return Value(sql="NULL", type=type_, is_null=True, constant=True)
    if isinstance(value, bytes):
        return Value(sql=f"'\\x{value.hex()}'::bytea", type=type_, nullable=False, constant=True)
    if type_.name in CHARACTERS:
        type_ = replace(type_, collation=collation)
        if type_.name not in NATIONAL and not value.isascii():
            value, type_ = _in_code_page(value, type_)
        return Value(
            sql=f"{quote(escape_text(value))}::text",
            type=type_,
            nullable=False,
            text=value,
            constant=True,
        )
    match type_.name:
        case "int":
            sql = value
        case "float":
            sql = f"'{value}'::double precision"
        case "money":
            sql = f"'{value}'::numeric(19,4)"
        case _:
            sql = f"{value}::numeric({type_.precision},{type_.scale})"
    digits = value.replace(".", "").lstrip("0") or "0"
    return Value(sql=sql, type=type_, nullable=False, digits=digits, constant=True)


def _in_code_page(text: str, type_: SqlType) -> tuple[str, SqlType]:
    """Return a varchar constant as its code page holds it: what it lacks is a question mark."""
    page = code_page(type_)
    codec = _CODECS.get(page, f"cp{page}")
    raw = text.encode(codec, "replace")
    return raw.decode(codec), replace(type_, length=max(len(raw), 1) if len(raw) <= 8000 else -1)  # noqa: PLR2004 - bytes of varchar


def collate(value: Value, collation: str) -> Value:
    """Bind COLLATE.

    Raises:
        SqlError: 447 no text, 448 no such collation.
    """
    if value.type.name not in CHARACTERS:
        raise SqlError(
            447, f"Expression type {value.type.name} is invalid for COLLATE clause.", state=2
        )
    if collation.lower() == "database_default":
        return value
    if parse_collation(collation) is None:
        raise SqlError(448, f"Invalid collation '{collation}'.")
    return replace(
        value,
        type=replace(value.type, collation=collation),
        coercibility=Coercibility.EXPLICIT,
        conflict=None,
    )


def _column(parts: tree.Parts, block: Block) -> Value:
    target = _method_target(parts[:-1], block) if parts[:-1] else None
    if target is not None:
        return bind_clr_property(target, parts[-1])
    value = block.names.column(parts)
    own = block.names.find(parts) is not None
    if block.groups is not None and not block.in_aggregate and own:
        raise not_grouped(value.column or parts[-1], block.clause)
    return value


def _grouped(node: tree.Expression, block: Block) -> Value | None:
    """Return what a grouped expression stands for, None when the node is none."""
    if not block.groups or isinstance(node, tree.Literal | tree.Variable):
        return None
    if isinstance(node, predicates.CONDITIONS) or _has_aggregate(node):
        return None
    try:
        raw = bind(node, replace(block, groups=None, allows_aggregates=False))
    except SqlError:
        return None
    return block.groups.get(raw.sql)


def _has_aggregate(node: object) -> bool:
    """Tell whether a call of an aggregate or a subquery stands somewhere in the tree."""
    if isinstance(node, tree.Call) and (node.over or node.parts[-1].upper() in AGGREGATES):
        return True
    if isinstance(node, tree.Query):
        return True
    if isinstance(node, tuple):
        return any(_has_aggregate(item) for item in node)
    fields = getattr(node, "__struct_fields__", ())
    return any(_has_aggregate(getattr(node, field)) for field in fields)


def _call(node: tree.Call, block: Block) -> Value:
    name = node.parts[-1].upper()
    if node.over is not None:
        return bind_window(node, block, bind)
    if len(node.parts) == 1 and name in AGGREGATES:
        return bind_aggregate(node, block, bind)
    if len(node.parts) > 1:
        target = _method_target(node.parts[:-1], block)
        if target is not None:
            arguments = [bind(argument, block) for argument in node.arguments]
            collation = block.compilation.collation
            return bind_clr_method(target, node.parts[-1], arguments, collation)
    return bind_call(node, block, bind)


def _method_target(parts: tree.Parts, block: Block) -> Value | None:
    try:
        value = block.names.column(parts)
    except SqlError:
        return None
    return value if value.type.name in CLR else None


def _case(node: tree.Case, block: Block) -> Value:
    results = [bind(then, block) for _, then in node.branches]
    otherwise = bind(node.otherwise, block) if node.otherwise is not None else None
    candidates = [*results, *([otherwise] if otherwise else [])]
    if all(value.is_null for value in candidates):
        raise SqlError(
            8133,
            "At least one of the result expressions in a CASE specification must be an "
            "expression other than the NULL constant.",
        )
    type_, converted = unify(candidates)
    whens = []
    for (when, _), then in zip(node.branches, converted, strict=False):
        condition = when if node.operand is None else predicates.Compare("=", node.operand, when)
        whens.append(f"WHEN {bind_condition(condition, block, bind)} THEN {then.sql}")
    tail = f" ELSE {converted[-1].sql}" if otherwise else ""
    winner = max(candidates, key=lambda v: v.coercibility)
    return Value(
        sql=f"(CASE {' '.join(whens)}{tail} END)",
        type=type_,
        nullable=otherwise is None or any(v.nullable for v in candidates),
        coercibility=winner.coercibility,
    )


def _cast(node: tree.Cast, block: Block) -> Value:
    target = block.compilation.resolve_type(node.type)
    style = _style(node.style, block) if node.style is not None else None
    value = bind(node.operand, block)
    if target.collation and value.type.collation:
        target = replace(target, collation=value.type.collation)
    converted = Conversion(target, style=style, is_try=node.is_try)(value)
    return replace(
        converted, digits=None, column=None, nullable=value.nullable or node.is_try, text=None
    )


def _style(node: tree.Expression, block: Block) -> int:
    value = bind(node, block)
    if isinstance(node, tree.Literal) and value.type == INT:
        return int(str(node.value))
    raise invalid_argument_type(value.type.name, 3, "convert")


def _at_time_zone(node: tree.AtTimeZone, block: Block) -> Value:
    zone = bind(node.zone, block)
    if zone.text is None or zone.text.upper() != "UTC":
        shown = zone.text if zone.text is not None else zone.sql
        raise SqlError(
            9820, f"The time zone parameter '{shown}' provided to AT TIME ZONE clause is invalid."
        )
    value = bind(node.operand, block)
    if value.type.name == "datetimeoffset":
        return replace(value, sql=f"tsql.switchoffset({value.sql}, 0)", column=None)
    if value.type.name not in {"datetime", "smalldatetime", "datetime2"}:
        raise invalid_argument_type(value.type.name, 1, "AT TIME ZONE")
    scale = {"datetime": 3, "smalldatetime": 0}.get(value.type.name, value.type.scale)
    return convert(value, replace(DATETIMEOFFSET, scale=scale))


def _scalar_query(query: tree.Query, block: Block) -> Value:
    bound = block.query(query, block.names)
    if len(bound.columns) != 1:
        raise SqlError(
            116,
            "Only one expression can be specified in the select list when the subquery is not "
            "introduced with EXISTS.",
        )
    value = bound.columns[0][1]
    return Value(
        sql=f"({bound.sql})",
        type=value.type,
        coercibility=value.coercibility,
        conflict=value.conflict,
    )


def _shown(node: tree.Expression) -> str:
    match node:
        case predicates.Compare(operator):
            return operator
        case _:
            return type(node).__name__.upper()
