"""The grammar of T-SQL expressions and conditions.

Operator precedence: Microsoft Learn, "Operator precedence (Transact-SQL)".
"""

from typing import Final

from dtaas.sandbox.sqlserver.tsql import predicates, tree
from dtaas.sandbox.sqlserver.tsql.call_parser import parse_call, parse_special_call
from dtaas.sandbox.sqlserver.tsql.cursor import Cursor
from dtaas.sandbox.sqlserver.tsql.lexer import Kind
from dtaas.sandbox.sqlserver.tsql.literals import parse_literal

_COMPARISONS: Final = {
    "=": "=",
    "<>": "<>",
    "!=": "<>",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
    "!<": ">=",
    "!>": "<=",
}
_ADDITIVE: Final = ("+", "-", "&", "|", "^")
_MULTIPLICATIVE: Final = ("*", "/", "%")


def parse_expression(cursor: Cursor) -> tree.Expression:
    """Read an expression or a condition."""
    left = _conjunction(cursor)
    while cursor.accept("OR"):
        left = predicates.Or(left, _conjunction(cursor))
    return left


def parse_expressions(cursor: Cursor) -> tuple[tree.Expression, ...]:
    """Read one or more expressions with commas between."""
    items = [parse_expression(cursor)]
    while cursor.accept(","):
        items.append(parse_expression(cursor))
    return tuple(items)


def parse_value(cursor: Cursor) -> tree.Expression:
    """Read an expression without AND, OR, NOT and comparisons."""
    left = _product(cursor)
    while operator := cursor.accept_any(*_ADDITIVE):
        left = tree.Binary(operator, left, _product(cursor))
    return left


def _conjunction(cursor: Cursor) -> tree.Expression:
    left = _negation(cursor)
    while cursor.accept("AND"):
        left = predicates.And(left, _negation(cursor))
    return left


def _negation(cursor: Cursor) -> tree.Expression:
    if cursor.accept("NOT"):
        return predicates.Not(_negation(cursor))
    if cursor.at("EXISTS", "("):
        cursor.take()
        return predicates.Exists(_subquery(cursor))
    return _predicate(cursor)


def _predicate(cursor: Cursor) -> tree.Expression:
    left = parse_value(cursor)
    while True:
        if cursor.token.word in _COMPARISONS:
            left = _comparison(cursor, left)
        elif cursor.accept("IS"):
            left = _is(cursor, left)
        elif cursor.at_any("BETWEEN", "IN", "LIKE") or (
            cursor.at("NOT") and cursor.ahead().word in {"BETWEEN", "IN", "LIKE"}
        ):
            left = _membership(cursor, left)
        else:
            return left


def _comparison(cursor: Cursor, left: tree.Expression) -> tree.Expression:
    operator = _COMPARISONS[cursor.take().word]
    quantifier = cursor.accept_any("ANY", "SOME", "ALL")
    if quantifier:
        return predicates.Quantified(
            operator, left, "ALL" if quantifier == "ALL" else "ANY", _subquery(cursor)
        )
    return predicates.Compare(operator, left, parse_value(cursor))


def _is(cursor: Cursor, left: tree.Expression) -> tree.Expression:
    negated = cursor.accept("NOT")
    if cursor.accept("DISTINCT", "FROM"):
        return predicates.IsDistinct(left, parse_value(cursor), negated)
    cursor.expect("NULL")
    return predicates.IsNull(left, negated)


def _membership(cursor: Cursor, left: tree.Expression) -> tree.Expression:
    negated = cursor.accept("NOT")
    match cursor.take().word:
        case "BETWEEN":
            low = parse_value(cursor)
            cursor.expect("AND")
            return predicates.Between(left, low, parse_value(cursor), negated)
        case "LIKE":
            pattern = parse_value(cursor)
            escape = parse_value(cursor) if cursor.accept("ESCAPE") else None
            return predicates.Like(left, pattern, escape, negated)
        case _:
            if _at_subquery(cursor):
                return predicates.InQuery(left, _subquery(cursor), negated)
            cursor.expect("(")
            items = parse_expressions(cursor)
            cursor.expect(")")
            return predicates.InList(left, items, negated)


