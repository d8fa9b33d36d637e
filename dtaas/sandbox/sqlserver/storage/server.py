"""The carrier database as all sessions share it: its address and the latest catalogs."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import anyio
import asyncpg

from dtaas.sandbox.sqlserver.storage.catalog import DatabaseCatalog, load_catalogs
from dtaas.sandbox.sqlserver.storage.forms import guid_to_storage, guid_to_wire
from dtaas.sandbox.sqlserver.storage.system_views import SystemViews

_CONNECT_LIMIT_S: Final = 30
_DAY_ZERO: Final = date(2000, 1, 1).toordinal()
"""PostgreSQL counts days from here."""


def _encode_date(value: date) -> bytes:
    # asyncpg's own codec makes infinities of 0001-01-01 and 9999-12-31
    return (value.toordinal() - _DAY_ZERO).to_bytes(4, "big", signed=True)


def _decode_date(encoded: bytes) -> date:
    return date.fromordinal(int.from_bytes(encoded, "big", signed=True) + _DAY_ZERO)


class StorageServer:
    """Opens connections to the carrier, and reads its catalogs again after each change.

    Attributes:
        views: of the system; every reading of the catalogs shares them.
    """

    def __init__(self, carrier_url: str, server_name: str) -> None:
        self.views = SystemViews()
        self._url = carrier_url
        self._server_name = server_name
        self._version = 0
        self._read_version = -1
        self._catalogs: Mapping[str, DatabaseCatalog] = {}
        self._lock = anyio.Lock()
        self._reader: asyncpg.Connection | None = None

    async def connect(self, *, login: str, spid: int, restricted: bool) -> asyncpg.Connection:
        """Open a connection with the codecs of `forms` and the settings SQL functions read."""
        settings = {
            "jit": "off",
            "deadlock_timeout": "200ms",
            "store.login": login,
            "store.spid": str(spid),
            "store.restricted": "on" if restricted else "off",
            "store.server_name": self._server_name,
            "store.database_id": "1",
        }
        connection = await asyncpg.connect(
            self._url, timeout=_CONNECT_LIMIT_S, server_settings=settings
        )
        await connection.set_type_codec(
            "numeric", schema="pg_catalog", encoder=str, decoder=int, format="text"
        )
        await connection.set_type_codec(
            "uuid",
            schema="pg_catalog",
            encoder=guid_to_storage,
            decoder=guid_to_wire,
            format="binary",
        )
        await connection.set_type_codec(
            "date",
            schema="pg_catalog",
            encoder=_encode_date,
            decoder=_decode_date,
            format="binary",
        )
        return connection

    def changed(self) -> None:
        """Note that DDL was committed: the next look reads the catalogs again."""
        self._version += 1

    async def catalogs(self) -> Mapping[str, DatabaseCatalog]:
        """Return the committed catalogs by lower-case name; the same object until a change."""
        if self._read_version == self._version:
            return self._catalogs
        async with self._lock:
            if self._read_version != self._version:
                version = self._version
                reader = await self._own()
                try:
                    # One snapshot: else a table made meanwhile is there without its columns.
                    async with reader.transaction(isolation="repeatable_read", readonly=True):
                        self._catalogs = await load_catalogs(reader, self.views)
                except BaseException:
                    reader.terminate()  # cancelled, it may still be in the transaction
                    raise
                self._read_version = version
        return self._catalogs

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """Return the first row, read on the connection the server keeps for itself."""
        async with self._lock:
            return await (await self._own()).fetchrow(query, *args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        """Return the first value of the first row."""
        async with self._lock:
            return await (await self._own()).fetchval(query, *args)

    async def aclose(self) -> None:
        """Close the connection it keeps. Idempotent."""
        if self._reader is not None:
            await self._reader.close(timeout=_CONNECT_LIMIT_S)

    async def _own(self) -> asyncpg.Connection:
        if self._reader is None or self._reader.is_closed():
            self._reader = await self.connect(login="sa", spid=0, restricted=False)
        return self._reader
