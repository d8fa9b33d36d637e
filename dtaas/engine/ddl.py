"""Tables whose columns change while they stream: how one capture instance hands over to the next.

The older instance is read up to the start of the newer one. The first window of the newer one is
one position long and carries, behind its own changes, the rows with values that the older one
missed: read from the table itself, of the keys that changed since the DDL, or of all rows where a
default may have put values that nobody wrote. They hold what the source has now; changes behind
that position which they have already seen are applied on top of them again, as after a full load.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from functools import reduce
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from msgspec.structs import replace

from dtaas.engine.repair import Key, change_rows
from dtaas.model.change_ports import ChangeSource, FollowsDdl, StreamStore, WindowSource
from dtaas.model.changes import (
    POSITION_BYTES,
    ChangeOp,
    ChangeWindow,
    Missed,
    StreamState,
    Succession,
    TableStream,
    TrackedTable,
)
from dtaas.model.errors import (
    Action,
    CaptureGapError,
    CaptureLostError,
    DtaasError,
    FatalError,
    MissedValuesError,
)
from dtaas.model.key_text import key_texts
from dtaas.model.patterns import fits
from dtaas.model.ports import KEYS_AT_ONCE, Source
from dtaas.model.schema import TableSchema
from dtaas.model.task import TableMapping

LAST_COMMAND: Final = 2_147_483_647
"""`_command_id` of rows read again: behind every change of the same transaction."""
_MOST_KEYS: Final = 50_000
"""Keys looked up one by one at most: beyond, to read the whole table is cheaper."""
_WINDOW_ROWS: Final = 50_000
_CHUNK_ROWS: Final = 250_000
_BATCH_ROWS: Final = 16_384
_BATCH_BYTES: Final = 4 * 1024 * 1024

log = structlog.get_logger()


def moved(position: bytes, by: int) -> bytes:
    """Return a position some steps further."""
    return (int.from_bytes(position) + by).to_bytes(POSITION_BYTES)


def takes_over(state: StreamState) -> bool:
    """Return whether the next position is read from the successor."""
    successor = state.stream.tracked.successor
    return successor is not None and moved(state.position, 1) >= successor.tracked.start


def end_of(state: StreamState, target: bytes) -> bytes:
    """Return how far the present instance may be read."""
    successor = state.stream.tracked.successor
    return target if successor is None else min(target, moved(successor.tracked.start, -1))


def handed_over(
    state: StreamState, commit_time: datetime | None
) -> tuple[StreamState, ChangeWindow]:
    """Return the state in which the successor has taken over, and its first window, intended."""
    tracked = state.stream.tracked
    succession = tracked.successor
    if succession is None:
        raise RuntimeError("There is no successor.")
    older = replace(tracked, successor=None, predecessor=None)
    window = ChangeWindow(
        table=tracked.table,
        after=state.position,
        to=moved(state.position, 1),
        commit_time=commit_time,
        missed=succession.missed,
    )
    stream = replace(state.stream, tracked=replace(succession.tracked, predecessor=older))
    return replace(state, stream=stream, intent=window), window


def selected(tracked: TrackedTable, mapping: TableMapping) -> TrackedTable:
    """Return a table with the columns that the task takes, and its successor likewise."""
    include, exclude = mapping.include_columns, mapping.exclude_columns
    columns = tuple(
        c
        for c in tracked.schema.columns
        if (not include or fits(c.name, include)) and not fits(c.name, exclude)
    )
    tracked = replace(tracked, schema=replace(tracked.schema, columns=columns))
    if tracked.successor is None:
        return tracked
    newer, missed = selected(tracked.successor.tracked, mapping), tracked.successor.missed
    names = {c.name for c in newer.schema.columns}
    missed = replace(missed, columns=tuple(c for c in missed.columns if c in names))
    return replace(tracked, successor=Succession(tracked=newer, missed=missed))


async def without_predecessor(
    source: WindowSource, streams: StreamStore, state: StreamState
) -> tuple[StreamState, bool]:
    """Drop the instance that handed over, if we made it and nobody else reads it.

    What cannot be dropped stays noted: it costs the source, but breaks nothing.

    Returns:
        The stream, and whether to try again because it only failed for the moment.
    """
    stream, older = state.stream, state.stream.tracked.predecessor
    if older is None or not isinstance(source, FollowsDdl):
        return state, False
    if await streams.shares(stream.task_id, older):
        return state, False
    error = await not_dropped(source, older)
    if error is not None:
        return state, error.action is Action.RETRY
    log.info("capture_handed_over", table=str(older.table), instance=stream.tracked.instance)
    state = replace(
        state, stream=replace(stream, tracked=replace(stream.tracked, predecessor=None))
    )
    await streams.open(state)
    return state, False


async def not_dropped(
    source: FollowsDdl | ChangeSource, tracked: TrackedTable
) -> DtaasError | None:
    """Drop an instance that we made. Returns what stood in the way, None when it is gone."""
    try:
        await source.untrack(tracked)
    except DtaasError as error:
        log.warning(
            "capture_not_dropped", table=str(tracked.table), code=error.code, error=error.detail
        )
        return error
    return None


async def missed_rows(
    changes: WindowSource,
    rows: Source,
    stream: TableStream,
    window: ChangeWindow,
    moved_on: Callable[[], None],
) -> AsyncIterator[pa.RecordBatch]:
    """Yield change rows with the values that the predecessor missed; see `ChangeWindow.missed`.

    Args:
        moved_on: called while nothing is found yet.

    Raises:
        MissedValuesError: there are such rows, and the table has no key to write them by.
    """
    missed, schema = window.missed, stream.tracked.schema
    if missed is None or not missed.columns:
        return
    readable = await _readable(rows, schema)
    wanted = _wanted(stream.tracked, missed)
    keys = await _changed_keys(changes, stream.tracked, window, missed, moved_on)
    done = 0
    async for batch in _rows(rows, readable, schema.key, keys):
        moved_on()
        found = batch if wanted is None else batch.filter(_any_value(batch, wanted))
        if not found.num_rows:
            continue
        if not schema.key:
            raise MissedValuesError(
                f"Table {schema.table} got columns, and values in them before they were captured."
                " It has no key by which these rows could be written again.",
                hint="Load the table anew, or declare a key in table_mappings.",
            )
        yield change_rows(schema, found, ChangeOp.UPDATE, window.to, done, command_id=LAST_COMMAND)
        done += found.num_rows
    log.info("missed_values_read", table=str(schema.table), columns=missed.columns, rows=done)


async def _readable(rows: Source, schema: TableSchema) -> TableSchema:
    """Return the columns that the table still has as `schema` knows them."""
    found = await rows.describe(schema.table)
    kinds = {c.name: c.type for c in schema.columns}
    kept = tuple(c for c in found.columns if kinds.get(c.name) == c.type)
    return found if kept == found.columns else replace(found, columns=kept)


def _wanted(tracked: TrackedTable, missed: Missed) -> Sequence[str] | None:
    """Return the columns one of which must hold a value; None where every row counts.

    A column dropped and added again leaves its old values at the destination.
    """
    older = tracked.predecessor
    before = set() if older is None else {c.name for c in older.schema.columns}
    return None if before.intersection(missed.columns) else missed.columns


def _any_value(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.Array:
    valid = [batch.column(n).is_valid() for n in columns if n in batch.schema.names]
    nothing = pa.repeat(pa.scalar(False), batch.num_rows)
    return reduce(pc.or_, valid, nothing)


async def _changed_keys(
    changes: WindowSource,
    tracked: TrackedTable,
    window: ChangeWindow,
    missed: Missed,
    moved_on: Callable[[], None],
) -> list[Key] | None:
    """Return the keys that changed since the DDL; None when all rows must be looked at."""
    older = tracked.predecessor
    every = missed.filled or _wanted(tracked, missed) is None or not tracked.schema.key
    if every or older is None:
        return None
    keys: dict[Key, None] = {}
    after = moved(missed.since, -1)
    try:
        while after < window.after:
            some = await changes.cut(older, after=after, to=window.after, most_rows=_WINDOW_ROWS)
            if some.expected_rows != 0:
                keys |= dict.fromkeys(await _keys(changes, older, some, tracked.schema.key))
            if len(keys) > _MOST_KEYS:
                return None
            after = some.to
            moved_on()
    except (CaptureGapError, CaptureLostError):
        return None
    return list(keys)


async def _keys(
    changes: WindowSource, tracked: TrackedTable, window: ChangeWindow, key: Sequence[str]
) -> dict[Key, None]:
    found: dict[Key, None] = {}
    async with changes.changes(
        tracked, window, batch_rows=_BATCH_ROWS, batch_bytes=_BATCH_BYTES
    ) as reader:
        while (batch := await reader.next()) is not None:
            texts = zip(*(key_texts(batch.column(name)) for name in key), strict=True)
            found |= {tuple(text or "" for text in row): None for row in texts}
    return found


async def _rows(
    rows: Source, schema: TableSchema, key: tuple[str, ...], keys: Sequence[Key] | None
) -> AsyncIterator[pa.RecordBatch]:
    """Yield the rows of some keys, else all rows, as they are now."""
    try:
        for start in range(0, len(keys or ()), KEYS_AT_ONCE):
            some = (keys or ())[start : start + KEYS_AT_ONCE]
            async with rows.read_keys(
                schema, key, some, batch_rows=KEYS_AT_ONCE, batch_bytes=_BATCH_BYTES
            ) as reader:
                while (batch := await reader.next()) is not None:
                    yield batch
    except FatalError as error:
        # The key has no exact text, or others at the target: all rows are read, some once more.
        log.info("keys_not_looked_up", table=str(schema.table), error=error.detail)
        keys = None
    if keys is not None:
        return
    for chunk in await rows.plan(schema, chunk_rows=_CHUNK_ROWS):
        async with rows.read(
            schema, chunk, batch_rows=_BATCH_ROWS, batch_bytes=_BATCH_BYTES
        ) as reader:
            while (batch := await reader.next()) is not None:
                yield batch
