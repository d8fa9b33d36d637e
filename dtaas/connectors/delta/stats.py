"""Statistics of data files for the table's log, from their Parquet footers.

With the bounds of the key, a merge or a reader skips files that cannot hold a row.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import msgspec
import pyarrow.parquet as pq

_LONGEST_TEXT: Final = 32


def file_stats(footer: pq.FileMetaData, columns: Sequence[str]) -> str:
    """Return a file's statistics as JSON: number of rows, bounds and NULLs of `columns`."""
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for place in range(footer.num_columns):
        name = footer.schema.column(place).name
        if name not in columns:
            continue
        found = [footer.row_group(g).column(place).statistics for g in range(footer.num_row_groups)]
        if not found or any(s is None or not s.has_min_max for s in found):
            continue
        bounds = min(s.min for s in found), max(s.max for s in found)
        if all(_tellable(bound) for bound in bounds):
            low[name], high[name] = bounds
            nulls[name] = sum(s.null_count or 0 for s in found)
    figures = {
        "numRecords": footer.num_rows, "minValues": low, "maxValues": high, "nullCount": nulls,
    }  # fmt: skip
    return msgspec.json.encode(figures).decode()


def _tellable(bound: Any) -> bool:
    """Return whether the log can hold a bound exactly; longer texts may be cut in a footer."""
    if isinstance(bound, str):
        return len(bound) <= _LONGEST_TEXT
    return isinstance(bound, int | date) and not isinstance(bound, bool)
