"""Constants of T-SQL and their types.

Source: Microsoft Learn, "Constants (Transact-SQL)" and "Precision, scale, and length".
"""

import re
from typing import Final

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.lexer import Kind, Token
from dtaas.sandbox.sqlserver.types import MAX, SqlType

_INT_MAX: Final = 2**31 - 1
_DIGITS: Final = 38
_VARCHAR_BYTES: Final = 8000
_NVARCHAR_UNITS: Final = 4000


def parse_literal(token: Token) -> tree.Literal:
    """Return the constant a token writes.

    Raises:
        SqlError: 1007 a number of more than 38 digits.
    """
    match token.kind:
        case Kind.STRING:
            return varchar_literal(token.text)
        case Kind.NATIONAL:
            return nvarchar_literal(token.text)
        case Kind.INTEGER:
            digits = token.text.lstrip("0") or "0"
            if int(digits) <= _INT_MAX:
                return tree.Literal(digits, SqlType("int"))
            return tree.Literal(digits, _numeric(digits, ""))
        case Kind.DECIMAL:
            whole, _, fraction = token.text.partition(".")
            whole = whole.lstrip("0")
            return tree.Literal(f"{whole or '0'}.{fraction}", _numeric(whole, fraction))
        case Kind.FLOAT:
            text = token.text if token.text[-1].isdigit() else token.text.rstrip("eE+-")
            return tree.Literal(text, SqlType("float", precision=53))
        case Kind.MONEY:
            return tree.Literal(re.sub(r"[^\d.+-]", "", token.text), SqlType("money"))
        case _:
            digits = token.text[2:]
            value = bytes.fromhex(digits if len(digits) % 2 == 0 else f"0{digits}")
            length = max(len(value), 1)
            return tree.Literal(
                value, SqlType("varbinary", length if length <= _VARCHAR_BYTES else MAX)
            )


def varchar_literal(text: str) -> tree.Literal:
    """Return a varchar constant; its collation is given when it is bound."""
    length = max(len(text), 1)
    return tree.Literal(text, SqlType("varchar", length if length <= _VARCHAR_BYTES else MAX))


def nvarchar_literal(text: str) -> tree.Literal:
    """Return an nvarchar constant; its length counts UTF-16 units."""
    length = max(len(text) + sum(character > "\uffff" for character in text), 1)
    return tree.Literal(text, SqlType("nvarchar", length if length <= _NVARCHAR_UNITS else MAX))


def _numeric(whole: str, fraction: str) -> SqlType:
    precision = max(len(whole) + len(fraction), 1)
    if precision > _DIGITS:
        number = f"{whole}.{fraction}" if fraction else whole
        raise SqlError(
            1007,
            f"The number '{number}' is out of the range for numeric representation "
            "(maximum precision 38).",
            severity=15,
        )
    return SqlType("numeric", precision=precision, scale=len(fraction))
