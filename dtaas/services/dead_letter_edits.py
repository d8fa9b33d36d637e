"""Mending rejected rows of a full load by hand, before they are sent again.

An edited value passes the same gate as one that is read: its column's type must hold it exactly.
The steps of the task then run over the row, so that whoever edits sees whether it passes now.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import pyarrow as pa
import pyarrow.parquet as pq
import structlog
from anyio import Lock
from msgspec import Meta, Struct

from dtaas.concurrency.blocking import Blocking
from dtaas.engine.shaping.dead_letters import COLUMN, NOTES, REASON, STEP, about_of, rewrite
from dtaas.engine.shaping.shapes import Shapes
from dtaas.model.errors import ActionNotAllowedError, RequestError, RevisionConflictError
from dtaas.model.ids import TaskId
from dtaas.model.schema import Column
from dtaas.model.store_ports import ExecutionStore
from dtaas.model.task import Task, TaskMode
from dtaas.model.value_text import value_of
from dtaas.services.dead_letters import DeadLetterService, revision_of
from dtaas.services.task_rules import UNDER_WAY
from dtaas.transforms.program import Program

log = structlog.get_logger()
_MOST_ROWS: Final = 1_000
_TOLD: Final = 3
Values = Mapping[tuple[int, str], pa.Array | None]
"""The new value, one in each array and None for NULL, by place of the row and column."""


class RowEdit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New values of one row.

    Attributes:
        row: its place in the file, from 0, as the rows are listed.
        values: by column: text as the list shows values, null for NULL; other columns stay.
    """

    row: Annotated[int, Meta(ge=0)]
    values: Annotated[dict[str, str | None], Meta(min_length=1)]


class EditRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New values for rows of one file; all of them are taken, or none.

    Attributes:
        revision: of the file when it was read; another one since is a conflict.
    """

    revision: str
    rows: Annotated[tuple[RowEdit, ...], Meta(min_length=1, max_length=_MOST_ROWS)]


class EditedRow(Struct, frozen=True, kw_only=True):
    """What the task's steps make of an edited row now. An empty `reason` says that it passes."""

    row: int
    reason: str
    step: str
    column: str


class EditedRows(Struct, frozen=True, kw_only=True):
    """The edited rows, and the file's new revision."""

    revision: str
    items: tuple[EditedRow, ...]


class ValueProblem(Struct, frozen=True, kw_only=True):
    """Why a value was not taken."""

    row: int
    column: str
    detail: str


class ValuesRefusedError(RequestError):
    """Values do not fit their columns; no row was changed.

    Attributes:
        values: all that do not fit.
    """

    code = "values_refused"
    status = 422

    def __init__(self, values: Sequence[ValueProblem], field: str) -> None:
        self.values = tuple(values)
        told = " ".join(
            f"{one.column} of row {one.row + 1} {one.detail}." for one in self.values[:_TOLD]
        )
        more = len(self.values) - _TOLD
        super().__init__(
            f"{told} And {more} more." if more > 0 else told,
            hint="Nothing was changed. Write values as the list shows them; NULL is null.",
            field=field,
        )


class DeadLetterEdits:
    """Edits files of rejected rows, taking turns with whatever sends them again."""

    def __init__(self, *, letters: DeadLetterService, states: ExecutionStore, turn: Lock) -> None:
        self._letters = letters
        self._states = states
        self._turn = turn
        self._blocking = Blocking(1)

    async def edit(self, task_id: TaskId, file: str, request: EditRequest) -> EditedRows:
        """Change values of rejected rows of a full load.

        Raises:
            NotFoundError: no such task or file.
            ActionNotAllowedError: the task is under way, or reads such rows again at the source.
            RevisionConflictError: the file is another one than was read.
            ValuesRefusedError: values do not fit; names each.
        """
        task = await self._states.task(task_id)
        path = await self._letters.path(task_id, file)
        if task.spec.mode is not TaskMode.FULL_LOAD:
            raise ActionNotAllowedError(
                f"Rows of task {task.spec.name!r} are read again at the source when they are sent "
                "again; what is edited here would be lost.",
                hint="Mend the row at the source, or the step in the task.",
            )
        async with self._turn:
            if task.status in UNDER_WAY:
                raise ActionNotAllowedError(
                    f"Task {task.spec.name!r} is {task.status} and may write this file again.",
                    hint="Stop it first.",
                )
            done = await self._blocking(_edited, task, path, request)
        log.info("dead_letters_edited", task_id=task_id, file=file, rows=len(request.rows))
        return done


