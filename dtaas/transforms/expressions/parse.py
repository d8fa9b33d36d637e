"""SQL text to a syntax tree: one expression over columns, and nothing else.

Names of functions stay as they are written, so that there is one catalogue for all of them.
Identifiers may stand in double quotes or square brackets.
"""

import logging
from typing import ClassVar, Final

from sqlglot import exp, parser, tokens
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError

from dtaas.transforms.expressions.nodes import ExpressionError

_KEPT: Final = ("CAST", "TRY_CAST")
logging.getLogger("sqlglot").setLevel(logging.ERROR)  # what it cannot parse is told by ourselves


class Expressions(Dialect):
    """What is common to ANSI and T-SQL, without functions of any product."""

    class Tokenizer(tokens.Tokenizer):
        IDENTIFIERS: ClassVar = ['"', ("[", "]")]
        STRING_ESCAPES: ClassVar = ["'"]

    class Parser(parser.Parser):
        FUNCTIONS: ClassVar = {}
        FUNCTION_PARSERS: ClassVar = {
            name: parse for name, parse in parser.Parser.FUNCTION_PARSERS.items() if name in _KEPT
        }
        NO_PAREN_FUNCTIONS: ClassVar = {}


def parsed(text: str) -> exp.Expr:
    """Return the tree of one expression.

    Raises:
        ExpressionError: it is none; with the place.
    """
    try:
        found = Expressions().parse(text)
    except SqlglotError as error:
        raise _not_sql(text, error) from None
    except RecursionError:
        raise ExpressionError("bad_expression", "It is nested too deeply.") from None
    trees = [tree for tree in found if tree is not None]
    if len(trees) != 1:
        raise ExpressionError(
            "bad_expression", "One expression is wanted.", "Write it without a semicolon."
        )
    tree = trees[0]
    if isinstance(tree, exp.Query | exp.DDL | exp.Command | exp.Alias):
        raise ExpressionError(
            "unsupported_expression",
            f"{text.split(maxsplit=1)[0].upper()} is not an expression over the columns of a row."
            if not isinstance(tree, exp.Alias)
            else "There is something left behind the expression.",
            "Write an expression such as price * quantity, or a condition such as total > 0.",
            at=place_of(tree),
        )
    return tree


def place_of(node: exp.Expr) -> int | None:
    """Return where a node begins in the text, None when it does not say."""
    starts = [n.meta["start"] for n in node.walk() if "start" in n.meta]
    return min(starts, default=None)


def _said(description: str) -> str:
    """Return a parser's words without those about its own classes."""
    return "something is missing" if "class" in description else description.lower()


def _not_sql(text: str, error: SqlglotError) -> ExpressionError:
    details = getattr(error, "errors", None)
    if not details:
        return ExpressionError("bad_expression", f"It is not valid SQL: {error}.")
    first = details[0]
    lines = text.splitlines(keepends=True)
    before = sum(len(line) for line in lines[: int(first["line"] or 1) - 1])
    highlight = first.get("highlight") or ""
    at = before + max(0, int(first["col"] or 1) - max(1, len(highlight)))
    return ExpressionError(
        "bad_expression",
        f"It is not valid SQL: {_said(str(first['description']))}"
        + (f" at {highlight!r}." if highlight else "."),
        "Text stands in single quotes, names with blanks in double quotes or brackets.",
        at=at,
    )
