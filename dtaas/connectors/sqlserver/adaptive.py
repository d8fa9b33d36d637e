"""Reads a chunk natively, or through ODBC where the native decoder does not know a type."""

from collections.abc import Awaitable, Callable

import pyarrow as pa
import structlog

from dtaas.connectors.sqlserver.native import NativeReader
from dtaas.model.execution import ReadBy
from dtaas.model.ports import BatchReader
from dtaas.tds.errors import NotDecodableError

log = structlog.get_logger()


class AdaptiveReader:
    """Decides at the first batch, from what the server says of the columns."""

    def __init__(
        self, native: NativeReader, odbc: Callable[[str], Awaitable[BatchReader]], *, table: str
    ) -> None:
        """Prepare.

        Args:
            native: open, not started.
            odbc: opens the reader to fall back on; is told why.
        """
        self._native = native
        self._open_odbc = odbc
        self._table = table
        self._started = False
        self._odbc: BatchReader | None = None

    @property
    def read_by(self) -> ReadBy | None:
        """What reads the chunk."""
        return self._native.read_by if self._odbc is None else self._odbc.read_by

    async def next(self) -> pa.RecordBatch | None:
        """Return the next batch, None after the last row."""
        if not self._started:
            await self._start()
        if self._odbc is not None:
            return await self._odbc.next()
        return await self._native.next()

    async def aclose(self) -> None:
        """Stop reading and free everything. Idempotent. Who opened the other reader closes it."""
        await self._native.aclose()

    async def _start(self) -> None:
        try:
            await self._native.start()
        except NotDecodableError as exc:
            log.info("reader_chosen", table=self._table, reader="odbc", reason=str(exc))
            await self._native.aclose()
            self._odbc = await self._open_odbc(str(exc))
        self._started = True
