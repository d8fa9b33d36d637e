"""A place in the tokens of a text, for the recursive-descent parser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.errors import keyword_syntax, syntax
from dtaas.sandbox.sqlserver.tsql.lexer import RESERVED, Kind, Token, line_of, tokenize

_NAME_PARTS: Final = 4


class Cursor:
    """Reads tokens one by one.

    Attributes:
        query: parses a query at the cursor; the expression grammar needs it for subqueries.
    """

    def __init__(self, sql: str, query: Callable[[Cursor], tree.Query]) -> None:
        self.sql = sql
        self.query = query
        self._tokens = tokenize(sql)
        self._at = 0

    @property
    def token(self) -> Token:
        """The next token."""
        return self._tokens[self._at]

    def ahead(self, count: int = 1) -> Token:
        """Return the token `count` behind the next one, END when there are fewer."""
        return self._tokens[min(self._at + count, len(self._tokens) - 1)]

    def take(self) -> Token:
        """Return the next token and step over it."""
        token = self.token
        if token.kind is not Kind.END:
            self._at += 1
        return token

    def at(self, *words: str) -> bool:
        """Tell whether the next tokens are these keywords or operators."""
        if self._tokens[self._at].word != words[0]:
            return False
        return all(self.ahead(i).word == word for i, word in enumerate(words[1:], start=1))

    def at_any(self, *words: str) -> bool:
        """Tell whether the next token is one of these keywords or operators."""
        return self.token.word in words

    def accept(self, *words: str) -> bool:
        """Step over these keywords or operators if they come next."""
        if not self.at(*words):
            return False
        self._at += len(words)
        return True

    def accept_any(self, *words: str) -> str | None:
        """Step over one of these keywords or operators, and return it."""
        return self.take().word if self.token.word in words else None

    def expect(self, *words: str) -> None:
        """Step over these keywords or operators.

        Raises:
            SqlError: 102 or 156 when another token comes.
        """
        for word in words:
            if not self.accept(word):
                raise self.error()

    def error(self) -> SqlError:
        """Return the syntax error SQL Server gives for the next token."""
        token = self.token
        line = line_of(self.sql, token.start)
        if token.kind is Kind.END:
            previous = self._tokens[max(self._at - 1, 0)]
            return syntax(previous.text, line=line)
        if token.word in RESERVED:
            return keyword_syntax(token.text, line=line)
        return syntax(token.text, line=line)

    def at_name(self) -> bool:
        """Tell whether an identifier comes next: quoted, or a word that is not reserved."""
        token = self.token
        return token.kind is Kind.QUOTED or (token.kind is Kind.NAME and token.word not in RESERVED)

    def name(self) -> str:
        """Read an identifier.

        Raises:
            SqlError: 102 or 156.
        """
        if not self.at_name():
            raise self.error()
        return self.take().text

    def parts(self) -> tree.Parts:
        """Read a name of up to four parts; an omitted part (`db..t`) is empty."""
        parts = [self.name()]
        while self.accept("."):
            parts.append("" if self.at(".") else self.name())
        if len(parts) > _NAME_PARTS:
            raise SqlError(
                117,
                f"The object name '{'.'.join(parts)}' contains more than the maximum number of "
                "prefixes. The maximum is 3.",
                severity=15,
            )
        return tuple(parts)

    def names(self) -> tuple[str, ...]:
        """Read `(a, b, c)`."""
        self.expect("(")
        names = [self.name()]
        while self.accept(","):
            names.append(self.name())
        self.expect(")")
        return tuple(names)
