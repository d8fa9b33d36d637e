"""`NAME = value` lists at the end of COPY, PUT, CREATE STAGE and CREATE FILE FORMAT."""

import re
from typing import Final

from dtaas.sandbox.snowflake.engine.errors import compilation

_OPTION: Final = re.compile(
    r"\s*,?\s*(?P<name>[A-Za-z_][\w]*)\s*=\s*"
    r"(?:(?P<text>'(?:[^']|'')*')|(?P<open>\()|(?P<word>[^\s,()']+))",
    re.DOTALL,
)
_TEXT: Final = re.compile(r"'((?:[^']|'')*)'")


def read_options(text: str) -> dict[str, str]:
    """Return the options by their upper-case names; a bracketed value keeps what is inside.

    Raises:
        StatementError: 1003, it is no such list.
    """
    found: dict[str, str] = {}
    at = 0
    while text[at:].strip(" \t\r\n,"):
        option = _OPTION.match(text, at)
        if option is None:
            raise compilation(f"syntax error near '{text[at:].strip()[:60]}'")
        at = option.end()
        if option["open"]:
            end = closing(text, at)
            found[option["name"].upper()] = text[at:end].strip()
            at = end + 1
        elif option["text"] is not None:
            found[option["name"].upper()] = unquoted(option["text"])
        else:
            found[option["name"].upper()] = option["word"]
    return found


def closing(text: str, start: int) -> int:
    """Return where the bracket that was opened before `start` closes.

    Raises:
        StatementError: 1003, it does not.
    """
    depth, quote = 1, ""
    for at in range(start, len(text)):
        character = text[at]
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
            if depth == 0:
                return at
    raise compilation("syntax error: a bracket is not closed")


def split(text: str) -> list[str]:
    """Return the parts of a list, divided by commas outside of brackets and quotes."""
    pieces, depth, quote, start = [], 0, "", 0
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == "," and depth == 0:
            pieces.append(text[start:at].strip())
            start = at + 1
    return [piece for piece in (*pieces, text[start:].strip()) if piece]


def text_list(text: str) -> list[str]:
    """Return the texts of a list of literals."""
    return [match.replace("''", "'") for match in _TEXT.findall(text)]


def unquoted(text: str) -> str:
    """Return the text a literal stands for; anything else stays as it is."""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    return text


def truth(options: dict[str, str], name: str, default: bool = False) -> bool:
    """Return whether an option is on.

    Raises:
        StatementError: 1481, its value is neither TRUE nor FALSE.
    """
    value = options.get(name)
    if value is None:
        return default
    if value.upper() not in ("TRUE", "FALSE"):
        raise compilation(f"invalid value [{value}] for parameter '{name}'", 1481, "42601")
    return value.upper() == "TRUE"
