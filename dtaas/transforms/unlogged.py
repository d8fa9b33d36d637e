"""Values that updates did not log and the steps of a table need: which rows want them, and back in.

What is needed: columns that decide whether a row arrives; columns made of such a value and others;
and, where steps keep rows away, whatever arrives, for an update may let a row in that the target
has never seen. The rest stays marked as unchanged, and the target keeps its own value.

The values come from the table as it is now. Where that is newer than the change, the change that
made it newer follows and decides anew; a row that is gone by now is taken for deleted, and so it
will be by a change that follows.
"""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dtaas.model.changes import CHANGE_FIELDS, OP, UNCHANGED, ChangeOp
from dtaas.model.key_text import key_texts
from dtaas.transforms.frame import Places
from dtaas.transforms.program import Program

Key = tuple[str, ...]
_METADATA = len(CHANGE_FIELDS)
_NOWHERE = -1


def rows_to_read(program: Program, batch: pa.RecordBatch) -> Places:
    """Return the places of change rows that lack values the program needs, ascending.

    Args:
        batch: with `change_schema(program.source)`.
    """
    marks = batch.column(UNCHANGED)
    if not program.reread or marks.null_count == len(marks):
        return np.zeros(0, np.int64)
    codes = marks.dictionary_encode()
    lacking = [
        bool(program.reread.intersection(json.loads(t))) for t in codes.dictionary.to_pylist()
    ]
    flags = pc.fill_null(pa.array(lacking, pa.bool_()).take(codes.indices), False)
    places = np.flatnonzero(flags.to_numpy(zero_copy_only=False))
    if program.reread & program.conditions or not len(places):
        return places
    names = batch.schema.names[_METADATA:]
    data = pa.RecordBatch.from_arrays(batch.columns[_METADATA:], names=names)
    frame, _ = program.frame(data.take(pa.array(places)))
    return places if frame.origin is None else places[frame.origin]


def keys_at(program: Program, batch: pa.RecordBatch, places: Places) -> list[Key]:
    """Return the keys of some change rows as exact texts, one each."""
    return _keys(batch.select(list(program.source.key)).take(pa.array(places)))


def with_values(
    program: Program,
    batch: pa.RecordBatch,
    places: Places,
    keys: Sequence[Key],
    found: pa.Table,
) -> pa.RecordBatch:
    """Return change rows with the values they lacked.

    Args:
        places: of the rows that lack some.
        keys: of these rows.
        found: rows of the source: the key and columns that are needed. What is not among its
            columns stays marked; a row that is not there becomes a delete.
    """
    at = dict(
        zip(_keys(found.select(list(program.source.key))), range(found.num_rows), strict=True)
    )
    rows = np.array([at.get(key, _NOWHERE) for key in keys], np.int64)
    there, gone = places[rows >= 0], places[rows < 0]
    there_rows = rows[rows >= 0]
    marks = batch.column(UNCHANGED).to_pylist()
    lists = [json.loads(marks[place]) for place in there]
    columns = dict(zip(batch.schema.names[_METADATA:], batch.columns[_METADATA:], strict=True))
    for name in sorted(program.reread.intersection(found.column_names)):
        lacks = np.array([name in names for names in lists], np.bool_)
        columns[name] = _put(columns[name], there[lacks], found.column(name), there_rows[lacks])
    ops = batch.column(OP).to_pylist()
    for place, names in zip(there.tolist(), lists, strict=True):
        left = [
            name for name in names if name not in program.reread or name not in found.column_names
        ]
        marks[place] = json.dumps(left) if left else None
    for place in gone.tolist():
        ops[place], marks[place] = ChangeOp.DELETE.value, None
    head = dict(zip(batch.schema.names[:_METADATA], batch.columns[:_METADATA], strict=True))
    head |= {OP: pa.array(ops, pa.string()), UNCHANGED: pa.array(marks, pa.string())}
    return pa.RecordBatch.from_arrays([*head.values(), *columns.values()], schema=batch.schema)


def _put(values: pa.Array, places: Places, found: pa.ChunkedArray, rows: Places) -> pa.Array:
    """Return `values` with those of `found` at some places."""
    if not len(places):
        return values
    order = np.arange(len(values))
    order[places] = len(values) + rows
    chunks = [values, *(chunk.cast(values.type) for chunk in found.chunks)]
    return pa.concat_arrays(chunks).take(pa.array(order))


def _keys(rows: pa.RecordBatch | pa.Table) -> list[Key]:
    texts = zip(*(key_texts(column) for column in rows.columns), strict=True)
    return [tuple(text or "" for text in row) for row in texts]
