"""Compiled steps of one table: batch in, batch out."""

from collections.abc import Sequence
from time import perf_counter

import numpy as np
import pyarrow as pa
from msgspec import Struct

from dtaas.model.errors import TransformationFailedError
from dtaas.model.schema import TableSchema
from dtaas.model.transformations import OnError
from dtaas.transforms.frame import Flaw, Frame, Places
from dtaas.transforms.scope import Known
from dtaas.transforms.steps.step import Kernel


class CompiledStep(Struct, frozen=True):
    """One step that works.

    Attributes:
        path: where it is written, `$.transformations[2].steps[0]`.
        kind: its type, `cast_type`.
    """

    path: str
    kind: str
    kernel: Kernel


class Rejected(Struct, frozen=True):
    """Rows that a step refused.

    Attributes:
        rows: as they came in, with all their columns.
        places: of each in the batch that came in, ascending.
        reasons: why, one text each.
        steps: index of the step among the table's, one each.
        columns: the column that was to take the value, '' for a condition.
    """

    rows: pa.RecordBatch
    places: Places
    reasons: tuple[str, ...]
    steps: tuple[int, ...]
    columns: tuple[str, ...]


class Transformed(Struct, frozen=True, kw_only=True):
    """What became of a batch.

    Attributes:
        batch: rows that arrive, with the schema of the program's output.
        rejected: rows refused; None when there are none.
        places: of each row of `batch` in the batch that came in; None when all are there.
        flaws: values that could not be worked out, whatever became of them.
        seconds: time each step took.
    """

    batch: pa.RecordBatch
    rejected: Rejected | None
    places: Places | None
    flaws: tuple[Flaw, ...]
    seconds: tuple[float, ...]


class Program:
    """The steps of one table. Pure: threads may share it, and the same rows give the same result.

    Attributes:
        steps: in order.
        source: the table as it is read.
        output: the table as it arrives.
        columns: of the output, with the columns of the source they depend on.
        conditions: columns of the source that decide whether a row arrives.
        key_steps: those that make the key of the output from that of the source.
        reread: large columns of the source whose values are needed also where a change does not
            log them; see `dtaas.transforms.unlogged`.
    """

    def __init__(
        self,
        *,
        steps: Sequence[CompiledStep],
        source: TableSchema,
        output: TableSchema,
        columns: Sequence[Known],
        conditions: frozenset[str],
        key_steps: Sequence[CompiledStep] = (),
        reread: frozenset[str] = frozenset(),
    ) -> None:
        self.steps = tuple(steps)
        self.source = source
        self.output = output
        self.columns = tuple(columns)
        self.conditions = conditions
        self.key_steps = tuple(key_steps)
        self.reread = reread
        self._schema = output.arrow_schema()
        self._names = [c.name for c in source.columns]

    def run(self, batch: pa.RecordBatch, *, tolerant: bool = False) -> Transformed:
        """Apply all steps.

        Args:
            batch: with the schema of `source`; its columns may all be nullable.
            tolerant: reject rows also where a step says that the table fails, for a preview.

        Raises:
            TransformationFailedError: a value did not fit, and the step says to fail.
        """
        frame, seconds = self.frame(batch)
        if not tolerant:
            self.settle(frame.flaws)
        columns = [frame.columns[name] for name in self._schema.names]
        return Transformed(
            batch=pa.RecordBatch.from_arrays(columns, schema=self._schema),
            rejected=rejected_of(batch, frame.flaws, tolerant=tolerant),
            places=frame.origin,
            flaws=tuple(frame.flaws),
            seconds=tuple(seconds),
        )

    def frame(self, batch: pa.RecordBatch) -> tuple[Frame, list[float]]:
        """Apply all steps and return the rows as they are then, and the time each step took."""
        return self._through(self.steps, batch, self._names)

    def made_of(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the columns of the output whose values come from some of the source."""
        return tuple(c.name for c in self.columns if c.sources.intersection(names))

    def keys(self, batch: pa.RecordBatch) -> Frame:
        """Return the key columns of `batch` as they arrive, and no others."""
        return self._through(self.key_steps, batch, self.source.key)[0]

    def _through(
        self, steps: Sequence[CompiledStep], batch: pa.RecordBatch, names: Sequence[str]
    ) -> tuple[Frame, list[float]]:
        frame = Frame(names, {name: batch.column(name) for name in names}, batch.num_rows)
        seconds = []
        for index, step in enumerate(steps):
            began = perf_counter()
            frame.step = index
            try:
                step.kernel(frame)
            except pa.ArrowException as error:
                raise TransformationFailedError(
                    f"Step {step.kind} of {self.source.table} failed: {error}.",
                    hint="Report it: the step should have been refused before.",
                    field=step.path,
                ) from error
            seconds.append(perf_counter() - began)
        return frame, seconds

    def settle(self, flaws: Sequence[Flaw]) -> None:
        """Fail where a step says so.

        Raises:
            TransformationFailedError: it does.
        """
        failing = [flaw for flaw in flaws if flaw.action is OnError.FAIL]
        if not failing:
            return
        flaw = failing[0]
        step = self.steps[flaw.step]
        where = f" for column {flaw.column!r}" if flaw.column else ""
        raise TransformationFailedError(
            f"{len(flaw.rows)} rows of {self.source.table} do not pass step {step.kind}{where}: "
            f"{flaw.reason}.",
            hint="Mend the values at the source, or set the step's on_error to null or reject.",
            field=step.path,
        )


def rejected_of(
    batch: pa.RecordBatch, flaws: Sequence[Flaw], *, tolerant: bool = False
) -> Rejected | None:
    """Return the rows of `batch` that steps refused, None when there are none."""
    actions = {OnError.REJECT, OnError.FAIL} if tolerant else {OnError.REJECT}
    refused = [flaw for flaw in flaws if flaw.action in actions]
    if not refused:
        return None
    places = np.concatenate([flaw.rows for flaw in refused])
    which = np.repeat(np.arange(len(refused)), [len(flaw.rows) for flaw in refused])
    order = np.argsort(places, kind="stable")
    ordered = [refused[i] for i in which[order]]
    return Rejected(
        rows=batch.take(pa.array(places[order])),
        places=places[order],
        reasons=tuple(flaw.reason for flaw in ordered),
        steps=tuple(flaw.step for flaw in ordered),
        columns=tuple(flaw.column for flaw in ordered),
    )
