"""Many changes of a key as one: what a window does to each row in the end.

Folding keeps the form of change rows, so that a window may be folded piece by piece: the result of
one piece stands before the rows of the next.
"""

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dtaas.model.changes import OP, UNCHANGED, ChangeOp

Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def folded(changes: pa.Table, key: Sequence[str]) -> pa.Table:
    """Return the last change of every key, with the values that earlier ones of it brought.

    The order of what is left stays.

    Args:
        changes: in the order of `ORDER`, with the schema of `change_schema`.
        key: columns rows are told apart by.
    """
    if changes.num_rows == 0:
        return changes
    group = groups_of(changes, key)
    last = np.zeros(int(group.max()) + 1, np.int64)
    last[group] = np.arange(len(group))  # the last of equal places stays
    order = np.argsort(last)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    last, group = last[order], place[group]
    result = changes.take(pa.array(last))
    kept = kept_columns(changes)
    if not kept:
        return result
    deleted = _is(changes, ChangeOp.DELETE)
    gone = deleted[last]
    still: dict[str, Flags] = {}
    for name, unlogged in kept.items():
        source = np.full(len(last), -1, np.int64)
        logged = np.flatnonzero(~unlogged & ~deleted)
        source[group[logged]] = logged
        found = source >= 0
        values = changes[name].take(pa.array(source, mask=~found))
        at = result.schema.get_field_index(name)
        result = result.set_column(at, result.schema.field(at), values)
        still[name] = ~found & ~gone
    return marked(result, still)


def kept_columns(changes: pa.Table) -> dict[str, Flags]:
    """Return by column which rows did not log it; columns that all rows logged are missing."""
    marks = changes[UNCHANGED]
    if marks.null_count == len(marks):
        return {}
    codes = marks.combine_chunks().dictionary_encode()
    texts = codes.dictionary.to_pylist()
    lists = [frozenset(json.loads(text)) for text in texts]
    places = codes.indices.fill_null(len(lists)).to_numpy()
    return {
        name: np.array([name in some for some in lists] + [False])[places]
        for name in sorted(frozenset().union(*lists))
    }


def deletes(changes: pa.Table) -> pa.Array:
    """Return which rows delete."""
    return pa.array(_is(changes, ChangeOp.DELETE))


def _is(changes: pa.Table, op: ChangeOp) -> Flags:
    codes = changes[OP].combine_chunks().dictionary_encode()
    known = np.array([text == op.value for text in codes.dictionary.to_pylist()], bool)
    flags: Flags = known[codes.indices.to_numpy()]
    return flags


def groups_of(changes: pa.Table, key: Sequence[str]) -> Places:
    """Return a number per row, equal for equal keys and only for them."""
    names = [f"k{i}" for i in range(len(key))]  # whatever the columns are called
    rows = pa.table([changes[name] for name in key], names=names)
    rows = rows.append_column("row", pa.array(np.arange(changes.num_rows)))
    found = rows.group_by(names, use_threads=False).aggregate([("row", "list")])
    lists = found["row_list"].combine_chunks()
    group = np.empty(changes.num_rows, np.int64)
    group[lists.flatten().to_numpy()] = lists.value_parent_indices().to_numpy()
    return group


def marked(changes: pa.Table, still: dict[str, Flags]) -> pa.Table:
    """Return the rows with the columns that nobody logged named."""
    some = np.zeros(changes.num_rows, bool)
    for flags in still.values():
        some |= flags
    marks: list[str | None] = [None] * changes.num_rows
    for row in np.flatnonzero(some):
        marks[row] = json.dumps([name for name, flags in still.items() if flags[row]])
    place = changes.schema.get_field_index(UNCHANGED)
    return changes.set_column(place, changes.schema.field(place), pa.array(marks, pa.string()))