def _edited(task: Task, path: Path, request: EditRequest) -> EditedRows:
    """Take the values, run the steps, write the file anew. Blocks."""
    if request.revision != revision_of(path):
        raise RevisionConflictError(
            "The rows were sent again or edited since they were read.", hint="Read them again."
        )
    table = pq.read_table(path).combine_chunks()
    about = about_of(path)
    values = _values(request.rows, {c.name: c for c in about.table.columns}, table.num_rows)
    table = _with_values(table, values)
    shapes = Shapes(task.spec)
    rows = sorted({edit.row for edit in request.rows})
    items = _judged(shapes.program(shapes.shaped(about.table)), table, rows)
    table = _with_notes(table, items)
    rewrite(path, table)
    return EditedRows(revision=revision_of(path), items=items)


def _values(edits: Sequence[RowEdit], columns: Mapping[str, Column], count: int) -> Values:
    """Return the values, checked.

    Raises:
        ValuesRefusedError: some do not fit.
    """
    found: dict[tuple[int, str], pa.Array | None] = {}
    wrong: list[ValueProblem] = []
    field = ""
    for index, edit in enumerate(edits):
        for name, text in edit.values.items():
            try:
                found[edit.row, name] = _value(edit.row, count, columns.get(name), text)
            except ValueError as exc:
                wrong.append(ValueProblem(row=edit.row, column=name, detail=str(exc)))
                field = field or f"$.rows[{index}].values.{name}"
    if wrong:
        raise ValuesRefusedError(wrong, field)
    return found


def _value(row: int, count: int, column: Column | None, text: str | None) -> pa.Array | None:
    if row >= count:
        raise ValueError(f"is beyond the {count} rows of the file")
    if column is None:
        raise ValueError("is no column of the source table")
    if text is not None:
        return value_of(text, column.type)
    if not column.nullable:
        raise ValueError("must not be NULL")
    return None


def _with_values(table: pa.Table, values: Values) -> pa.Table:
    for name in {name for _, name in values}:
        index = table.column_names.index(name)
        field, column = table.schema.field(index), table.column(index).combine_chunks()
        places, added = list(range(len(column))), [column]
        for (row, of), value in values.items():
            if of == name:
                places[row] = sum(map(len, added))
                added.append(pa.nulls(1, field.type) if value is None else value.cast(field.type))
        table = table.set_column(index, field, pa.concat_arrays(added).take(pa.array(places)))
    return table


def _judged(program: Program, table: pa.Table, rows: Sequence[int]) -> tuple[EditedRow, ...]:
    """Return what the steps say of some rows."""
    names = [column.name for column in program.source.columns]
    some = table.take(pa.array(rows)).combine_chunks()
    batch = pa.RecordBatch.from_arrays(
        [some.column(name).combine_chunks() for name in names], names=names
    )
    rejected = program.run(batch, tolerant=True).rejected
    items = {row: EditedRow(row=row, reason="", step="", column="") for row in rows}
    if rejected is not None:
        told = zip(rejected.places, rejected.reasons, rejected.steps, rejected.columns, strict=True)
        for place, reason, step, column in told:
            row = rows[int(place)]
            path = program.steps[step].path
            items[row] = EditedRow(row=row, reason=reason, step=path, column=column)
    return tuple(items.values())


def _with_notes(table: pa.Table, items: Sequence[EditedRow]) -> pa.Table:
    said = {
        REASON: {i.row: i.reason for i in items},
        STEP: {i.row: i.step for i in items},
        COLUMN: {i.row: i.column for i in items},
    }
    for name in NOTES:
        index = table.column_names.index(name)
        old = table.column(index).to_pylist()
        new = pa.array([said[name].get(i, text) for i, text in enumerate(old)], pa.string())
        table = table.set_column(index, table.schema.field(index), new)
    return table
