"""TO_VARCHAR and TO_CHAR with a format, cut from the text DuckDB writes of any time."""

import re
from typing import Final

from sqlglot import Expr, exp

from dtaas.sandbox.snowflake.engine.errors import unsupported

_TOKEN: Final = re.compile(
    r'"(?P<quoted>[^"]*)"|(?P<part>YYYY|MM|DD|HH24|MI|SS|FF\d?|TZH|TZM)|(?P<other>[^A-Z"])',
    re.IGNORECASE,
)
_PIECES: Final = {
    "YYYY": (r"^-?(\d{4,})-", ""),
    "MM": (r"^-?\d+-(\d\d)", ""),
    "DD": (r"^-?\d+-\d\d-(\d\d)", ""),
    "HH24": (r"(\d\d):\d\d:\d\d", "00"),
    "MI": (r"\d\d:(\d\d):\d\d", "00"),
    "SS": (r"\d\d:\d\d:(\d\d)", "00"),
    "TZH": (r":\d\d[.\d]*([+-]\d\d)", "+00"),
    "TZM": (r":\d\d[.\d]*[+-]\d\d:(\d\d)", "00"),
}
_FRACTION: Final = r"\d\d:\d\d:\d\d\.(\d+)"
_BINARY: Final = {"HEX": "hex", "BASE64": "to_base64", "UTF-8": "decode", "UTF8": "decode"}

MACROS: Final = (
    "CREATE TEMPORARY MACRO _SF_PIECE(x, pattern, missing) AS "
    "coalesce(nullif(regexp_extract(CAST(x AS VARCHAR), pattern, 1), ''), "
    "CASE WHEN x IS NOT NULL THEN missing END);"
    "CREATE TEMPORARY MACRO _SF_FRACTION(x, pattern, digits) AS "
    "rpad(left(regexp_extract(CAST(x AS VARCHAR), pattern, 1), digits), digits, '0')"
)


_PYTHON: Final = {
    "%Y": "YYYY",
    "%m": "MM",
    "%d": "DD",
    "%H": "HH24",
    "%M": "MI",
    "%S": "SS",
    "%f": "FF6",
    "%z": "TZHTZM",
    "%:z": "TZH:TZM",
}
_DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_PYTHON_TOKEN: Final = re.compile(rf"%f_(?P<digits>{'|'.join(_DIGITS)})|%:?[A-Za-z]|[^%]+")


def from_python(form: str) -> str:
    """Return a format of Snowflake for the one sqlglot made of it.

    Raises:
        StatementError: it has a token the emulator does not know.
    """
    pieces = []
    at = 0
    while at < len(form):
        token = _PYTHON_TOKEN.match(form, at)
        if token is None or (
            token[0][0] == "%" and not token["digits"] and token[0] not in _PYTHON
        ):
            raise unsupported(f"format '{form}'")
        at = token.end()
        if token["digits"]:
            pieces.append(f"FF{_DIGITS.index(token['digits'])}")
        else:
            pieces.append(_PYTHON.get(token[0]) or f'"{token[0]}"')
    return "".join(pieces)


def formatted(value: Expr, form: str) -> Expr:
    """Return the expression that writes a value in a format of Snowflake.

    Raises:
        StatementError: the emulator does not know the format; those of numbers are unknown.
    """
    if form.upper() in _BINARY:
        return exp.Anonymous(this=_BINARY[form.upper()], expressions=[value.copy()])
    pieces: list[Expr] = []
    at = 0
    while at < len(form):
        token = _TOKEN.match(form, at)
        if token is None:
            raise unsupported(f"format '{form}'")
        at = token.end()
        part = (token["part"] or "").upper()
        if part:
            pieces.append(_piece(value, part))
        else:
            pieces.append(exp.Literal.string(token["quoted"] or token["other"] or ""))
    if not any(isinstance(piece, exp.Anonymous) for piece in pieces):
        raise unsupported(f"format '{form}'")
    joined = pieces[0]
    for piece in pieces[1:]:
        joined = exp.DPipe(this=joined, expression=piece)
    return exp.Paren(this=joined)


def _piece(value: Expr, part: str) -> Expr:
    if part.startswith("FF"):
        digits = exp.Literal.number(int(part[2:] or 9))
        arguments = [value.copy(), exp.Literal.string(_FRACTION), digits]
        return exp.Anonymous(this="_SF_FRACTION", expressions=arguments)
    pattern, missing = map(exp.Literal.string, _PIECES[part])
    return exp.Anonymous(this="_SF_PIECE", expressions=[value.copy(), pattern, missing])
