"""Which catalogs a session sees: everybody's, or its own transaction's until that commits."""

from collections.abc import Mapping

import asyncpg
from msgspec.structs import replace

from dtaas.sandbox.sqlserver.catalog import TableDef
from dtaas.sandbox.sqlserver.storage.catalog import DatabaseCatalog, load_catalogs, name_key
from dtaas.sandbox.sqlserver.storage.ddl.context import no_database
from dtaas.sandbox.sqlserver.storage.server import StorageServer
from dtaas.sandbox.sqlserver.storage.temporary import drop_temporary, load_temporary


class SessionCatalogs:
    """The catalogs as one session sees them, its temporary tables among them.

    Attributes:
        has_temporary: the session has made a temporary table.
    """

    def __init__(self, server: StorageServer, connection: asyncpg.Connection, spid: int) -> None:
        self.has_temporary = False
        self._server = server
        self._connection = connection
        self._spid = spid
        self._shared: Mapping[str, DatabaseCatalog] = {}
        self._private: Mapping[str, DatabaseCatalog] | None = None
        self._current: DatabaseCatalog | None = None

    async def read(
        self, database: str, *, doomed: bool
    ) -> tuple[DatabaseCatalog, Mapping[str, DatabaseCatalog]]:
        """Return a database's catalog, fresh, and all by lower-case name.

        Both are the same objects until something changes.

        Args:
            doomed: the transaction can read nothing any more.
        """
        shared = self._private or await self._server.catalogs()
        if shared is not self._shared:
            await self._connection.reload_schema_state()  # forgets prepared statements
            self._shared = shared
            self._current = None
        if self._current is None:
            catalog = shared.get(name_key(database))
            if catalog is None:
                raise no_database(database)
            temporary = {}
            if self.has_temporary and not doomed:
                temporary = await load_temporary(self._connection, self._spid)
            self._current = replace(catalog, temporary=temporary)
        return self._current, shared

    async def find(self, database: str) -> DatabaseCatalog:
        """Return a database's catalog without temporary tables. Raises: SqlError 911 unknown."""
        found = (self._private or await self._server.catalogs()).get(name_key(database))
        if found is None:
            raise no_database(database)
        return found

    def stored(self, storage_name: str) -> TableDef | None:
        """Return a table as the catalogs of the last statement know it."""
        catalogs = [*(self._private or self._shared).values()]
        found = (c.stored(storage_name) for c in (self._current, *catalogs) if c is not None)
        return next((t for t in found if t is not None), None)

    def leave_database(self) -> None:
        """Forget which database was the current one."""
        self._current = None

    async def changed(self, *, temporary: bool, in_transaction: bool) -> None:
        """Let catalogs be read again: by all sessions, or by this one until it commits."""
        self.has_temporary |= temporary
        self._current = None
        if temporary:
            await self._connection.reload_schema_state()
        elif not in_transaction:
            self._server.changed()
        else:
            self._private = await load_catalogs(self._connection, self._server.views)

    def committed(self) -> None:
        """Give everybody what the transaction changed."""
        if self._private is not None:
            self._server.changed()
            self._private = None

    def rolled_back(self) -> None:
        """Forget what the transaction changed."""
        self._private = None

    async def undone(self) -> None:
        """Read again what a rollback, whole or to a savepoint, may have taken."""
        if self._private is not None:
            self._private = await load_catalogs(self._connection, self._server.views)
        if self.has_temporary:
            self._current = None

    async def drop_temporary(self) -> None:
        """Drop the session's temporary tables."""
        await self._connection.execute("RESET ROLE")
        await drop_temporary(self._connection, self._spid)
        self.has_temporary = False
        self._current = None
