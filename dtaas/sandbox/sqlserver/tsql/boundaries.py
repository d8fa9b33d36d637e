"""Where a T-SQL statement ends: semicolons are optional, so a reserved word may begin the next.

Each statement has a few places where such a word belongs to it: SELECT after UNION, SET in UPDATE,
DELETE behind ON, and so on. Everything inside parentheses and CASE belongs to the statement.
"""

from collections.abc import Sequence
from typing import Final

from dtaas.sandbox.sqlserver.tsql.lexer import Kind, Token

STARTERS: Final = frozenset(
    {
        "ALTER",
        "BACKUP",
        "BEGIN",
        "BREAK",
        "BULK",
        "CHECKPOINT",
        "CLOSE",
        "COMMIT",
        "CONTINUE",
        "CREATE",
        "DBCC",
        "DEALLOCATE",
        "DECLARE",
        "DELETE",
        "DENY",
        "DROP",
        "ELSE",
        "END",
        "EXEC",
        "EXECUTE",
        "FETCH",
        "GOTO",
        "GRANT",
        "IF",
        "INSERT",
        "KILL",
        "MERGE",
        "OPEN",
        "PRINT",
        "RAISERROR",
        "READTEXT",
        "RECONFIGURE",
        "RESTORE",
        "RETURN",
        "REVERT",
        "REVOKE",
        "ROLLBACK",
        "SAVE",
        "SELECT",
        "SET",
        "SETUSER",
        "SHUTDOWN",
        "TRUNCATE",
        "UPDATE",
        "UPDATETEXT",
        "USE",
        "WAITFOR",
        "WHILE",
        "WRITETEXT",
    }
)
"""Reserved words that begin a statement, or end a block."""
VERBS: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"})
"""What a statement that touches rows does."""
_RIGHTS: Final = frozenset({"GRANT", "DENY", "REVOKE"})
_MODULES: Final = frozenset({"VIEW", "PROC", "PROCEDURE", "FUNCTION", "TRIGGER"})


def expression_end(tokens: Sequence[Token], at: int, stops: frozenset[str] = STARTERS) -> int:
    """Return the index behind an expression: a semicolon, comma, `)`, label or starter ends it.

    Args:
        stops: words that end it at depth 0.
    """
    depth = cases = 0
    while tokens[at].kind is not Kind.END:
        word = tokens[at].word
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth < 0 or (depth == 0 and word in {";", ","}):
            return at
        if depth == 0 and tokens[at].kind is Kind.NAME:
            if tokens[at + 1].word == ":":
                return at
            if word == "CASE":
                cases += 1
            elif word in stops and not (cases and word in {"ELSE", "END"}):
                return at
            elif word == "END" and cases:
                cases -= 1
        at += 1
    return at


def statement_end(tokens: Sequence[Token], at: int) -> int:
    """Return the index behind the statement at `at`: of its semicolon or of the next starter."""
    if is_module(tokens, at):
        return len(tokens) - 1
    scan = _Scan(tokens, at)
    while not scan.ended():
        scan.step()
    return scan.at


def is_module(tokens: Sequence[Token], at: int) -> bool:
    """Tell whether CREATE VIEW, PROCEDURE, FUNCTION or TRIGGER begins: it takes the whole batch."""
    if tokens[at].word not in {"CREATE", "ALTER"}:
        return False
    kind = at + 3 if tokens[at + 1].word == "OR" else at + 1
    return tokens[min(kind, len(tokens) - 1)].word in _MODULES


def main_verb(tokens: Sequence[Token], start: int, end: int) -> str:
    """Return the verb of the statement between two indexes, behind its WITH clause."""
    depth = 0
    for token in tokens[start:end]:
        depth += {"(": 1, ")": -1}.get(token.word, 0)
        if depth == 0 and token.word in VERBS:
            return token.word
    return "SELECT"


class _Scan:
    """Walks one statement and remembers what its grammar still allows."""

    def __init__(self, tokens: Sequence[Token], at: int) -> None:
        self._tokens = tokens
        self._first = tokens[at].word
        self._verb = "" if self._first == "WITH" else self._first
        self._depth = 0
        self._cases = 0
        self._sourced = False  # INSERT has its SELECT, VALUES or EXEC
        self._acted = False  # UPDATE has its SET, ALTER its action
        self.at = at + (0 if self._first == "WITH" else 1)

    def ended(self) -> bool:
        token = self._tokens[self.at]
        if token.kind is Kind.END:
            return True
        if self._depth:
            return False
        if token.word == ";" or (token.word == ")" and token.kind is Kind.OPERATOR):
            return True
        if token.kind is not Kind.NAME or self._tokens[self.at - 1].word == ".":
            return False
        if token.word in STARTERS:
            return not self._continues(token.word)
        return self._tokens[self.at + 1].word == ":"

    def step(self) -> None:
        token = self._tokens[self.at]
        word = token.word
        if token.kind is Kind.OPERATOR:
            if word == "(" and not self._depth and self._verb == "INSERT":
                self._sourced |= self._tokens[self.at + 1].word in {"SELECT", "WITH"}
            self._depth += {"(": 1, ")": -1}.get(word, 0)
        elif token.kind is Kind.NAME and not self._depth:
            self._note(word)
        self.at += 1

    def _note(self, word: str) -> None:
        if word == "CASE":
            self._cases += 1
        elif word == "END" and self._cases:
            self._cases -= 1
        elif not self._verb and word in VERBS:
            self._verb = word
        elif word in {"SELECT", "VALUES", "EXEC", "EXECUTE"}:
            self._sourced = True
        elif word in {"SET", "DROP", "ALTER", "ADD"}:
            self._acted = True

    def _continues(self, word: str) -> bool:
        previous = self._tokens[self.at - 1].word
        if self._cases and word in {"ELSE", "END"}:
            return True
        if not self._verb:
            return word in VERBS
        if self._verb == "MERGE":
            return word not in {"ELSE", "END"}  # only its semicolon ends it (error 10713)
        if self._first in _RIGHTS:
            return previous in _RIGHTS | {",", "FOR"}
        return self._belongs(word, previous)

    def _belongs(self, word: str, previous: str) -> bool:
        match word:
            case "SELECT":
                return previous in {"UNION", "ALL", "EXCEPT", "INTERSECT"} or self._unsourced()
            case "EXEC" | "EXECUTE":
                return self._unsourced()
            case "SET":
                return previous in {"DELETE", "UPDATE"} or (
                    self._verb in {"UPDATE", "ALTER"} and not self._acted
                )
            case "DELETE" | "UPDATE":
                return previous == "ON"
            case "DROP" | "ALTER":
                return self._verb == "ALTER" and not self._acted
            case "ROLLBACK":
                return previous == "WITH"  # ALTER DATABASE … WITH ROLLBACK IMMEDIATE
            case "IF":
                return self._first in {"DROP", "ALTER"}
            case "FETCH":
                return previous in {"ROW", "ROWS"}
            case _:
                return False

    def _unsourced(self) -> bool:
        return self._verb == "INSERT" and not self._sourced
