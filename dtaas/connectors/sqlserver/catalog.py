"""What the catalog views say about tables: discovery, and one table in detail."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.sqlserver import queries
from dtaas.connectors.sqlserver.control import ControlPool, Row
from dtaas.connectors.sqlserver.quoting import identifier, table_name
from dtaas.connectors.sqlserver.types import (
    SqlColumn,
    is_unbounded,
    to_column,
    unsupported_reason,
)
from dtaas.model.errors import PermissionDeniedError, TableNotFoundError, UnsupportedTypeError
from dtaas.model.schema import TableInfo, TableRef, TableSchema

_CLUSTERED = 1
_TABLE_RESULTS = 3
Size = tuple[int | None, int | None, int]
"""Rows, bytes and partitions of a table; None for what the login may not see."""


class SqlIndex(Struct, frozen=True, kw_only=True):
    """A unique or clustered index.

    Attributes:
        columns: names of the key columns in key order.
        descending: for each of them, whether it is sorted downwards.
    """

    name: str
    columns: tuple[str, ...]
    descending: tuple[bool, ...]
    is_clustered: bool
    is_primary_key: bool
    is_unique: bool
    is_filtered: bool
    is_disabled: bool


class SqlTable(Struct, frozen=True, kw_only=True):
    """A table or view as the catalog describes it at one moment."""

    ref: TableRef
    object_id: int
    columns: tuple[SqlColumn, ...]
    indexes: tuple[SqlIndex, ...]

    def column(self, name: str) -> SqlColumn:
        """Return the column called `name`.

        Raises:
            KeyError: there is none.
        """
        return {c.name: c for c in self.columns}[name]

    def schema(self) -> TableSchema:
        """Return the table in the canonical model.

        Raises:
            UnsupportedTypeError: a column cannot be moved without loss.
        """
        return TableSchema(
            table=self.ref,
            columns=tuple(to_column(c) for c in self.columns),
            key=usable_key(self.columns, self.indexes),
        )


def usable_key(columns: Iterable[SqlColumn], indexes: Iterable[SqlIndex]) -> tuple[str, ...]:
    """Return the columns that tell rows apart: of the primary key, else of a unique index.

    Only an enabled, unfiltered unique index over NOT NULL columns will do. `indexes` come primary
    key first.
    """
    nullable = {c.name for c in columns if c.nullable}
    for index in indexes:
        usable = index.is_unique and not index.is_filtered and not index.is_disabled
        if usable and not nullable.intersection(index.columns):
            return index.columns
    return ()


class Catalog:
    """Reads the catalog views of one database."""

    def __init__(self, pool: ControlPool) -> None:
        self._pool = pool
        self._thread = Blocking(1)
        self._latest: dict[TableRef, SqlTable] = {}

    async def tables(self) -> Sequence[TableInfo]:
        """Return every user table the login can see, sorted by schema and name."""
        what = "Listing the tables"
        tables = await self._pool.fetch(what, queries.TABLES)
        sizes = await self._sizes(what)
        columns = await self._pool.fetch(what, queries.ALL_COLUMNS)
        indexes = await self._pool.fetch(what, queries.ALL_INDEXES)
        can_unmask = await self._can_unmask(what)
        # Thousands of tables take a while to put together: not on the event loop.
        return await self._thread(_table_infos, tables, sizes, columns, indexes, can_unmask)

    async def table(self, ref: TableRef) -> SqlTable:
        """Return a table or view in detail.

        Raises:
            TableNotFoundError: it does not exist or is not visible.
            UnsupportedTypeError: it has a masked column the login may not see unmasked.
        """
        what = f"Describing {ref}"
        ((found,), column_rows, index_rows) = await self._pool.fetch_each(
            what, queries.TABLE, ref.schema, ref.name, most=_TABLE_RESULTS
        )
        object_id: int | None = found[0]
        if object_id is None:
            raise TableNotFoundError(
                f"There is no table {ref}, or the login may not see it.",
                hint=f"Check the name, or GRANT SELECT ON {table_name(ref)} TO [the_user];",
            )
        columns = tuple(_column(row) for row in column_rows)
        await self._refuse_masked(what, ref, columns)
        table = SqlTable(
            ref=ref, object_id=object_id, columns=columns, indexes=_indexes(index_rows)
        )
        self._latest[ref] = table
        return table

    def latest(self, ref: TableRef) -> SqlTable | None:
        """Return a table as it was described last, None before."""
        return self._latest.get(ref)

    async def columns(self, what: str, object_id: int) -> list[SqlColumn]:
        """Return the columns of an object in their order, none where there is no such object."""
        return [_column(row) for row in await self._pool.fetch(what, queries.COLUMNS, object_id)]

    async def size(self, table: SqlTable) -> tuple[int, int]:
        """Return the row count by the server's statistics and the number of partitions."""
        rows = await self._pool.fetch(f"Sizing {table.ref}", queries.TABLE_ROWS, table.object_id)
        row_count, partitions = rows[0] if rows else (0, 1)
        return row_count or 0, max(1, partitions or 1)

    async def _refuse_masked(self, what: str, ref: TableRef, columns: Sequence[SqlColumn]) -> None:
        masked = [identifier(c.name) for c in columns if c.is_masked]
        if masked and not await self._can_unmask(what):
            raise UnsupportedTypeError(
                f"The login sees only masked values of {', '.join(masked)} of {ref}.",
                hint="GRANT UNMASK TO [the_user];",
            )

    async def _can_unmask(self, what: str) -> bool:
        rows = await self._pool.fetch(what, queries.RIGHTS)
        return bool(rows[0][2])

    async def _sizes(self, what: str) -> dict[int, Size]:
        """Return row count, bytes and partitions by object."""
        try:
            rows = await self._pool.fetch(what, queries.SIZES)
        except PermissionDeniedError:  # without VIEW DATABASE STATE sizes are not known
            rows = await self._pool.fetch(what, queries.ROW_COUNTS)
            return {row[0]: (row[1], None, row[2]) for row in rows}
        return {row[0]: (row[1], row[2], row[3]) for row in rows}


