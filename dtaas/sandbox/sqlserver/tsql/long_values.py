"""SET TEXTSIZE: long values a SELECT returns are cut."""

from collections.abc import Sequence
from typing import Any, Final

from dtaas.sandbox.sqlserver.results import ResultColumn
from dtaas.sandbox.sqlserver.types import MAX

_LEGACY: Final = frozenset({"text", "ntext", "image"})
_MAX_KINDS: Final = frozenset({"varchar", "nvarchar", "varbinary"})
_TWO_BYTES: Final = frozenset({"ntext", "nvarchar"})


def cut_long_values(
    rows: Sequence[Sequence[Any]], columns: Sequence[ResultColumn], size_bytes: int
) -> list[tuple[Any, ...]]:
    """Return rows whose (max), text, ntext and image values have at most `size_bytes`."""
    limits = [_limit(column, size_bytes) for column in columns]
    return [
        tuple(
            value if limit is None or value is None else value[:limit]
            for value, limit in zip(row, limits, strict=True)
        )
        for row in rows
    ]


def _limit(column: ResultColumn, size_bytes: int) -> int | None:
    name = column.type.name
    long = name in _LEGACY or (name in _MAX_KINDS and column.type.length == MAX)
    if not long:
        return None
    return size_bytes // 2 if name in _TWO_BYTES else size_bytes
