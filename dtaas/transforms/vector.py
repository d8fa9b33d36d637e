"""Values of one column of one batch, and which of them could not be worked out."""

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dtaas.model.types import ColumnType, arrow_type

Flags: TypeAlias = npt.NDArray[np.bool_]
Values: TypeAlias = "pa.Array | pa.Scalar"
Kernel: TypeAlias = Callable[..., pa.Array]
ARROW_ERRORS: Final = (pa.ArrowInvalid, pa.ArrowNotImplementedError)


class Vector:
    """Values of `rows` rows, or one scalar that stands for all of them.

    Attributes:
        bad: rows whose value could not be worked out, NULL in `values`; None when there are none.
        reason: why, for people; the same for all of them.
    """

    __slots__ = ("bad", "reason", "values")

    def __init__(self, values: Values, bad: Flags | None = None, reason: str = "") -> None:
        self.values = values
        self.bad = bad
        self.reason = reason

    def array(self, rows: int) -> pa.Array:
        """Return the values as an array of `rows`."""
        if isinstance(self.values, pa.Scalar):
            return pa.repeat(self.values, rows)
        return self.values


def worked_out(kernel: Kernel, arguments: list[Vector], rows: int, reason: str) -> Vector:
    """Apply a kernel that may refuse values, telling rows apart that it refuses.

    The whole batch is tried at once; only where that fails are halves tried, down to single rows.
    """
    bad, why = joined_bad(arguments)
    values = [a.values for a in arguments]
    try:
        return Vector(kernel(*values), bad, why)
    except ARROW_ERRORS:
        refused = refused_rows(kernel, [a.array(rows) for a in arguments], rows)
    cleaned = [nulled(a.array(rows), refused) for a in arguments]
    result = kernel(*cleaned)
    return Vector(result, refused if bad is None else refused | bad, reason)


def refused_rows(kernel: Kernel, arrays: list[pa.Array], rows: int) -> Flags:
    """Return the rows that `kernel` raises for."""
    refused = np.zeros(rows, np.bool_)
    open_spans = [(0, rows)]
    while open_spans:
        start, end = open_spans.pop()
        try:
            kernel(*(a.slice(start, end - start) for a in arrays))
        except ARROW_ERRORS:
            if end - start == 1:
                refused[start] = True
                continue
            middle = (start + end) // 2
            open_spans += [(start, middle), (middle, end)]
    return refused


def nulled(values: pa.Array, rows: Flags) -> pa.Array:
    """Return `values` with NULL in the rows given."""
    return pc.if_else(pa.array(~rows), values, pa.scalar(None, values.type))


def joined_bad(vectors: list[Vector]) -> tuple[Flags | None, str]:
    """Return the rows that are bad in any of the vectors, and the first reason."""
    bad: Flags | None = None
    reason = ""
    for vector in vectors:
        if vector.bad is not None:
            bad = vector.bad if bad is None else bad | vector.bad
            reason = reason or vector.reason
    return bad, reason


def null_of(kind: ColumnType) -> pa.Scalar:
    """Return NULL of a type."""
    return pa.scalar(None, arrow_type(kind))
