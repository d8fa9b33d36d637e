"""Everything needed to read one chunk, decided before a row is fetched."""

from collections.abc import Sequence

from msgspec import Struct

from dtaas.connectors.sqlserver.catalog import SqlTable
from dtaas.connectors.sqlserver.statements import KeyRange, read_rows
from dtaas.connectors.sqlserver.transit import declared_length, transit_row_bytes
from dtaas.connectors.sqlserver.types import SqlColumn, is_unbounded, to_column
from dtaas.model.errors import SchemaChangedError, ValueTooLargeError
from dtaas.model.load import Chunk
from dtaas.model.schema import TableSchema

_TRANSIT_BYTES = 8 * 1024 * 1024
_WIDE_TRANSIT_BYTES = 16 * 1024 * 1024
"""The transit buffer is rows times *declared* width. Measured: 8 MiB is fastest, 16 for rows so
wide that 8 MiB holds few of them; more only costs memory."""
_WIDE_ROW_BYTES = 8 * 1024
_MOST_ROWS = 65_535
_SLACK = 64
"""Spare length for values that grow a little between measuring and reading."""


class ChunkQuery(Struct, frozen=True, kw_only=True):
    """A chunk's SELECT and the sizes of its buffers.

    Attributes:
        sql: one SELECT, in the key's order.
        rows: the range, for further statements about it.
        columns: the selected columns in order.
        transit_rows: rows fetched at a time.
        longest: length that holds every value, in UTF-16 units or bytes; None without unbounded
            columns, whose declarations then say it.
    """

    sql: str
    rows: KeyRange
    columns: tuple[SqlColumn, ...]
    transit_rows: int
    longest: int | None


def matching_columns(table: SqlTable, schema: TableSchema) -> tuple[SqlColumn, ...]:
    """Return the table's columns that `schema` names, in its order.

    A column that was added since does no harm; one that went, or changed its type, does.

    Raises:
        SchemaChangedError: names each column that differs.
    """
    present = {c.name: c for c in table.columns}
    wrong = []
    for planned in schema.columns:
        column = present.get(planned.name)
        if column is None:
            wrong.append(f"{planned.name} is gone")
            continue
        now = to_column(column)
        if now.type != planned.type:
            wrong.append(f"{planned.name} was {planned.native_type}, now {now.native_type}")
        elif now.nullable and not planned.nullable:
            wrong.append(f"{planned.name} was NOT NULL")
    if wrong:
        raise SchemaChangedError(
            f"Table {schema.table} changed after the load was planned: {'; '.join(wrong)}.",
            hint="Start the task with force to load the table anew.",
        )
    return tuple(present[planned.name] for planned in schema.columns)


def key_range(table: SqlTable, chunk: Chunk) -> KeyRange:
    """Return the chunk's range.

    Raises:
        SchemaChangedError: a column of the bounds is gone.
    """
    try:
        columns = [table.column(name) for name in chunk.columns]
    except KeyError as exc:
        raise SchemaChangedError(
            f"Table {table.ref} changed after the load was planned: {exc.args[0]} is gone.",
            hint="Start the task with force to load the table anew.",
        ) from exc
    return KeyRange(table.ref, columns, chunk.lower, chunk.upper)


def chunk_query(
    rows: KeyRange, columns: Sequence[SqlColumn], *, longest: int, most_rows: int
) -> ChunkQuery:
    """Return the query for a range.

    Args:
        longest: longest value of any unbounded column in the range, 0 without such columns.
        most_rows: most rows of a batch the engine wants.
    """
    unbounded = any(is_unbounded(c) for c in columns)
    # arrow-odbc applies the length to bounded columns too, so it must not cut those short.
    longest = max(longest + _SLACK, *(declared_length(c) for c in columns))
    row_bytes = sum(transit_row_bytes(c, longest=longest) for c in columns)
    budget = _TRANSIT_BYTES if row_bytes <= _WIDE_ROW_BYTES else _WIDE_TRANSIT_BYTES
    return ChunkQuery(
        sql=read_rows(rows, columns),
        rows=rows,
        columns=tuple(columns),
        transit_rows=max(1, min(most_rows, _MOST_ROWS, budget // row_bytes)),
        longest=longest if unbounded else None,
    )


def longest_allowed(
    columns: Sequence[SqlColumn], lengths: Sequence[int | None], *, most_bytes: int, where: str
) -> int:
    """Return the longest of the measured lengths.

    Args:
        columns: all columns; the unbounded ones are those measured.
        lengths: per unbounded column, None when the range has no value.

    Raises:
        ValueTooLargeError: one is longer than `most_bytes`; names the column.
    """
    longest = 0
    measured = [c for c in columns if is_unbounded(c)]
    for column, length in zip(measured, lengths, strict=True):
        if (length or 0) > most_bytes:
            raise ValueTooLargeError(
                f"Column {column.name} of {where} holds a value of length {length}.",
                hint=f"The limit is max_lob_bytes = {most_bytes} of the connector; raise it.",
            )
        longest = max(longest, length or 0)
    return longest
