"""Rows through a program, as people see them. Pure; runs in a thread."""

from typing import Any, Final

import pyarrow as pa

from dtaas.model.schema import TableSchema
from dtaas.services.preview.shapes import (
    CellError,
    Preview,
    PreviewColumn,
    PreviewProblem,
    PreviewRow,
    PreviewStep,
    RowState,
)
from dtaas.transforms.compile import Compilation
from dtaas.transforms.program import Program

_LONGEST: Final = 200
_MEASURED_ROWS: Final = 16_384
_MEASURED_BYTES: Final = 16_000_000


def shown(schema: TableSchema, batch: pa.RecordBatch, compilation: Compilation) -> Preview:
    """Return rows before and after; only before when the steps cannot work."""
    before = list(zip(*map(_texts, batch.columns), strict=True)) if batch.num_columns else []
    preview = Preview(
        table=schema.table,
        before=_columns(schema),
        after=_columns(compilation.output),
        rows=tuple(PreviewRow(state=RowState.KEPT, before=row) for row in before),
        problems=tuple(
            PreviewProblem(code=p.code, detail=p.detail, hint=p.hint, field=p.field)
            for p in compilation.problems
        ),
    )
    if compilation.program is None:
        return preview
    return _transformed(preview, batch, before, compilation.program)


def _transformed(
    preview: Preview,
    batch: pa.RecordBatch,
    before: list[tuple[str | None, ...]],
    program: Program,
) -> Preview:
    done = program.run(batch, tolerant=True)
    after = list(zip(*map(_texts, done.batch.columns), strict=True))
    places = range(batch.num_rows) if done.places is None else done.places.tolist()
    arrived = dict(zip(places, after, strict=True))
    refused = set() if done.rejected is None else set(done.rejected.places.tolist())
    errors: dict[int, list[CellError]] = {}
    for flaw in done.flaws:
        told = CellError(step=flaw.step, column=flaw.column, reason=flaw.reason)
        for place in flaw.rows.tolist():
            errors.setdefault(place, []).append(told)
    rows = tuple(
        PreviewRow(
            state=_state(place, arrived, refused),
            before=row,
            after=arrived.get(place),
            errors=tuple(errors.get(place, ())),
        )
        for place, row in enumerate(before)
    )
    states = [row.state for row in rows]
    return Preview(
        table=preview.table,
        before=preview.before,
        after=preview.after,
        rows=rows,
        steps=_costs(batch, program),
        kept=states.count(RowState.KEPT),
        filtered=states.count(RowState.FILTERED),
        rejected=states.count(RowState.REJECTED),
    )


def _state(place: int, arrived: dict[int, Any], refused: set[int]) -> RowState:
    if place in refused:
        return RowState.REJECTED
    return RowState.KEPT if place in arrived else RowState.FILTERED


def _costs(batch: pa.RecordBatch, program: Program) -> tuple[PreviewStep, ...]:
    """Measure the steps on the rows repeated: a hundred alone would only show the overhead."""
    times = 0
    if batch.num_rows:
        most = min(_MEASURED_ROWS, _MEASURED_BYTES * batch.num_rows // max(1, batch.nbytes))
        times = max(1, most // batch.num_rows)
    seconds: list[float] = []
    if times:
        many = pa.Table.from_batches([batch] * times).combine_chunks().to_batches()[0]
        _, seconds = program.frame(many)
    rows = batch.num_rows * times
    return tuple(
        PreviewStep(
            path=step.path,
            kind=step.kind,
            rows_s=rows / max(seconds[index], 1e-9) if seconds else 0.0,
        )
        for index, step in enumerate(program.steps)
    )


def _columns(schema: TableSchema) -> tuple[PreviewColumn, ...]:
    return tuple(
        PreviewColumn(name=field.name, type=str(field.type), in_key=field.name in schema.key)
        for field in schema.arrow_schema()
    )


def _texts(column: pa.Array) -> list[str | None]:
    return [_text(value) for value in column.to_pylist()]


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
