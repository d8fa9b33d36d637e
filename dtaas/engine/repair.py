"""Change rows that put single rows right: written ahead of a window's own changes.

They carry the values of the row as the source has it now and the first position after the window's
beginning. Changes behind that position which the row has already seen are applied on top of it
again and end at the same values, as after a full load.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final

import pyarrow as pa

from dtaas.model.changes import (
    CHANGE_FIELDS,
    COMMAND_ID,
    LSN,
    OP,
    POSITION_BYTES,
    SEQVAL,
    ChangeOp,
    ChangeWindow,
    change_schema,
)
from dtaas.model.key_text import key_texts, key_values
from dtaas.model.ports import KEYS_AT_ONCE, Source
from dtaas.model.schema import TableSchema

Key = tuple[str, ...]
_BATCH_BYTES: Final = 8 * 1024 * 1024


async def repairs(
    source: Source, schema: TableSchema, keys: Sequence[Key], window: ChangeWindow
) -> AsyncIterator[pa.RecordBatch]:
    """Yield change rows that make the rows of `keys` what they are at the source now.

    Args:
        schema: the tracked table's, with the key the texts are of.

    Raises:
        DtaasError: they cannot be read.
    """
    done = 0
    for start in range(0, len(keys), KEYS_AT_ONCE):
        some = keys[start : start + KEYS_AT_ONCE]
        missing = dict.fromkeys(some)
        async with source.read_keys(
            schema, schema.key, some, batch_rows=KEYS_AT_ONCE, batch_bytes=_BATCH_BYTES
        ) as reader:
            while (rows := await reader.next()) is not None:
                found = zip(*(key_texts(rows.column(name)) for name in schema.key), strict=True)
                for key in found:
                    missing.pop(tuple(text or "" for text in key), None)
                yield change_rows(schema, rows, ChangeOp.UPDATE, _position(window), done)
                done += rows.num_rows
        if missing:
            gone = _keys_only(schema, list(missing))
            yield change_rows(schema, gone, ChangeOp.DELETE, _position(window), done)
            done += len(missing)


def _keys_only(schema: TableSchema, keys: Sequence[Key]) -> pa.RecordBatch:
    """Return rows of the key's columns alone."""
    arrow = schema.arrow_schema()
    columns = [
        key_values([key[i] for key in keys], arrow.field(name).type)
        for i, name in enumerate(schema.key)
    ]
    return pa.RecordBatch.from_arrays(columns, names=list(schema.key))


def _position(window: ChangeWindow) -> bytes:
    return (int.from_bytes(window.after) + 1).to_bytes(POSITION_BYTES)


def change_rows(
    schema: TableSchema,
    rows: pa.RecordBatch,
    op: ChangeOp,
    position: bytes,
    first: int,
    *,
    command_id: int = 0,
) -> pa.RecordBatch:
    """Return `rows` as change rows of `schema`; columns that are missing are NULL.

    Args:
        first: place of the first row among those of the same position and command.
    """
    wanted, count = change_schema(schema), rows.num_rows
    metadata = {
        OP: pa.repeat(pa.scalar(op.value), count),
        LSN: pa.repeat(pa.scalar(position.hex()), count),
        COMMAND_ID: pa.repeat(pa.scalar(command_id, pa.int32()), count),
        SEQVAL: pa.array([f"{first + i:020x}" for i in range(count)], pa.string()),
    }
    columns = []
    for i, field in enumerate(wanted):
        if field.name in metadata and i < len(CHANGE_FIELDS):
            columns.append(metadata[field.name])
        elif i >= len(CHANGE_FIELDS) and field.name in rows.schema.names:
            columns.append(rows.column(field.name))
        else:
            columns.append(pa.nulls(count, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=wanted)
