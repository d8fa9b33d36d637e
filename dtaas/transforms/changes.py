"""Change rows through the steps of a table, so that the target stays the transformed source.

* A row that a condition does not let pass must not be at the target: an update of it becomes a
  delete, whether or not it was there. So does an insert, unless the log is known to bring the
  delete of an earlier row itself; then it is left out.
* A delete brings the key, made as the steps make it, and NULL for everything else.
* What an update did not log (`_unchanged`) stays so in the columns made of it alone; what steps
  need of it is read before; see `dtaas.transforms.unlogged`.
* A row that is rejected changes nothing at the target.
"""

import json
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct
from msgspec.structs import replace

from dtaas.model.changes import CHANGE_FIELDS, OP, UNCHANGED, ChangeOp, change_schema
from dtaas.transforms.frame import Flaw, Places
from dtaas.transforms.program import Program, Rejected, rejected_of

_METADATA: Final = len(CHANGE_FIELDS)


class TransformedChanges(Struct, frozen=True, kw_only=True):
    """What became of a batch of change rows.

    Attributes:
        batch: in the order of the batch that came in, with `change_schema` of the output.
        rejected: rows refused, with their metadata; None when there are none.
    """

    batch: pa.RecordBatch
    rejected: Rejected | None


def transform_changes(
    program: Program, batch: pa.RecordBatch, *, inserts_are_new: bool
) -> TransformedChanges:
    """Apply a program to change rows.

    Args:
        batch: with `change_schema(program.source)`.
        inserts_are_new: an insert never stands for a row that was there before.

    Raises:
        TransformationFailedError: a value did not fit, and the step says to fail.
    """
    names = batch.schema.names[_METADATA:]
    data = pa.RecordBatch.from_arrays(batch.columns[_METADATA:], names=names)
    ops = batch.column(OP)
    deletes = _flags(pc.equal(ops, ChangeOp.DELETE.value))
    living = np.flatnonzero(~deletes)
    frame, _ = program.frame(data if len(living) == len(deletes) else data.take(pa.array(living)))
    program.settle(frame.flaws)
    kept = living if frame.origin is None else living[frame.origin]
    flaws = [_moved(flaw, living) for flaw in frame.flaws]
    rejected = rejected_of(batch, flaws)
    gone = ~deletes
    gone[kept] = False
    if rejected is not None:
        gone[rejected.places] = False
    if inserts_are_new:
        gone &= ~_flags(pc.equal(ops, ChangeOp.INSERT.value))
    here = _living(program, batch, frame.columns, kept)
    deletes |= gone
    if not deletes.any():
        return TransformedChanges(batch=here, rejected=rejected)
    dead, places = _dead(program, batch, data, np.flatnonzero(deletes))
    both = pa.Table.from_batches([here, dead]).combine_chunks()
    order = np.argsort(np.concatenate([kept, places]), kind="stable")
    ordered = both.take(pa.array(order)).combine_chunks()
    whole = ordered.to_batches()
    result = whole[0] if whole else here
    return TransformedChanges(batch=result, rejected=rejected)


def _flags(values: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    return np.array(values.to_numpy(zero_copy_only=False), np.bool_)


def _moved(flaw: Flaw, living: Places) -> Flaw:
    """Return a flaw with its places in the whole batch."""
    return replace(flaw, rows=living[flaw.rows])


def _living(
    program: Program, batch: pa.RecordBatch, columns: Mapping[str, pa.Array], kept: Places
) -> pa.RecordBatch:
    """Return the rows that are at the target afterwards."""
    schema = change_schema(program.output)
    metadata = pa.RecordBatch.from_arrays(
        batch.columns[:_METADATA], names=batch.schema.names[:_METADATA]
    )
    if len(kept) < batch.num_rows:
        metadata = metadata.take(pa.array(kept))
    values = {name: columns[name] for name in schema.names[_METADATA:]}
    marks = metadata.column(UNCHANGED)
    if marks.null_count < len(marks):
        marks, values = _unlogged(program, marks, values)
    place = metadata.schema.get_field_index(UNCHANGED)
    head = [marks if i == place else c for i, c in enumerate(metadata.columns)]
    return pa.RecordBatch.from_arrays([*head, *values.values()], schema=schema)


def _unlogged(
    program: Program, marks: pa.StringArray, values: dict[str, pa.Array]
) -> tuple[pa.StringArray, dict[str, pa.Array]]:
    """Name the columns made of what was not logged, and leave their values out."""
    codes = marks.dictionary_encode()
    lists = [
        [c.name for c in program.columns if c.sources and c.sources <= frozenset(json.loads(text))]
        for text in codes.dictionary.to_pylist()
    ]
    texts = pa.array([json.dumps(names) if names else None for names in lists], pa.string())
    changed = dict(values)
    for name in sorted({name for names in lists for name in names}):
        named = pa.array([name in names for names in lists]).take(codes.indices)
        there = pc.invert(pc.fill_null(named, False))
        changed[name] = pc.if_else(there, values[name], pa.scalar(None, values[name].type))
    return texts.take(codes.indices), changed


def _dead(
    program: Program, batch: pa.RecordBatch, data: pa.RecordBatch, places: Places
) -> tuple[pa.RecordBatch, Places]:
    """Return deletes by the key as it arrives, and where they were."""
    schema = change_schema(program.output)
    frame = program.keys(data.take(pa.array(places)))
    program.settle(frame.flaws)
    left = places if frame.origin is None else places[frame.origin]
    head = pa.RecordBatch.from_arrays(
        batch.columns[:_METADATA], names=batch.schema.names[:_METADATA]
    ).take(pa.array(left))
    columns = []
    for i, field in enumerate(schema):
        if field.name == OP and i < _METADATA:
            columns.append(pa.repeat(pa.scalar(ChangeOp.DELETE.value), len(left)))
        elif field.name == UNCHANGED and i < _METADATA:
            columns.append(pa.nulls(len(left), field.type))
        elif i < _METADATA:
            columns.append(head.column(i))
        elif field.name in program.output.key:
            columns.append(frame.columns[field.name])
        else:
            columns.append(pa.nulls(len(left), field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema), left
