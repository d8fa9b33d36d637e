"""The key value that PostgreSQL names when it refuses a duplicate."""

import re
from typing import Final

_DETAIL: Final = re.compile(
    r"Key \(.*\)=\((?P<values>.*)\) (already exists|is duplicated)\.", re.DOTALL
)
_SQL_PUNCTUATION: Final = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_UNMOVED: Final = {0x0F + i: character for i, character in enumerate(_SQL_PUNCTUATION)}


def duplicate_value(detail: str) -> str:
    """Return the key of a unique violation as SQL Server shows it: `(1, abc)`.

    Args:
        detail: the DETAIL of PostgreSQL's error (SQLSTATE 23505).
    """
    found = _DETAIL.fullmatch(detail)
    # Sort keys show folded: the moved punctuation goes back, the case is lost.
    values = found["values"].split("\x01")[0].translate(_UNMOVED) if found else ""
    return f"({values.replace('null', '<NULL>')})"
