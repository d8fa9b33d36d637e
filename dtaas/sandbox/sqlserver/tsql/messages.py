"""RAISERROR's message format: C's printf, as far as SQL Server knows it.

Source: Microsoft Learn, "RAISERROR (Transact-SQL)".
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from dtaas.sandbox.sqlserver.results import SqlError

_FORMAT: Final = re.compile(
    r"%(?P<flags>[-+0# ]*)(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d+))?"
    r"(?P<size>h|l|I64)?(?P<kind>[diosuxX%])"
)
_MAX_CHARACTERS: Final = 2047
_INTEGERS: Final = "diouxX"


def format_message(text: str, arguments: Sequence[Any]) -> str:
    """Return `text` with its arguments; NULL prints as `(null)`, a missing one too.

    Raises:
        SqlError: 2786 an argument is of another type than its place asks for.
    """
    left = list(arguments)
    counted = 0

    def following() -> Any:
        nonlocal counted
        counted += 1
        return left.pop(0) if left else None

    def fill(found: re.Match[str]) -> str:
        if found["kind"] == "%":
            return "%"
        width = following() if found["width"] == "*" else found["width"]
        precision = following() if found["precision"] == "*" else found["precision"]
        value = following()
        if value is None:
            return "(null)"
        if (found["kind"] == "s") != isinstance(value, str):
            raise SqlError(
                2786,
                f"The data type of substitution parameter {counted} does not match the expected "
                "type of the format specification.",
            )
        digits = "" if precision is None else f".{precision}"
        kind = "d" if found["kind"] in "iu" else found["kind"]
        if kind in _INTEGERS and value < 0 and found["kind"] in "ouxX":
            value += 1 << 32
        formatted: str = f"%{found['flags']}{width or ''}{digits}{kind}" % value
        return formatted

    return _FORMAT.sub(fill, text)[:_MAX_CHARACTERS]
