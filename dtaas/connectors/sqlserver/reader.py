"""Reads one chunk: fetches in a thread, cuts to the size asked for, and can be broken off."""

from collections import deque
from typing import TYPE_CHECKING

import pyarrow as pa
from msgspec import Struct

from dtaas.connectors.sqlserver.bulk import BulkSession
from dtaas.connectors.sqlserver.chunk_query import ChunkQuery
from dtaas.connectors.sqlserver.errors import is_buffer_too_small
from dtaas.connectors.sqlserver.quoting import ascii_batch
from dtaas.connectors.sqlserver.rate_limit import RateLimit
from dtaas.connectors.sqlserver.rechunk import Rechunker
from dtaas.connectors.sqlserver.surrogates import SurrogateGuard
from dtaas.connectors.sqlserver.transit import Transit
from dtaas.connectors.sqlserver.types import SqlColumn
from dtaas.model.connectors import Reader
from dtaas.model.errors import ConnectionLostError, SourceBusyError
from dtaas.model.execution import ReadBy
from dtaas.model.schema import TableSchema

if TYPE_CHECKING:
    import arrow_odbc


class _Fetched(Struct, frozen=True):
    """What one visit to the thread brought."""

    batches: list[pa.RecordBatch]
    suspects: tuple[SqlColumn, ...]
    ended: bool


class ChunkReader:
    """A chunk being read on a session of its own.

    Pulled by the engine: nothing is fetched before it is asked for, so one transit buffer and the
    batches of one fetch are all that is held.
    """

    def __init__(
        self,
        session: BulkSession,
        query: ChunkQuery,
        schema: TableSchema,
        *,
        batch_rows: int,
        batch_bytes: int,
        rate: RateLimit,
        guard: SurrogateGuard,
        reason: str = "",
    ) -> None:
        """Prepare; `reason` says why the native reader does not do it."""
        self._session = session
        self._query = query
        self._schema = schema
        self._rate = rate
        self._guard = guard
        self.read_by = ReadBy(Reader.ODBC.value, reason)
        self._transit = Transit(query.columns, schema)
        self._cutter = Rechunker(batch_rows=batch_rows, batch_bytes=batch_bytes)
        self._ready: deque[pa.RecordBatch] = deque()
        self._result: arrow_odbc.BatchReader | None = None
        self._ended = False
        self._broken = False

    async def next(self) -> pa.RecordBatch | None:
        """Return the next batch, None after the last row."""
        while not self._ready and not self._ended:
            if self._broken:
                raise ConnectionLostError(
                    f"Reading {self._schema.table} was broken off.",
                    hint="The chunk is read again.",
                )
            self._broken = True  # until all below has ended well
            fetched = await self._session.run(self._fetch)
            for column in fetched.suspects:
                await self._guard.clear(column)
            self._ready.extend(fetched.batches)
            self._ended = fetched.ended
            self._broken = False
        if not self._ready:
            return None
        await self._rate.take(self._ready[0].nbytes)  # before it is ours: a cancel loses no rows
        return self._ready.popleft()

    async def aclose(self) -> None:
        """Stop reading and free everything. Idempotent."""
        self._broken = True
        await self._session.aclose(free=self._free)

    def _fetch(self) -> _Fetched:
        """Fetch until there is a batch or the result ends. Runs in the session's thread."""
        batches: list[pa.RecordBatch] = []
        suspects: dict[str, SqlColumn] = {}
        while not batches:
            fetched = self._fetch_some()
            if fetched is None:
                batches.extend(self._cutter.rest())
                return _Fetched(batches, tuple(suspects.values()), ended=True)
            suspects |= {column.name: column for column in self._guard.suspects(fetched)}
            batches.extend(self._cutter.add(self._transit.to_batch(fetched)))
        return _Fetched(batches, tuple(suspects.values()), ended=False)

    def _fetch_some(self) -> pa.RecordBatch | None:
        """Return what one call of the driver fetches, None at the end."""
        from dtaas.connectors.sqlserver.odbc_bulk import arrow_odbc  # noqa: PLC0415 - see there

        try:
            if self._result is None:
                self._result = self._execute()
            return next(self._result, None)
        except arrow_odbc.Error as exc:
            if not is_buffer_too_small(exc):
                raise
            raise SourceBusyError(
                f"A value of {self._schema.table} grew while the chunk was read.",
                hint="The chunk is measured and read again.",
            ) from exc

    def _execute(self) -> "arrow_odbc.BatchReader":
        from dtaas.connectors.sqlserver.odbc_bulk import arrow_odbc  # noqa: PLC0415 - see there

        return self._session.connection.read_arrow_batches(
            query=ascii_batch(self._query.sql),
            batch_size=self._query.transit_rows,
            max_bytes_per_batch=None,  # the rows already say it
            max_text_size=self._query.longest,
            max_binary_size=self._query.longest,
            map_schema=self._transit.require_fetchable,
            # A second buffer and thread gain nothing while writers use the other core.
            fetch_concurrently=False,
            query_timeout_sec=self._session.query_timeout_s,
            # Exact for every character and code page, whatever the process's locale.
            payload_text_encoding=arrow_odbc.TextEncoding.UTF16,
        )

    def _free(self) -> None:
        self._result = None
