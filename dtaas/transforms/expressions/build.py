"""From SQL text to a compiled expression over the columns of a scope."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal as Number
from typing import Final

import pyarrow as pa
from sqlglot import exp

from dtaas.model.type_text import parse_type
from dtaas.model.types import Boolean, Decimal, Float, Integer, String, arrow_type
from dtaas.transforms.casting import cast_of
from dtaas.transforms.expressions import logic
from dtaas.transforms.expressions.arithmetic import OPERATORS, calculated, joined, negative
from dtaas.transforms.expressions.calls import call
from dtaas.transforms.expressions.choice import chosen
from dtaas.transforms.expressions.common_type import brought_to, literal
from dtaas.transforms.expressions.nodes import Expression, ExpressionError
from dtaas.transforms.expressions.parse import parsed, place_of
from dtaas.transforms.frame import Frame
from dtaas.transforms.problems import FollowUpError, StepError
from dtaas.transforms.scope import Known, Scope
from dtaas.transforms.vector import Vector, nulled

_TYPE_SQL: Final = re.compile(r"\s+")
_INT32_MOST: Final = 2**31 - 1
_INT64_MOST: Final = 2**63 - 1
_MOST_DIGITS: Final = 38


def compiled(text: str, scope: Scope, field: str) -> Expression:
    """Return the expression.

    Raises:
        StepError: it cannot be compiled; says where in the text.
        FollowUpError: it names a column that an earlier mistake left undefined.
    """
    try:
        return _Compiler(scope).one(parsed(text))
    except ExpressionError as error:
        raise StepError(
            error.code, field, f"{error.detail}{_where(text, error.at)}", error.hint
        ) from error
    except RecursionError:
        raise StepError("bad_expression", field, "It is nested too deeply.") from None


def compiled_condition(text: str, scope: Scope, field: str) -> Expression:
    """Return the expression of a condition; see `compiled`."""
    found = compiled(text, scope, field)
    try:
        return logic.condition(found, 0)
    except ExpressionError as error:
        raise StepError(error.code, field, error.detail, error.hint) from error


def _where(text: str, at: int | None) -> str:
    if at is None:
        return ""
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return f" (line {line}, column {column})"


class _Compiler:
    """Visits one tree."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._visits: Mapping[type[exp.Expr], Callable[..., Expression]] = {
            exp.Column: self._column,
            exp.Literal: self._literal,
            exp.National: lambda n: literal(*_text(str(n.this))),
            exp.Boolean: lambda n: literal(pa.scalar(bool(n.this)), Boolean()),
            exp.Null: lambda _: literal(pa.scalar(None), None),
            exp.Paren: lambda n: self.one(n.this),
            exp.And: lambda n: logic.all_of([self._condition(p) for p in n.flatten()]),
            exp.Or: lambda n: logic.any_of([self._condition(p) for p in n.flatten()]),
            exp.Not: lambda n: logic.negated(self._condition(n.this)),
            exp.Is: self._is,
            exp.In: self._in,
            exp.Between: self._between,
            exp.Like: self._like,
            exp.ILike: self._like,
            exp.Escape: self._like,
            exp.NullSafeEQ: self._same,
            exp.NullSafeNEQ: lambda n: logic.negated(self._same(n)),
            exp.Neg: lambda n: negative(self.one(n.this), place_of(n)),
            exp.DPipe: lambda n: joined((self.one(n.left), self.one(n.right)), place_of(n)),
            exp.Case: self._case,
            exp.If: self._if,
            exp.Cast: self._cast,
            exp.TryCast: self._cast,
            exp.Anonymous: lambda n: call(str(n.this), n.expressions, self.one, place_of(n)),
            exp.Mod: self._calculated,
            **dict.fromkeys(logic.COMPARISONS, self._comparison),
            **dict.fromkeys(OPERATORS, self._calculated),
        }

    def one(self, node: exp.Expr) -> Expression:
        """Return one node compiled."""
        visit = self._visits.get(type(node))
        if visit is None:
            raise ExpressionError(
                "unsupported_expression",
                f"{node.sql()!r} is not supported.",
                "There are comparisons, AND, OR, NOT, IN, BETWEEN, LIKE, IS NULL, CASE, CAST, "
                "arithmetic, || and the functions of the catalogue.",
                place_of(node),
            )
        return visit(node)

    def _condition(self, node: exp.Expr) -> Expression:
        return logic.condition(self.one(node), place_of(node))

    def _column(self, node: exp.Column) -> Expression:
        if node.table:
            raise ExpressionError(
                "unsupported_expression", f"{node.sql()} names a table.",
                "Write the column alone; in brackets if its name has a dot.", place_of(node),
            )  # fmt: skip
        known = self._known(node)

        def run(frame: Frame) -> Vector:
            return Vector(frame.columns[known.name])

        return Expression(type=known.type, nullable=known.nullable, sources=known.sources, run=run)

    def _known(self, node: exp.Column) -> Known:
        """Return a column as written, or, without quotes, the one that differs in case only."""
        name = str(node.name)
        try:
            return self._scope.find(name)
        except StepError as error:
            same = [n for n in self._scope.names if n.casefold() == name.casefold()]
            if len(same) == 1 and not node.this.quoted:
                return self._scope.find(same[0])
            raise ExpressionError(error.code, error.detail, error.hint, place_of(node)) from error
        except FollowUpError:
            raise

    def _literal(self, node: exp.Literal) -> Expression:
        text = str(node.this)
        if node.is_string:
            return literal(*_text(text))
        try:
            return _number(text)
        except (ArithmeticError, ValueError, pa.ArrowException):
            raise ExpressionError(
                "bad_expression", f"{text} is too long a number.", at=place_of(node)
            ) from None

    def _comparison(self, node: exp.Binary) -> Expression:
        return logic.comparison(
            type(node), self.one(node.left), self.one(node.right), place_of(node)
        )

    def _calculated(self, node: exp.Binary) -> Expression:
        return calculated(type(node), self.one(node.left), self.one(node.right), place_of(node))

    def _same(self, node: exp.Binary) -> Expression:
        return logic.same_or_both_null(self.one(node.left), self.one(node.right), place_of(node))

    def _is(self, node: exp.Is) -> Expression:
        if isinstance(node.expression, exp.Null):
            return logic.is_null(self.one(node.this))
        if isinstance(node.expression, exp.Boolean):
            return logic.same_or_both_null(
                self.one(node.this), self.one(node.expression), place_of(node)
            )
        raise ExpressionError(
            "unsupported_expression", "IS takes NULL, TRUE or FALSE.", at=place_of(node)
        )

    def _in(self, node: exp.In) -> Expression:
        choices = node.expressions
        if not choices:
            raise ExpressionError(
                "unsupported_expression", "IN takes a list of values.",
                "A row knows no other tables.", place_of(node),
            )  # fmt: skip
        return logic.among(self.one(node.this), [self.one(c) for c in choices], place_of(node))

    def _between(self, node: exp.Between) -> Expression:
        value, at = self.one(node.this), place_of(node)
        low, high = self.one(node.args["low"]), self.one(node.args["high"])
        return logic.all_of(
            [logic.comparison(exp.GTE, value, low, at), logic.comparison(exp.LTE, value, high, at)]
        )

    def _like(self, node: exp.Expr) -> Expression:
        escape = None
        if isinstance(node, exp.Escape):
            escape, node = str(node.expression.name), node.this
        found = logic.like(
            self.one(node.this),
            self.one(node.expression),
            escape,
            folded=isinstance(node, exp.ILike),
            at=place_of(node),
        )
        return logic.negated(found) if node.args.get("negate") else found

    def _case(self, node: exp.Case) -> Expression:
        at, subject = place_of(node), node.this
        branches = []
        for branch in node.args["ifs"]:
            if subject is None:
                when = self._condition(branch.this)
            else:
                when = logic.comparison(exp.EQ, self.one(subject), self.one(branch.this), at)
            branches.append((when, self.one(branch.args["true"])))
        default = node.args.get("default")
        return chosen(branches, None if default is None else self.one(default), at)

    def _if(self, node: exp.If) -> Expression:
        otherwise = node.args.get("false")
        return chosen(
            [(self._condition(node.this), self.one(node.args["true"]))],
            None if otherwise is None else self.one(otherwise),
            place_of(node),
        )

    def _cast(self, node: exp.Cast) -> Expression:
        at = place_of(node)
        part = self.one(node.this)
        written = _TYPE_SQL.sub("", node.to.sql())
        try:
            kind = parse_type(_SQL_NAMES.get(written.upper(), written))
        except ValueError as error:
            raise ExpressionError("bad_type", str(error), at=at) from None
        if part.type is None or part.constant:
            return brought_to(part, kind, at)
        cast = cast_of(part.type, kind)
        if cast is None:
            raise ExpressionError(
                "type_mismatch", f"{part.words()} cannot be cast to {written.lower()}.", at=at
            )
        trying = isinstance(node, exp.TryCast)

        def run(frame: Frame) -> Vector:
            found = cast(part.run(frame), frame.rows)
            if not trying or found.bad is None:
                return found
            return Vector(nulled(found.array(frame.rows), found.bad))

        return Expression(
            type=kind, nullable=part.nullable or trying, sources=part.sources, run=run
        )


_SQL_NAMES: Final = {"DOUBLE": "double", "TIMESTAMPTZ": "timestamp_tz", "UUID": "uuid"}


def _text(text: str) -> tuple[pa.Scalar, String]:
    return pa.scalar(text, pa.string()), String(max(1, len(text)))


def _number(text: str) -> Expression:
    if text.isdecimal() and int(text) <= _INT64_MOST:
        whole = Integer(32 if int(text) <= _INT32_MOST else 64)
        return literal(pa.scalar(int(text), arrow_type(whole)), whole)
    if "e" in text.lower():
        return literal(pa.scalar(float(text), pa.float64()), Float(64))
    number = Number(text)
    digits, exponent = len(number.as_tuple().digits), -int(number.as_tuple().exponent)
    kind = Decimal(max(digits, exponent, 1), max(0, exponent))
    if kind.precision > _MOST_DIGITS:
        raise ValueError(text)
    return literal(pa.scalar(number, arrow_type(kind)), kind)