def _table_infos(
    tables: Sequence[Row],
    sizes: Mapping[int, Size],
    columns: Sequence[Row],
    indexes: Sequence[Row],
    can_unmask: bool,
) -> list[TableInfo]:
    columns_of, indexes_of = _by_object(columns), _by_object(indexes)
    return [
        _table_info(
            row,
            sizes.get(row[0], (None, None, 1)),
            [_column(r) for r in columns_of[row[0]]],
            _indexes(indexes_of[row[0]]),
            can_unmask=can_unmask,
        )
        for row in tables
    ]


def _by_object(rows: Iterable[Row]) -> defaultdict[int, list[Row]]:
    found: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    return found


def _column(row: Row) -> SqlColumn:
    """Return a row of `queries.COLUMNS`."""
    _, name, base, _, is_clr, max_length, precision, scale, collation, nullable, *rest = row
    masked, encryption = rest
    own_clr = bool(is_clr) and base not in ("hierarchyid", "geometry", "geography")
    return SqlColumn(
        name=name,
        base_type=base.lower(),
        max_length=max_length,
        precision=precision,
        scale=scale,
        collation=collation,
        nullable=bool(nullable),
        is_masked=bool(masked),
        is_encrypted=encryption is not None,
        is_clr=own_clr,
    )


def _indexes(rows: Iterable[Row]) -> tuple[SqlIndex, ...]:
    """Return the indexes of rows of `queries.INDEXES` of one table."""
    grouped: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row[1]].append(row)
    return tuple(_index(group) for group in grouped.values())


def _index(rows: Sequence[Row]) -> SqlIndex:
    _, _, name, kind, is_primary_key, is_unique, has_filter, is_disabled, *_ = rows[0]
    return SqlIndex(
        name=name or "",
        columns=tuple(row[9] for row in rows),
        descending=tuple(bool(row[8]) for row in rows),
        is_clustered=kind == _CLUSTERED,
        is_primary_key=bool(is_primary_key),
        is_unique=bool(is_unique),
        is_filtered=bool(has_filter),
        is_disabled=bool(is_disabled),
    )


def _table_info(
    row: Row,
    size: Size,
    columns: Sequence[SqlColumn],
    indexes: Sequence[SqlIndex],
    *,
    can_unmask: bool,
) -> TableInfo:
    _, schema, name, tracked, temporal, memory, external = row
    key = usable_key(columns, indexes)
    unsupported = [
        f"{identifier(c.name)}: {reason}" for c in columns if (reason := unsupported_reason(c))
    ]
    if not can_unmask:
        unsupported += [
            f"{identifier(c.name)}: the login sees only masked values; GRANT UNMASK TO [the_user]"
            for c in columns
            if c.is_masked
        ]
    return TableInfo(
        table=TableRef(schema, name),
        row_count=size[0],
        data_bytes=size[1],
        key=key,
        column_count=len(columns),
        cdc_enabled=bool(tracked),
        partitions=max(1, size[2]),
        unsupported=tuple(unsupported),
        warnings=tuple(_warnings(key, columns, temporal, memory=memory, external=external)),
    )


def _warnings(
    key: Sequence[str],
    columns: Sequence[SqlColumn],
    temporal: int,
    *,
    memory: bool,
    external: bool,
) -> Iterable[str]:
    if not key:
        yield "It has no key: rows cannot be told apart, so changes cannot follow a full load."
    if temporal == 1:
        yield "It is the history of a temporal table."
    if memory:
        yield "It is memory-optimised: it is read as one stream."
    if external:
        yield "It is external: its rows lie outside this database."
    if any(is_unbounded(c) for c in columns):
        yield "It has unbounded columns: each chunk's longest value is measured before it is read."
