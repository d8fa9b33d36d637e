"""The key value that PostgreSQL names when it refuses a duplicate."""

import re
from typing import Final

_DETAIL: Final = re.compile(
    r"Key \(.*\)=\((?P<values>.*)\) (already exists|is duplicated)\.", re.DOTALL
)
# What `coll.sql_base` makes of punctuation: a slash and the place of the character here, from 2.
_MOVED: Final = "/:;<=>?@[\\]^_`{|}~"
_PAIR: Final = re.compile("/([\x02-\x13])")


def duplicate_value(detail: str) -> str:
    """Return the key of a unique violation as SQL Server shows it: `(1, abc)`.

    Args:
        detail: the DETAIL of PostgreSQL's error (SQLSTATE 23505).
    """
    found = _DETAIL.fullmatch(detail)
    # Sort keys show folded: the moved punctuation goes back, the case is lost.
    values = found["values"].split("\x01")[0] if found else ""
    values = _PAIR.sub(lambda pair: _MOVED[ord(pair[1]) - 2], values)
    return f"({values.replace('null', '<NULL>')})"
