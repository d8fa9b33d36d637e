"""Finds text that is not Unicode, so that it is an error and never a silent U+FFFD.

SQL Server's UTF-16 columns hold any 16-bit units, also a surrogate without its partner. ODBC
drivers replace such a one by U+FFFD when they hand text over. U+FFFD in a batch may also be
genuine; then the chunk's values are fetched once more as bytes, which tells.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import pyarrow as pa

from dtaas.connectors.sqlserver.bulk import BulkSession
from dtaas.connectors.sqlserver.chunk_query import ChunkQuery
from dtaas.connectors.sqlserver.quoting import ascii_batch, identifier
from dtaas.connectors.sqlserver.statements import utf16_bytes
from dtaas.connectors.sqlserver.transit import holds_replacement
from dtaas.connectors.sqlserver.types import SqlColumn, may_hold_lone_surrogates
from dtaas.model.errors import UnsupportedTypeError

if TYPE_CHECKING:
    import arrow_odbc

_ROWS = 1_000
_BOUNDED_BYTES = 8_000


class SurrogateGuard:
    """Watches the batches of one chunk."""

    def __init__(
        self,
        query: ChunkQuery,
        new_session: Callable[[], BulkSession],
        *,
        settings: str,
        where: str,
    ) -> None:
        """Watch a chunk.

        Args:
            new_session: makes a second session, used only when U+FFFD shows up.
            settings: statements for that session, such as its isolation level.
            where: the table, for the error.
        """
        self._query = query
        self._new_session = new_session
        self._settings = settings
        self._where = where
        self._genuine: set[str] = set()

    def suspects(self, batch: pa.RecordBatch) -> list[SqlColumn]:
        """Return the columns whose text may have been altered on the way."""
        return [
            column
            for column, array in zip(self._query.columns, batch.columns, strict=True)
            if may_hold_lone_surrogates(column)
            and column.name not in self._genuine
            and holds_replacement(array)
        ]

    async def clear(self, column: SqlColumn) -> None:
        """Find out whether the column's U+FFFD are the table's own.

        Raises:
            UnsupportedTypeError: a value of the chunk is not Unicode; names the column.
        """
        if column.name not in self._genuine:
            await self._prove_genuine(column)
            self._genuine.add(column.name)

    async def _prove_genuine(self, column: SqlColumn) -> None:
        session = self._new_session()
        reading = _Bytes(session, self._query, column)
        try:
            await session.open(self._settings)
            while (values := await session.run(reading.fetch)) is not None:
                bad = first_invalid(values)
                if bad is not None:
                    raise UnsupportedTypeError(
                        f"Column {identifier(column.name)} of {self._where} holds text that is not "
                        f"Unicode: a lone surrogate in {bad!r}.",
                        hint="Correct the value in the source; no file format could hold it.",
                    )
        finally:
            await session.aclose(free=reading.free)


def first_invalid(values: Iterable[bytes]) -> str | None:
    """Return the first value that is not valid UTF-16, shortened and with its bad units escaped."""
    for value in values:
        try:
            value.decode("utf-16-le")
        except UnicodeDecodeError as exc:
            around = value[max(0, exc.start - 20) & ~1 : exc.start + 20]
            return around.decode("utf-16-le", "surrogatepass")
    return None


class _Bytes:
    """The chunk's values of one column as bytes, some at a time. Used in the session's thread."""

    def __init__(self, session: BulkSession, query: ChunkQuery, column: SqlColumn) -> None:
        self._session = session
        self._sql = utf16_bytes(query.rows, column)
        self._size = max(_BOUNDED_BYTES, 2 * (query.longest or 0))
        self._reader: arrow_odbc.BatchReader | None = None

    def fetch(self) -> list[bytes] | None:
        """Return the next values, None after the last."""
        if self._reader is None:
            self._reader = self._session.connection.read_arrow_batches(
                query=ascii_batch(self._sql),
                batch_size=max(1, min(_ROWS, 8 * 1024 * 1024 // self._size)),
                max_bytes_per_batch=None,
                max_binary_size=self._size,
                fetch_concurrently=False,
                query_timeout_sec=self._session.query_timeout_s,
            )
        batch = next(self._reader, None)
        if batch is None:
            return None
        return [value for value in batch.column(0).to_pylist() if value is not None]

    def free(self) -> None:
        """Drop the driver's handle."""
        self._reader = None