def _product(cursor: Cursor) -> tree.Expression:
    left = _unary(cursor)
    while operator := cursor.accept_any(*_MULTIPLICATIVE):
        left = tree.Binary(operator, left, _unary(cursor))
    return left


def _unary(cursor: Cursor) -> tree.Expression:
    if operator := cursor.accept_any("-", "+", "~"):
        return tree.Unary(operator, _unary(cursor))
    return _postfix(cursor)


def _postfix(cursor: Cursor) -> tree.Expression:
    operand = _primary(cursor)
    while True:
        if cursor.accept("COLLATE"):
            operand = tree.Collate(operand, cursor.name())
        elif cursor.accept("AT", "TIME", "ZONE"):
            operand = tree.AtTimeZone(operand, _primary(cursor))
        else:
            return operand


def _primary(cursor: Cursor) -> tree.Expression:
    token = cursor.token
    match token.kind:
        case Kind.VARIABLE:
            return tree.Variable(cursor.take().text.lower())
        case Kind.NAME | Kind.QUOTED:
            return _named(cursor)
        case Kind.OPERATOR if token.word == "(":
            return parse_parenthesis(cursor)
        case Kind.OPERATOR | Kind.END:
            raise cursor.error()
        case _:
            return parse_literal(cursor.take())


def _named(cursor: Cursor) -> tree.Expression:
    if cursor.accept("NULL"):
        return tree.Literal(None, tree.NULL_TYPE)
    if cursor.accept("CASE"):
        return _case(cursor)
    if cursor.accept("DEFAULT"):
        return tree.Default()
    special = parse_special_call(cursor, parse_expression)
    if special is not None:
        return special
    parts = [cursor.name()]
    if cursor.accept("::"):
        return _static_call(cursor, parts[0])
    while cursor.accept("."):
        if cursor.accept("*"):
            return tree.Star(tuple(parts))
        parts.append("" if cursor.at(".") else cursor.name())
    if cursor.at("("):
        return parse_call(cursor, tuple(parts), parse_expression)
    return tree.Column(tuple(parts))


def _static_call(cursor: Cursor, type_name: str) -> tree.Expression:
    method = cursor.name()
    cursor.expect("(")
    arguments = () if cursor.at(")") else parse_expressions(cursor)
    cursor.expect(")")
    return tree.StaticCall(type_name, method, arguments)


def parse_parenthesis(cursor: Cursor) -> tree.Expression:
    """Read `(expression)` or `(SELECT …)`."""
    if _at_subquery(cursor):
        return tree.ScalarQuery(_subquery(cursor))
    cursor.expect("(")
    inner = parse_expression(cursor)
    cursor.expect(")")
    return inner


def _at_subquery(cursor: Cursor) -> bool:
    """Tell whether `(`, perhaps several, and then SELECT comes."""
    depth = 0
    while cursor.ahead(depth).word == "(":
        depth += 1
    return depth == 1 and cursor.ahead(depth).word == "SELECT"


def _subquery(cursor: Cursor) -> tree.Query:
    cursor.expect("(")
    query = cursor.query(cursor)
    cursor.expect(")")
    return query


def _case(cursor: Cursor) -> tree.Expression:
    operand = None if cursor.at("WHEN") else parse_expression(cursor)
    branches = []
    while cursor.accept("WHEN"):
        when = parse_expression(cursor)
        cursor.expect("THEN")
        branches.append((when, parse_expression(cursor)))
    if not branches:
        raise cursor.error()
    otherwise = parse_expression(cursor) if cursor.accept("ELSE") else None
    cursor.expect("END")
    return tree.Case(operand, tuple(branches), otherwise)
