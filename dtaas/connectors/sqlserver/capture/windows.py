"""Reads one window of a change table: natively where that is possible, else through ODBC."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dtaas.connectors.sqlserver.adaptive import AdaptiveReader
from dtaas.connectors.sqlserver.bulk import BulkSession
from dtaas.connectors.sqlserver.capture.rows import METADATA
from dtaas.connectors.sqlserver.chunk_query import ChunkQuery, chunk_query, longest_allowed
from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.native import NativeReader
from dtaas.connectors.sqlserver.native_shelf import NativeShelf
from dtaas.connectors.sqlserver.quoting import identifier
from dtaas.connectors.sqlserver.rate_limit import RateLimit
from dtaas.connectors.sqlserver.reader import ChunkReader
from dtaas.connectors.sqlserver.statements import KeyRange, longest_values
from dtaas.connectors.sqlserver.surrogates import SurrogateGuard
from dtaas.connectors.sqlserver.types import SqlColumn, is_unbounded, value_expression
from dtaas.model.changes import POSITION_BYTES, ChangeWindow
from dtaas.model.ports import BatchReader
from dtaas.model.schema import TableRef, TableSchema

_ISOLATION: Final = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;"
_TYPES: Final = (("binary", 10), ("int", 4), ("binary", 10), ("int", 4), ("varbinary", 128))
"""Of `METADATA`, but for the commit time."""


class WindowQuery(Struct, frozen=True, kw_only=True):
    """What is selected of a change table.

    Attributes:
        schema: of the result: `METADATA`, then the captured columns.
        columns: the captured columns.
        before: images before updates come too.
        spelled: ordinals of key columns whose text may change and yet be the same key: where one
            did, the image before comes too, for targets tell spellings apart.
        gated: read through the function that checks rights, which knows no `__$command_id`.
    """

    instance: str
    window: ChangeWindow
    schema: TableSchema
    columns: Sequence[SqlColumn]
    before: bool
    spelled: Sequence[int] = ()
    gated: bool = False

    @property
    def every_column(self) -> list[SqlColumn]:
        """Return the columns of the result."""
        return [*_METADATA_COLUMNS, *self.columns]

    @property
    def rows(self) -> KeyRange:
        """Return the rows of the change table, for further statements about them."""
        table = TableRef("cdc", f"{self.instance}_CT")
        call = self._call if self.gated else ""
        return KeyRange.matching(table, self._condition(""), call=call)

    @property
    def sql(self) -> str:
        """Return the query, in the order of changes."""
        return self._through_function if self.gated else self._directly

    @property
    def _directly(self) -> str:
        metadata = [f"ct.{identifier(c.name)}" for c in METADATA[:-1]]
        return (
            f"SELECT {self._named([*metadata, 'm.tran_end_time'])}"
            f" FROM {change_table(self.instance)} AS ct"
            " LEFT JOIN cdc.lsn_time_mapping AS m ON m.start_lsn = ct.[__$start_lsn]"
            f" WHERE {self._condition('ct.')}"
            " ORDER BY ct.[__$start_lsn], ct.[__$command_id], ct.[__$seqval], ct.[__$operation]"
        )

    @property
    def _through_function(self) -> str:
        metadata = [f"ct.{identifier(c.name)}" for c in METADATA[:-1]]
        metadata[1] = "CAST(NULL AS int)"
        ended = "sys.fn_cdc_map_lsn_to_time(ct.[__$start_lsn])"
        return (
            f"SELECT {self._named([*metadata, ended])} FROM {self._call} AS ct"
            f" WHERE {self._condition('ct.')}"
            " ORDER BY ct.[__$start_lsn], ct.[__$seqval], ct.[__$operation]"
        )

    @property
    def _call(self) -> str:
        first = (int.from_bytes(self.window.after) + 1).to_bytes(POSITION_BYTES)
        return change_function(self.instance, f"0x{first.hex()}", f"0x{self.window.to.hex()}")

    def _named(self, metadata: Sequence[str]) -> str:
        items = [*metadata, *(value_expression(c) for c in self.columns)]
        return ", ".join(f"{item} AS dtaas_{i}" for i, item in enumerate(items))

    def _condition(self, alias: str) -> str:
        lsn, operation = f"{alias}[__$start_lsn]", f"{alias}[__$operation] <> 3"
        window = f"{lsn} > 0x{self.window.after.hex()} AND {lsn} <= 0x{self.window.to.hex()}"
        if self.before:
            return window
        spelled = [
            f"sys.fn_cdc_is_bit_set({ordinal}, {alias}[__$update_mask]) = 1"
            for ordinal in self.spelled
        ]
        return f"{window} AND ({' OR '.join((operation, *spelled))})"


class WindowReading:
    """Opens readers over windows."""

    def __init__(
        self, endpoint: Endpoint, pool: ControlPool, rate: RateLimit, *, why_odbc: str
    ) -> None:
        """Prepare; `why_odbc` says why the native reader is not used, '' when it is."""
        self._endpoint = endpoint
        self._pool = pool
        self._rate = rate
        self._why_odbc = why_odbc
        self._shelf = NativeShelf(endpoint, _ISOLATION)

    async def connect_ahead(self) -> None:
        """Connect before the first window is known; it does not fail."""
        if not self._why_odbc:
            await self._shelf.fill()

    def close(self) -> None:
        """Close the connections that are kept. Idempotent."""
        self._shelf.clear()

    @asynccontextmanager
    async def opened(
        self, query: WindowQuery, *, batch_rows: int, batch_bytes: int
    ) -> AsyncIterator[BatchReader]:
        """Open a reader in a session that nobody else uses. Its batches have `query.schema`."""
        why = self._why_odbc
        if why:
            async with self._odbc(query, batch_rows, batch_bytes, why) as reader:
                yield reader
            return
        native = NativeReader(
            self._endpoint,
            query.sql,
            query.schema,
            query.every_column,
            batch_rows=batch_rows,
            batch_bytes=batch_bytes,
            rate=self._rate,
            session=self._shelf.take(),
        )
        async with AsyncExitStack() as stack:

            async def fall_back(reason: str) -> BatchReader:
                return await stack.enter_async_context(
                    self._odbc(query, batch_rows, batch_bytes, reason)
                )

            adaptive = AdaptiveReader(native, fall_back, table=str(query.schema.table))
            try:
                await native.open(_ISOLATION)
                yield adaptive
            finally:
                self._shelf.give(native.give_back())
                await adaptive.aclose()

    @asynccontextmanager
    async def _odbc(
        self, query: WindowQuery, batch_rows: int, batch_bytes: int, reason: str
    ) -> AsyncIterator[BatchReader]:
        chunk = await self._chunk_query(query, batch_rows)
        what = f"Reading changes of {query.schema.table}"
        session = BulkSession(self._endpoint, what=what)
        guard = SurrogateGuard(
            chunk,
            lambda: BulkSession(self._endpoint, what=what),
            settings=_ISOLATION,
            where=str(query.schema.table),
        )
        reader = ChunkReader(
            session,
            chunk,
            query.schema,
            batch_rows=batch_rows,
            batch_bytes=batch_bytes,
            rate=self._rate,
            guard=guard,
            reason=reason,
        )
        try:
            await session.open(_ISOLATION)
            yield reader
        finally:
            await reader.aclose()

    async def _chunk_query(self, query: WindowQuery, most_rows: int) -> ChunkQuery:
        rows, columns, where = query.rows, query.every_column, str(query.schema.table)
        longest = 0
        if any(is_unbounded(c) for c in columns):
            what = f"Measuring the changes of {where}"
            found = await self._pool.fetch(what, longest_values(rows, columns))
            most_bytes = self._endpoint.config.max_lob_bytes
            longest = longest_allowed(columns, found[0], most_bytes=most_bytes, where=where)
        chunk = chunk_query(rows, columns, longest=longest, most_rows=most_rows)
        return replace(chunk, sql=query.sql)


def spelled_ordinals(
    key: Sequence[str], columns: Sequence[SqlColumn], ordinals: Sequence[int]
) -> list[int]:
    """Return the ordinals of key columns whose collation takes different spellings as equal."""
    return [
        ordinal
        for column, ordinal in zip(columns, ordinals, strict=True)
        if column.name in key and column.collation and not _is_binary(column.collation)
    ]


def _is_binary(collation: str) -> bool:
    return collation.upper().endswith(("_BIN", "_BIN2", "_BIN2_UTF8"))


def change_table(instance: str) -> str:
    """Return the quoted name of an instance's change table."""
    return f"cdc.{identifier(f'{instance}_CT')}"


def change_function(instance: str, first: str, last: str) -> str:
    """Return the call of the function that gives an instance's changes, both ends included."""
    name = identifier(f"fn_cdc_get_all_changes_{instance}")
    return f"cdc.{name}({first}, {last}, N'all update old')"


def _metadata_columns() -> list[SqlColumn]:
    names = [c.name for c in METADATA]
    kinds = [*_TYPES, ("datetime", 8)]
    return [
        SqlColumn(
            name=name, base_type=base, max_length=length, precision=0,
            scale=3 if base == "datetime" else 0, collation=None, nullable=True,
        )
        for name, (base, length) in zip(names, kinds, strict=True)
    ]  # fmt: skip


_METADATA_COLUMNS: Final = _metadata_columns()
