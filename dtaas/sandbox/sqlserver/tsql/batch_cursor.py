"""A place in the tokens of a batch, and the texts cut out of it."""

from collections.abc import Callable
from typing import Final, TypeVar

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql.boundaries import STARTERS, expression_end
from dtaas.sandbox.sqlserver.tsql.errors import keyword_syntax, syntax, undeclared
from dtaas.sandbox.sqlserver.tsql.lexer import RESERVED, Kind, Token, line_of, tokenize
from dtaas.sandbox.sqlserver.tsql.parse import parse_scalar, parse_type_name

T = TypeVar("T")

_CONDITION_STOPS: Final = STARTERS | {"THROW"}
_DEFAULT_STOPS: Final = STARTERS | {"OUT", "OUTPUT", "READONLY"}
_TEXTS: Final = frozenset({Kind.STRING, Kind.NATIONAL})


class BatchCursor:
    """Reads a batch.

    Attributes:
        tokens: all of them, the last has kind END.
        at: index of the next one.
        declared: variables declared so far, in lower case.
        in_procedure: RETURN may give a value.
        catches: how many CATCH blocks are open.
        tables: quoted temporary tables that stand for table variables, by lower-case variable.
    """

    def __init__(self, sql: str, declared: frozenset[str], *, in_procedure: bool = False) -> None:
        self.sql = sql
        self.in_procedure = in_procedure
        self.tokens = tokenize(sql)
        self.at = 0
        self.declared = set(declared)
        self.catches = 0
        self.tables: dict[str, str] = {}

    @property
    def token(self) -> Token:
        """The next token."""
        return self.tokens[self.at]

    @property
    def word(self) -> str:
        """The next token's keyword or operator."""
        return self.token.word

    @property
    def line(self) -> int:
        """Line of the next token, from 1."""
        return line_of(self.sql, self.token.start)

    def peek(self) -> Token:
        """Return the token behind the next one."""
        return self.tokens[min(self.at + 1, len(self.tokens) - 1)]

    def take(self) -> Token:
        """Return the next token and step over it."""
        token = self.token
        if token.kind is not Kind.END:
            self.at += 1
        return token

    def accept(self, *words: str) -> bool:
        """Step over the next token if it is one of these."""
        if self.word not in words or not self.word:
            return False
        self.at += 1
        return True

    def expect(self, *words: str) -> None:
        """Step over these tokens. Raises: SqlError 102 or 156."""
        for word in words:
            if not self.accept(word):
                raise self.error()

    def at_words(self, *words: str) -> bool:
        """Tell whether these tokens come next."""
        following = self.tokens[self.at : self.at + len(words)]
        return [t.word for t in following] == list(words)

    def at_end(self) -> bool:
        """Tell whether the batch is over."""
        return self.token.kind is Kind.END

    def at_name(self) -> bool:
        """Tell whether an identifier comes next."""
        kind = self.token.kind
        return kind is Kind.QUOTED or (kind is Kind.NAME and self.word not in RESERVED)

    def ends_statement(self) -> bool:
        """Tell whether nothing more belongs to the statement."""
        return self.at_end() or self.word == ";" or self.word in STARTERS

    def error(self) -> SqlError:
        """Return the syntax error SQL Server gives for the next token."""
        token = self.tokens[max(self.at - 1, 0)] if self.at_end() else self.token
        make = keyword_syntax if token.word in RESERVED else syntax
        return make(token.text, line=line_of(self.sql, token.start))

    def name(self) -> str:
        """Read an identifier. Raises: SqlError 102 or 156."""
        if not self.at_name():
            raise self.error()
        return self.take().text

    def transaction_name(self) -> str:
        """Read the optional name of a transaction, or the variable that holds it."""
        if self.token.kind is Kind.VARIABLE:
            self.check(self.at, self.at + 1)
            return self.take().text
        return self.name() if self.at_name() else ""

    def constant(self) -> str:
        """Read a text constant or a variable, as text. Raises: SqlError 102 or 156."""
        if self.token.kind not in _TEXTS | {Kind.VARIABLE}:
            raise self.error()
        self.check(self.at, self.at + 1)
        self.at += 1
        return self.text(self.at - 1, self.at)

    def text(self, start: int, end: int) -> str:
        """Return the text of the tokens `start <= i < end`."""
        if start >= end:
            return ""
        first = at = self.tokens[start].start
        pieces = []
        for token in self.tokens[start:end] if self.tables else ():
            if token.kind is Kind.VARIABLE and token.text.lower() in self.tables:
                pieces += [self.sql[at : token.start], self.tables[token.text.lower()]]
                at = token.end
        last = self.sql[max(at, first) : self.tokens[end - 1].end]
        return "".join([*pieces, last])

    def expression(self) -> str:
        """Read an expression that the next statement, a comma, `)` or `;` ends."""
        return self._expression(STARTERS)

    def default(self) -> str:
        """Read the default of a parameter, which OUTPUT or READONLY may follow."""
        return self._expression(_DEFAULT_STOPS)

    def condition(self) -> str:
        """Read the condition of IF or WHILE."""
        return self._expression(_CONDITION_STOPS)

    def _expression(self, stops: frozenset[str]) -> str:
        start = self.at
        end = expression_end(self.tokens, start, stops)
        if start == end:
            raise self.error()
        self.check(start, end)
        text = self.text(start, end)
        self.checked(lambda: parse_scalar(text))
        self.at = end
        return text

    def type_text(self) -> str:
        """Read a type such as `decimal(10, 2)` or `dbo.name`."""
        start = self.at
        if self.token.kind not in {Kind.NAME, Kind.QUOTED}:
            raise self.error()
        self.take()
        while self.accept("."):
            self.name()
        if self.word == "(":
            self.skip_parentheses()
        elif self.word in {"PRECISION", "VARYING"}:
            self.take()
        text = self.text(start, self.at)
        self.checked(lambda: parse_type_name(text), start)
        return text

    def skip_parentheses(self) -> None:
        """Step over `(…)`."""
        depth = 0
        while True:
            if self.at_end():
                raise self.error()
            depth += {"(": 1, ")": -1}.get(self.take().word, 0)
            if depth == 0:
                return

    def check(self, start: int, end: int) -> None:
        """Refuse variables nobody declared between two tokens. Raises: SqlError 137."""
        for token in self.tokens[start:end]:
            if token.kind is not Kind.VARIABLE or token.text.startswith("@@"):
                continue
            if token.text.lower() not in self.declared:
                raise undeclared(token.text, line=line_of(self.sql, token.start))

    def checked(self, parse: Callable[[], T], start: int | None = None) -> T:
        """Parse a piece of text that begins at a token; errors get the batch's line numbers."""
        first = self.tokens[self.at if start is None else start]
        try:
            return parse()
        except SqlError as error:
            error.line += line_of(self.sql, first.start) - 1
            raise
