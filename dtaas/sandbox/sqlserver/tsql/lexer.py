"""T-SQL text to tokens.

Lexical rules: Microsoft Learn, "Constants (Transact-SQL)" and "Database identifiers".
"""

import re
from enum import Enum, auto
from typing import Final

from msgspec import Struct

from dtaas.sandbox.sqlserver.tsql.errors import syntax, unclosed_comment, unclosed_quote


class Kind(Enum):
    """What a token is."""

    NAME = auto()
    QUOTED = auto()
    VARIABLE = auto()
    STRING = auto()
    NATIONAL = auto()
    INTEGER = auto()
    DECIMAL = auto()
    FLOAT = auto()
    MONEY = auto()
    BINARY = auto()
    OPERATOR = auto()
    END = auto()


class Token(Struct, frozen=True):
    """A token.

    Attributes:
        text: as the error messages quote it; strings and quoted names without their quotes.
        word: `text` in upper case for names, the operator for operators, else empty.
        start: offset of the first character.
        end: offset behind the last one.
    """

    kind: Kind
    text: str
    word: str
    start: int
    end: int


_RESERVED_WORDS: Final = """
ADD ALL ALTER AND ANY AS ASC AUTHORIZATION BACKUP BEGIN BETWEEN BREAK BROWSE BULK BY CASCADE
CASE CHECK CHECKPOINT CLOSE CLUSTERED COALESCE COLLATE COLUMN COMMIT COMPUTE CONSTRAINT
CONTAINS CONTAINSTABLE CONTINUE CONVERT CREATE CROSS CURRENT CURRENT_DATE CURRENT_TIME
CURRENT_TIMESTAMP CURRENT_USER CURSOR DATABASE DBCC DEALLOCATE DECLARE DEFAULT DELETE DENY
DESC DISK DISTINCT DISTRIBUTED DOUBLE DROP DUMP ELSE END ERRLVL ESCAPE EXCEPT EXEC EXECUTE
EXISTS EXIT EXTERNAL FETCH FILE FILLFACTOR FOR FOREIGN FREETEXT FREETEXTTABLE FROM FULL
FUNCTION GOTO GRANT GROUP HAVING HOLDLOCK IDENTITY IDENTITY_INSERT IDENTITYCOL IF IN INDEX
INNER INSERT INTERSECT INTO IS JOIN KEY KILL LEFT LIKE LINENO LOAD MERGE NATIONAL NOCHECK
NONCLUSTERED NOT NULL NULLIF OF OFF OFFSETS ON OPEN OPENDATASOURCE OPENQUERY OPENROWSET
OPENXML OPTION OR ORDER OUTER OVER PERCENT PIVOT PLAN PRIMARY PRINT PROC PROCEDURE PUBLIC
RAISERROR READ READTEXT RECONFIGURE REFERENCES REPLICATION RESTORE RESTRICT RETURN REVERT
REVOKE RIGHT ROLLBACK ROWCOUNT ROWGUIDCOL RULE SAVE SCHEMA SELECT SESSION_USER SET SETUSER
SHUTDOWN SOME STATISTICS SYSTEM_USER TABLE TABLESAMPLE TEXTSIZE THEN TO TOP TRAN TRANSACTION
TRIGGER TRUNCATE TRY_CONVERT TSEQUAL UNION UNIQUE UNPIVOT UPDATE UPDATETEXT USE USER VALUES
VARYING VIEW WAITFOR WHEN WHERE WHILE WITH WITHIN WRITETEXT
"""
RESERVED: Final = frozenset(_RESERVED_WORDS.split())
"""Reserved words (Microsoft Learn, "Reserved keywords"): never a name without quotes."""

_TOKEN: Final = re.compile(
    r"""
      (?P<space>(?:\s|--[^\n]*)+)
    | (?P<comment>/\*)
    | (?P<national>[nN]'(?:[^']|'')*')
    | (?P<string>'(?:[^']|'')*')
    | (?P<bracket>\[(?:[^\]]|\]\])*\])
    | (?P<double>"(?:[^"]|"")*")
    | (?P<binary>0[xX][0-9a-fA-F]*)
    | (?P<float>(?:\d+\.?\d*|\.\d+)[eE][+-]?\d*)
    | (?P<decimal>\d+\.\d*|\.\d+)
    | (?P<integer>\d+)
    | (?P<money>[$£€¥]\s*[+-]?(?:\d[\d,]*\.?\d*|\.\d+))
    | (?P<variable>@@?[\w@#$]+)
    | (?P<physloc>%%[A-Za-z]+%%)
    | (?P<name>(?:[^\W\d]|[#$])[\w@#$]*)
    | (?P<operator><=|>=|<>|!=|!<|!>|\+=|-=|\*=|/=|%=|&=|\|=|\^=|::|[-+*/%=<>(),.;&|^~!{}:?])
    """,
    re.VERBOSE,
)
_NESTED: Final = re.compile(r"/\*|\*/")
_KINDS: Final = {
    "binary": Kind.BINARY,
    "float": Kind.FLOAT,
    "decimal": Kind.DECIMAL,
    "integer": Kind.INTEGER,
    "money": Kind.MONEY,
    "variable": Kind.VARIABLE,
}


def tokenize(sql: str) -> list[Token]:
    """Return the tokens of a text; the last one has kind END.

    Raises:
        SqlError: 105 a string does not end, 113 a comment does not end, 102 a stray character.
    """
    tokens: list[Token] = []
    at = 0
    while at < len(sql):
        found = _TOKEN.match(sql, at)
        if found is None:
            raise _stray(sql, at)
        group = found.lastgroup
        if group == "comment":
            at = _comment_end(sql, at)
            continue
        if group != "space":
            tokens.append(_token(group or "", found.group(), at))
        at = found.end()
    tokens.append(Token(Kind.END, "", "", len(sql), len(sql)))
    return tokens


def _token(group: str, text: str, start: int) -> Token:
    end = start + len(text)
    match group:
        case "name" | "physloc":
            return Token(Kind.NAME, text, text.upper(), start, end)
        case "operator":
            return Token(Kind.OPERATOR, text, text, start, end)
        case "string":
            return Token(Kind.STRING, text[1:-1].replace("''", "'"), "", start, end)
        case "national":
            return Token(Kind.NATIONAL, text[2:-1].replace("''", "'"), "", start, end)
        case "bracket":
            return Token(Kind.QUOTED, text[1:-1].replace("]]", "]"), "", start, end)
        case "double":
            return Token(Kind.QUOTED, text[1:-1].replace('""', '"'), "", start, end)
        case _:
            return Token(_KINDS[group], text, "", start, end)


def _comment_end(sql: str, start: int) -> int:
    """Return the offset behind a comment; comments nest."""
    depth = 0
    for mark in _NESTED.finditer(sql, start):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return mark.end()
    raise unclosed_comment(line=line_of(sql, start))


def _stray(sql: str, at: int) -> Exception:
    line = line_of(sql, at)
    character = sql[at]
    if character in "'\"" or sql[at : at + 2].upper() == "N'":
        return unclosed_quote(sql[at:].lstrip("Nn").lstrip("'\""), line=line)
    if character == "[":
        return unclosed_quote(sql[at + 1 :], line=line)
    return syntax(character, line=line)


def line_of(sql: str, offset: int) -> int:
    """Return the line an offset lies on, counted from 1."""
    return sql.count("\n", 0, offset) + 1
