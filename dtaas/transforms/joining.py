"""Texts one after another."""

from collections.abc import Sequence
from functools import reduce
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dtaas.model.transformations import NullParts

_HANDLING: Final = {
    NullParts.SKIP: "skip",
    NullParts.EMPTY: "replace",
    NullParts.NULL: "emit_null",
}


def join_texts(
    parts: Sequence[pa.Array | pa.Scalar], separator: str, nulls: NullParts
) -> pa.Array | pa.Scalar:
    """Return the texts of each row as one."""
    if nulls is NullParts.SKIP:
        parts = [_never_all_null(parts), *parts[1:]]
    options = pc.JoinOptions(null_handling=_HANDLING[nulls])
    return pc.call_function("binary_join_element_wise", [*parts, pa.scalar(separator)], options)


def _never_all_null(parts: Sequence[pa.Array | pa.Scalar]) -> pa.Array | pa.Scalar:
    """Return the first part, empty where all are NULL: Arrow would leave such a row out."""
    first = parts[0]
    if any(isinstance(p, pa.Array) and p.null_count == 0 for p in parts):
        return first
    unknown = reduce(pc.and_, [pc.is_null(part) for part in parts])
    return pc.if_else(unknown, "", first)
