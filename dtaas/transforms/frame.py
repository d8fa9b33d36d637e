"""The rows of one batch on their way through the steps."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from dtaas.model.transformations import OnError
from dtaas.transforms.vector import Flags, Vector, nulled

Places = npt.NDArray[np.int64]


class Flaw(Struct, frozen=True, kw_only=True):
    """Values of one step that could not be worked out.

    Attributes:
        step: index of the step among those of the table.
        column: the column that was to take the values, '' for a condition.
        rows: places in the batch that came in.
        action: what became of the rows.
    """

    step: int
    column: str
    reason: str
    rows: Places
    action: OnError


class Frame:
    """Columns by name; steps replace them. Rows leave by a filter or by being rejected.

    Attributes:
        origin: the place of each row in the batch that came in, None while all are there.
        step: index of the step at work.
    """

    def __init__(self, names: Sequence[str], columns: Mapping[str, pa.Array], rows: int) -> None:
        self.columns = {name: columns[name] for name in names}
        self.rows = rows
        self.origin: Places | None = None
        self.flaws: list[Flaw] = []
        self.step = 0

    def places(self) -> Places:
        """Return the place of each row in the batch that came in."""
        return np.arange(self.rows) if self.origin is None else self.origin

    def keep(self, kept: pa.BooleanArray) -> None:
        """Keep the rows for which `kept` is true; NULL is not."""
        if kept.true_count == self.rows:
            return
        selection = kept if kept.null_count == 0 else pc.fill_null(kept, False)
        table = pa.RecordBatch.from_arrays(
            list(self.columns.values()), names=[str(i) for i in range(len(self.columns))]
        )
        origin = self.places()
        remaining = table.filter(selection) if self.columns else table
        self.columns = dict(zip(self.columns, remaining.columns, strict=True))
        self.origin = origin[selection.to_numpy(zero_copy_only=False)]
        self.rows = len(self.origin)

    def settle(self, vector: Vector, column: str, on_error: OnError) -> pa.Array:
        """Deal with values that could not be worked out, and return those of the rows that stay."""
        values = vector.array(self.rows)
        if vector.bad is None or not vector.bad.any():
            return values
        bad = vector.bad
        self.flaws.append(
            Flaw(
                step=self.step,
                column=column,
                reason=vector.reason,
                rows=self.places()[bad],
                action=on_error,
            )
        )
        if on_error is OnError.NULL:
            return nulled(values, bad)
        self.drop(bad)
        return values.filter(pa.array(~bad))

    def drop(self, rows: Flags) -> None:
        """Let rows go that a flaw speaks of."""
        self.keep(pa.array(~rows))
