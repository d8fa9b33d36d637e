"""Binding of conditions: true, false or unknown. Three-valued logic is the storage's own."""

from collections.abc import Callable

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.collations import like_form
from dtaas.sandbox.sqlserver.tsql import predicates, tree
from dtaas.sandbox.sqlserver.tsql.block import Block
from dtaas.sandbox.sqlserver.tsql.comparing import collation_of, operands
from dtaas.sandbox.sqlserver.tsql.conversion import Conversion, convert
from dtaas.sandbox.sqlserver.tsql.errors import invalid_argument_type
from dtaas.sandbox.sqlserver.tsql.type_rules import CHARACTERS, NATIONAL
from dtaas.sandbox.sqlserver.tsql.value import Value
from dtaas.sandbox.sqlserver.types import MAX, SqlType

Bind = Callable[[tree.Expression, Block], Value]

_OPERATORS = {
    "=": "equal to",
    "<>": "not equal to",
    "<": "less than",
    "<=": "less than or equal to",
    ">": "greater than",
    ">=": "greater than or equal to",
}


def bind_condition(node: tree.Expression, block: Block, bind: Bind) -> str:
    """Return a condition as SQL that needs no parentheses.

    Raises:
        SqlError: 4145 the expression is no condition, and what `bind` raises.
    """
    match node:
        case predicates.And(left, right):
            return f"({bind_condition(left, block, bind)} AND {bind_condition(right, block, bind)})"
        case predicates.Or(left, right):
            return f"({bind_condition(left, block, bind)} OR {bind_condition(right, block, bind)})"
        case predicates.Not(operand):
            return f"(NOT {bind_condition(operand, block, bind)})"
        case predicates.Exists(query):
            return f"EXISTS ({block.query(query, block.names).sql})"
        case (
            predicates.Compare()
            | predicates.Between()
            | predicates.IsNull()
            | predicates.IsDistinct()
        ):
            return _comparison(node, block, bind)
        case predicates.InList() | predicates.InQuery() | predicates.Quantified():
            return _membership(node, block, bind)
        case predicates.Like():
            return _like(node, block, bind)
        case _:
            raise SqlError(
                4145,
                "An expression of non-boolean type specified in a context where a condition is "
                "expected.",
                severity=15,
            )


def compare(operator: str, left: Value, right: Value) -> str:
    """Return `left operator right` as SQL.

    Raises:
        SqlError: 206, 402, 468 …
    """
    a, b = operands(left, right, _OPERATORS[operator])
    return f"({a} {operator} {b})"


def _comparison(
    node: predicates.Compare | predicates.Between | predicates.IsNull | predicates.IsDistinct,
    block: Block,
    bind: Bind,
) -> str:
    match node:
        case predicates.IsNull(operand, negated):
            return f"({bind(operand, block).sql} IS {'NOT ' if negated else ''}NULL)"
        case predicates.IsDistinct(left, right, negated):
            a, b = operands(bind(left, block), bind(right, block), "equal to")
            return f"({a} IS {'NOT ' if negated else ''}DISTINCT FROM {b})"
        case predicates.Between(operand, low, high, negated):
            value = bind(operand, block)
            above = compare(">=", value, bind(low, block))
            below = compare("<=", value, bind(high, block))
            return f"({'NOT ' if negated else ''}({above} AND {below}))"
        case predicates.Compare(operator, left, right):
            return compare(operator, bind(left, block), bind(right, block))


def _membership(
    node: predicates.InList | predicates.InQuery | predicates.Quantified, block: Block, bind: Bind
) -> str:
    match node:
        case predicates.InList(operand, items, negated):
            value = bind(operand, block)
            pairs = [operands(value, bind(item, block), "equal to") for item in items]
            lefts = {left for left, _ in pairs}
            if len(lefts) == 1:
                found = f"({lefts.pop()} IN ({', '.join(right for _, right in pairs)}))"
            else:
                found = f"({' OR '.join(f'{left} = {right}' for left, right in pairs)})"
            return f"(NOT {found})" if negated else found
        case predicates.InQuery(operand, query, negated):
            found = _quantified("=", "ANY", bind(operand, block), query, block)
            return f"(NOT {found})" if negated else found
        case predicates.Quantified(operator, left, quantifier, query):
            return _quantified(operator, quantifier, bind(left, block), query, block)


def _quantified(
    operator: str, quantifier: str, left: Value, query: tree.Query, block: Block
) -> str:
    bound = block.query(query, block.names)
    if len(bound.columns) != 1:
        raise SqlError(
            116,
            "Only one expression can be specified in the select list when the subquery is not "
            "introduced with EXISTS.",
        )
    alias = block.compilation.alias()
    right = replace(bound.columns[0][1], sql=f"{alias}.c1")
    a, b = operands(left, right, _OPERATORS[operator])
    return f"({a} {operator} {quantifier} (SELECT {b} FROM ({bound.sql}) AS {alias}))"


def _like(node: predicates.Like, block: Block, bind: Bind) -> str:
    value = as_text(bind(node.operand, block), 1, "like")
    pattern = as_text(bind(node.pattern, block), 2, "like")
    collation = collation_of([value, pattern], "like")
    type_ = replace(value.type, collation=collation)
    escape = bind(node.escape, block).sql if node.escape is not None else "NULL"
    national = value.type.name in NATIONAL or pattern.type.name in NATIONAL
    sql = (
        f"tsql.is_like({like_form(value.sql, type_)}, {like_form(pattern.sql, type_)}, {escape}, "
        f"{str(national).lower()})"
    )
    return f"(NOT {sql})" if node.negated else sql


def as_text(value: Value, position: int, function: str) -> Value:
    """Return a value as text, as the functions of strings take their arguments.

    Raises:
        SqlError: 8116.
    """
    if value.type.name in CHARACTERS and not value.is_null:
        return value
    if value.type.name in {"xml", "sql_variant", "image", "geometry", "geography", "hierarchyid"}:
        raise invalid_argument_type(value.type.name, position, function)
    collation = value.type.collation or "SQL_Latin1_General_CP1_CI_AS"
    if value.is_null:
        return Conversion(SqlType("varchar", 1, collation=collation))(value)
    return convert(value, SqlType("varchar", MAX, collation=collation))
