"""The SQL Server source: the port, put together from catalog, planner and reader."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)

import anyio
import structlog
from msgspec import Struct

from dtaas.connectors.sqlserver import queries
from dtaas.connectors.sqlserver.adaptive import AdaptiveReader
from dtaas.connectors.sqlserver.bulk import BulkSession
from dtaas.connectors.sqlserver.catalog import Catalog
from dtaas.connectors.sqlserver.check import check_source
from dtaas.connectors.sqlserver.chunk_query import (
    ChunkQuery,
    chunk_query,
    key_range,
    longest_allowed,
    matching_columns,
)
from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.connectors.sqlserver.driver import find_driver
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.isolation import (
    Isolation,
    choose_isolation,
    in_isolation,
    isolation_statement,
)
from dtaas.connectors.sqlserver.native import NativeReader
from dtaas.connectors.sqlserver.planner import Planner
from dtaas.connectors.sqlserver.rate_limit import RateLimit
from dtaas.connectors.sqlserver.reader import ChunkReader
from dtaas.connectors.sqlserver.session_shelf import SessionShelf
from dtaas.connectors.sqlserver.statements import KeyRange, longest_values, read_rows
from dtaas.connectors.sqlserver.surrogates import SurrogateGuard
from dtaas.connectors.sqlserver.types import SqlColumn, is_unbounded
from dtaas.model.check import CheckReport, OnStep
from dtaas.model.connectors import Reader, SqlServerConfig
from dtaas.model.errors import DatabaseNotFoundError, DriverMissingError
from dtaas.model.load import Chunk
from dtaas.model.ports import BatchReader, ConnectsAhead, Source
from dtaas.model.schema import TableInfo, TableRef, TableSchema
from dtaas.tds.library import why_missing

_MEGABYTE = 1_000_000
log = structlog.get_logger()


class _Work(Struct, frozen=True):
    """What one reader reads."""

    schema: TableSchema
    columns: tuple[SqlColumn, ...]
    rows: KeyRange
    batch_rows: int
    batch_bytes: int


class SqlServerSource:
    """Reads one database for one task.

    Catalog and planning run on a few kept sessions; each chunk has a session of its own, so that
    chunks are read side by side and a broken one harms no other.
    """

    def __init__(
        self, config: SqlServerConfig, *, application: str = "dtaas", driver: str = ""
    ) -> None:
        """Prepare a source; connects when first used.

        Args:
            application: name that shows in the server's list of sessions.
            driver: path or name of the ODBC driver, '' for the best one found.

        Raises:
            DriverMissingError: there is no ODBC driver, or no native reader where it is demanded.
        """
        self._config = config
        found = find_driver(driver)
        self._endpoint = Endpoint(config, driver=found, application=application)
        self._pool = ControlPool(self._endpoint)
        self._catalog = Catalog(self._pool)
        self._rate = RateLimit(config.read_rate_limit_mb_s * _MEGABYTE)
        self._isolation: Isolation | None = None
        self._deciding = anyio.Lock()
        self._readers: set[ChunkReader | AdaptiveReader] = set()
        self._why_odbc = why_not_natively(config)

    @property
    def catalog(self) -> Catalog:
        """Return what describes tables, for who reads the same database for the same task."""
        return self._catalog

    @property
    def shelf(self) -> SessionShelf:
        """Return the sessions nobody uses, for who asks the same database for the same task."""
        return self._pool.shelf

    async def connect_ahead(self) -> None:
        """Connect before the first question; it does not fail."""
        await self._pool.shelf.fill()

    async def check(self, on_step: OnStep) -> CheckReport:
        """Test the connection step by step."""
        return await check_source(self._endpoint, self._pool, on_step)

    async def discover(self) -> Sequence[TableInfo]:
        """Return every user table the login can see, sorted by schema and name."""
        return await self._catalog.tables()

    async def describe(self, table: TableRef) -> TableSchema:
        """Return a table's or view's columns and key."""
        return (await self._catalog.table(table)).schema()

    async def plan(self, schema: TableSchema, *, chunk_rows: int) -> Sequence[Chunk]:
        """Cut the table into ranges of its clustered index."""
        table = await self._catalog.table(schema.table)
        matching_columns(table, schema)
        isolation = await self._isolation_level()
        return await Planner(self._pool, table, isolation, chunk_rows=chunk_rows).plan()

    @asynccontextmanager
    async def read(
        self, schema: TableSchema, chunk: Chunk, *, batch_rows: int, batch_bytes: int
    ) -> AsyncIterator[BatchReader]:
        """Open a reader over one chunk, in a session of its own."""
        table = await self._catalog.table(schema.table)
        columns = matching_columns(table, schema)
        work = _Work(schema, columns, key_range(table, chunk), batch_rows, batch_bytes)
        async with self._opened(work) as reader:
            yield reader

    @asynccontextmanager
    async def read_keys(
        self,
        schema: TableSchema,
        columns: tuple[str, ...],
        keys: Sequence[tuple[str, ...]],
        *,
        batch_rows: int,
        batch_bytes: int,
    ) -> AsyncIterator[BatchReader]:
        """Open a reader over the rows of some keys, in a session of its own."""
        table = await self._catalog.table(schema.table)
        selected = matching_columns(table, schema)
        rows = KeyRange.of_keys(schema.table, [table.column(name) for name in columns], keys)
        async with self._opened(_Work(schema, selected, rows, batch_rows, batch_bytes)) as reader:
            yield reader

    def _opened(self, work: "_Work") -> AbstractAsyncContextManager[BatchReader]:
        return self._odbc(work, self._why_odbc) if self._why_odbc else self._native(work)

    async def position(self) -> str:
        """Return the highest captured LSN as 20 hex digits, '' without change data capture."""
        what = "Reading the log position"
        found = await self._pool.fetch(what, queries.DATABASE)
        if not found or not found[0][1]:
            return ""
        rows = await self._pool.fetch(what, queries.MAX_LSN)
        return (rows[0][0] or "").removeprefix("0x")  # NULL before the first scan of the log

    async def aclose(self) -> None:
        """Break off readers still open and close every session. Idempotent."""
        while self._readers:
            await self._readers.pop().aclose()
        await self._pool.aclose()

    @asynccontextmanager
    async def _native(self, work: "_Work") -> AsyncIterator[BatchReader]:
        """Open a reader that needs no ODBC, and goes over to it where it must."""
        native = NativeReader(
            self._endpoint,
            read_rows(work.rows, work.columns),
            work.schema,
            work.columns,
            batch_rows=work.batch_rows,
            batch_bytes=work.batch_bytes,
            rate=self._rate,
        )
        async with AsyncExitStack() as stack:

            async def fall_back(reason: str) -> BatchReader:
                return await stack.enter_async_context(self._odbc(work, reason))

            reader = AdaptiveReader(native, fall_back, table=str(work.schema.table))
            with self._breakable(reader):
                try:
                    await native.open(isolation_statement(await self._isolation_level()))
                    yield reader
                finally:
                    await reader.aclose()

    @asynccontextmanager
    async def _odbc(self, work: "_Work", reason: str) -> AsyncIterator[BatchReader]:
        """Open a reader on ODBC; `reason` says why."""
        query = await self._chunk_query(work)
        settings = isolation_statement(await self._isolation_level())
        what = f"Reading {work.schema.table}"
        session = BulkSession(self._endpoint, what=what)
        reader = ChunkReader(
            session,
            query,
            work.schema,
            batch_rows=work.batch_rows,
            batch_bytes=work.batch_bytes,
            rate=self._rate,
            guard=SurrogateGuard(
                query,
                lambda: BulkSession(self._endpoint, what=what),
                settings=settings,
                where=str(work.schema.table),
            ),
            reason=reason,
        )
        with self._breakable(reader):
            try:
                await session.open(settings)
                yield reader
            finally:
                await reader.aclose()

    @contextmanager
    def _breakable(self, reader: "ChunkReader | AdaptiveReader") -> Iterator[None]:
        """Let `aclose` break the reader off."""
        self._readers.add(reader)
        try:
            yield
        finally:
            self._readers.discard(reader)

    async def _chunk_query(self, work: "_Work") -> ChunkQuery:
        longest = 0
        where = str(work.schema.table)
        if any(is_unbounded(c) for c in work.columns):
            sql = in_isolation(
                await self._isolation_level(), longest_values(work.rows, work.columns)
            )
            found = await self._pool.fetch(f"Measuring the values of {where}", sql)
            longest = longest_allowed(
                work.columns, found[0], most_bytes=self._config.max_lob_bytes, where=where
            )
        return chunk_query(work.rows, work.columns, longest=longest, most_rows=work.batch_rows)

    async def _isolation_level(self) -> Isolation:
        """Return the level of this source's reads, decided at the first use."""
        async with self._deciding:
            if self._isolation is None:
                rows = await self._pool.fetch("Asking for the isolation level", queries.DATABASE)
                if not rows:
                    raise DatabaseNotFoundError(
                        f"The login may not see database {self._config.database}.",
                        hint="Create a user for it: CREATE USER [u] FOR LOGIN [u];",
                    )
                self._isolation = choose_isolation(rcsi=bool(rows[0][3]), snapshot_state=rows[0][2])
                log.info("isolation_chosen", isolation=self._isolation.value)
            return self._isolation


def why_not_natively(config: SqlServerConfig) -> str:
    """Return why tables are not read by our own decoder, '' when they are.

    Raises:
        DriverMissingError: it is demanded and this installation has none.
    """
    missing = why_missing()
    if config.reader is Reader.NATIVE and missing:
        raise DriverMissingError(
            f"The native reader is not there: {missing}.",
            hint="Install DTaaS where there is a C compiler, or set reader to auto or odbc.",
            field="$.connection_config.reader",
        )
    return "the connector's reader is odbc" if config.reader is Reader.ODBC else missing


_: tuple[type[Source], type[ConnectsAhead]] = (SqlServerSource, SqlServerSource)
