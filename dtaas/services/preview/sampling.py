"""A few rows of a table: the first, random ones, those of some keys, or pasted ones."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from dtaas.model.errors import ValidationFailedError
from dtaas.model.key_text import key_values
from dtaas.model.load import Chunk
from dtaas.model.ports import BatchReader, Source
from dtaas.model.schema import TableSchema
from dtaas.services.preview.shapes import Pick, RowPreviewRequest

_BATCH_BYTES = 4_000_000
_LEAST_CHUNK = 1_000
_PLACES = 5
"""Key ranges random rows are taken from."""


async def picked(source: Source, schema: TableSchema, request: RowPreviewRequest) -> pa.RecordBatch:
    """Return the rows a preview is for, with the table's schema.

    Raises:
        ValidationFailedError: keys of another shape, or a table without one.
        DtaasError: whatever the source says.
    """
    match request.pick:
        case Pick.KEYS:
            return await _of_keys(source, schema, request)
        case Pick.RANDOM:
            return await _random(source, schema, request)
        case _:
            return await _first(source, schema, Chunk(index=0), request.rows)


def pasted(schema: TableSchema, rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """Return rows of JSON objects with the table's schema.

    Raises:
        ValidationFailedError: a column there is not, or a value that is none of its type.
    """
    arrow = schema.arrow_schema()
    for index, row in enumerate(rows):
        for name in row:
            if name not in arrow.names:
                raise ValidationFailedError(
                    f"Table {schema.table} has no column {name!r}.", field=f"$.data[{index}]"
                )
    columns = []
    for field in arrow:
        texts = [_text(row.get(field.name)) for row in rows]
        there = [text for text in texts if text is not None]
        try:
            values = key_values(there, field.type)
        except (pa.ArrowException, ValueError) as exc:
            raise ValidationFailedError(
                f"A value of column {field.name!r} is not of type {field.type}: {exc}.",
                hint="Write numbers, dates and times as SQL does, bytes as 0x and hex digits.",
                field="$.data",
            ) from exc
        numbers = iter(range(len(there)))
        places = pa.array([None if t is None else next(numbers) for t in texts], pa.int64())
        columns.append(values.take(places))
    nullable = pa.schema([field.with_nullable(True) for field in arrow])
    return pa.RecordBatch.from_arrays(columns, schema=nullable)


async def _first(source: Source, schema: TableSchema, chunk: Chunk, rows: int) -> pa.RecordBatch:
    reading = source.read(schema, chunk, batch_rows=rows, batch_bytes=_BATCH_BYTES)
    async with reading as reader:
        return _joined(schema, await _taken(reader, rows)).slice(0, rows)


async def _of_keys(
    source: Source, schema: TableSchema, request: RowPreviewRequest
) -> pa.RecordBatch:
    key = request.task.mapping(schema.table).key or schema.key
    if not key or any(len(texts) != len(key) for texts in request.keys):
        raise ValidationFailedError(
            f"A key of {schema.table} is {', '.join(key)}." if key
            else f"Table {schema.table} has no key.",
            hint="Give one text for each of its columns.",
            field="$.keys",
        )  # fmt: skip
    if not request.keys:
        return _joined(schema, [])
    reading = source.read_keys(
        schema, key, request.keys, batch_rows=len(request.keys), batch_bytes=_BATCH_BYTES
    )
    async with reading as reader:
        return _joined(schema, await _taken(reader, len(request.keys)))


async def _random(
    source: Source, schema: TableSchema, request: RowPreviewRequest
) -> pa.RecordBatch:
    chunks = await source.plan(schema, chunk_rows=_LEAST_CHUNK)
    dice = random.Random(request.seed)  # noqa: S311 - a sample, not a secret
    chosen = dice.sample(list(chunks), min(_PLACES, len(chunks)))
    each = -(-request.rows // len(chosen))
    batches = [await _first(source, schema, chunk, _LEAST_CHUNK) for chunk in chosen]
    taken = [
        batch.take(pa.array(sorted(dice.sample(range(batch.num_rows), min(each, batch.num_rows)))))
        for batch in batches
        if batch.num_rows
    ]
    return _joined(schema, taken).slice(0, request.rows)


async def _taken(reader: BatchReader, rows: int) -> list[pa.RecordBatch]:
    batches: list[pa.RecordBatch] = []
    while sum(batch.num_rows for batch in batches) < rows:
        batch = await reader.next()
        if batch is None:
            break
        batches.append(batch)
    return batches


def _joined(schema: TableSchema, batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    arrow = schema.arrow_schema()
    table = pa.Table.from_batches(batches, arrow).combine_chunks()
    return next(iter(table.to_batches()), pa.RecordBatch.from_pylist([], schema=arrow))


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
