"""Changes as versions of rows: what a table that keeps its history takes from a window."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dtaas.connectors.fold import Flags, Places, deletes, groups_of, kept_columns, marked
from dtaas.model.changes import COMMIT_TIME, LSN, OP

VALID_FROM: Final = "__dtaas_valid_from"
VALID_TO: Final = "__dtaas_valid_to"
_MOMENT: Final = pa.timestamp("us")


class Step(StrEnum):
    """What a row of `versions` does, in the place of its operation."""

    CLOSE = "C"
    VERSION = "V"


def committed_key(key: Sequence[str]) -> tuple[str, ...]:
    """Return what changes are folded by: a version is what a transaction left, not a statement."""
    return (LSN, *key)


def versions(changes: pa.Table, key: Sequence[str], *, otherwise: datetime) -> pa.Table:
    """Return how changes continue the history of their rows.

    Each key has one row `CLOSE`, which ends the version that is current at `VALID_TO`, and one row
    `VERSION` for every state it was left in; the one without `VALID_TO` is current from now on.
    Within a key the times never fall. `UNCHANGED` names columns whose value is that of the version
    being closed.

    Args:
        changes: folded by `committed_key`, in the order they came.
        otherwise: time of changes that have none, in UTC.
    """
    order = np.argsort(groups := groups_of(changes, key), kind="stable")
    changes, groups = changes.take(pa.array(order)), groups[order]
    first = np.concatenate(([True], groups[1:] != groups[:-1]))[: len(groups)]
    last = np.concatenate((first[1:], [True]))[: len(groups)]
    since = _times(changes, groups, otherwise)
    until = np.concatenate((since[1:], since[:1]))
    stays = ~deletes(changes).to_numpy(zero_copy_only=False)
    made = _carried(changes, first, stays)
    nothing = np.ones(len(since), bool)
    return pa.concat_tables(
        [
            _step(_key_only(changes, key), Step.CLOSE, (since, nothing), (since, ~nothing), first),
            _step(made, Step.VERSION, (since, ~nothing), (until, last), stays),
        ]
    )


def _times(changes: pa.Table, groups: Places, otherwise: datetime) -> Places:
    """Return commit times in microseconds, each at least that of the change before it."""
    default = pa.scalar(otherwise.astimezone(UTC), pa.timestamp("us", tz="UTC"))
    times = pc.fill_null(changes[COMMIT_TIME], default).cast(pa.int64())
    known, rank = np.unique(times.to_numpy(), return_inverse=True)
    size = len(known)
    latest = np.maximum.accumulate(rank + groups * size) - groups * size
    found: Places = known[latest]
    return found


def _carried(changes: pa.Table, first: Flags, stays: Flags) -> pa.Table:
    """Return the changes with values that earlier ones of the same key logged."""
    here = np.arange(len(first))
    start = np.maximum.accumulate(np.where(first, here, 0))
    still: dict[str, Flags] = {}
    for name, unlogged in kept_columns(changes).items():
        source = np.maximum.accumulate(np.where(~unlogged & stays, here, -1))
        found = source >= start
        values = changes[name].take(pa.array(source, mask=~found))
        place = changes.schema.get_field_index(name)
        changes = changes.set_column(place, changes.schema.field(place), values)
        still[name] = ~found & stays
    return marked(changes, still) if still else changes


def _key_only(changes: pa.Table, key: Sequence[str]) -> pa.Table:
    kept = {*key, LSN}
    columns = [
        changes[field.name] if field.name in kept else pa.nulls(changes.num_rows, field.type)
        for field in changes.schema
    ]
    return pa.table(columns, schema=_nullable(changes.schema))


def _step(
    rows: pa.Table,
    step: Step,
    since: tuple[Places, Flags],
    until: tuple[Places, Flags],
    chosen: Flags,
) -> pa.Table:
    """Return the chosen rows as a step, between two times of which some are missing."""
    rows = rows.cast(_nullable(rows.schema))
    place = rows.schema.get_field_index(OP)
    marks = pa.repeat(pa.scalar(step.value), rows.num_rows)
    rows = rows.set_column(place, rows.schema.field(place), marks)
    for name, (moments, missing) in ((VALID_FROM, since), (VALID_TO, until)):
        rows = rows.append_column(name, pa.array(moments, mask=missing).cast(_MOMENT))
    return rows.filter(pa.array(chosen))


def _nullable(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_nullable(True) for field in schema])
