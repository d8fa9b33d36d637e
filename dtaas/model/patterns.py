"""Names by pattern. Pure."""

import re
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache
from typing import Annotated

from msgspec import Meta

Pattern = Annotated[str, Meta(min_length=1, max_length=300)]
"""A name with `*`, `?` and `[…]`, whatever the case: `sales.*`, `*.order_?`."""


def fits(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a name fits one of some patterns, whatever the case."""
    folded = name.casefold()
    return any(_compiled(pattern).match(folded) for pattern in patterns)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern.casefold()))
