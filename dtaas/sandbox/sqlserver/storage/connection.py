"""A session's connection to the storage; implements `tsql.storage_port.Storage`."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import asyncpg

from dtaas.sandbox.sqlserver.results import Message, SqlError
from dtaas.sandbox.sqlserver.storage.access import Access
from dtaas.sandbox.sqlserver.storage.arguments import bind_all
from dtaas.sandbox.sqlserver.storage.capture import follow
from dtaas.sandbox.sqlserver.storage.capture.orders import carry_out as carry_out_capture
from dtaas.sandbox.sqlserver.storage.catalog import DatabaseCatalog, name_key
from dtaas.sandbox.sqlserver.storage.ddl.context import Context
from dtaas.sandbox.sqlserver.storage.ddl.executor import carry_out, is_temporary, needs_own_turn
from dtaas.sandbox.sqlserver.storage.ddl.parser import parse_ddl
from dtaas.sandbox.sqlserver.storage.identity import last_identity
from dtaas.sandbox.sqlserver.storage.postgres_errors import (
    Failure,
    dropped,
    ends_transaction,
    snapshot_refused,
    translate_failure,
)
from dtaas.sandbox.sqlserver.storage.result_rows import finisher
from dtaas.sandbox.sqlserver.storage.server import StorageServer
from dtaas.sandbox.sqlserver.storage.session_catalogs import SessionCatalogs
from dtaas.sandbox.sqlserver.storage.temporary import grant_temporary
from dtaas.sandbox.sqlserver.tsql.capture_orders import CaptureOrder
from dtaas.sandbox.sqlserver.tsql.compiled import Compiled
from dtaas.sandbox.sqlserver.tsql.storage_port import (
    Argument,
    Isolation,
    Outcome,
    Storage,
    TransactionState,
)
from dtaas.sandbox.sqlserver.tsql.transaction_errors import unknown_savepoint

FETCH_ROWS: Final = 2_000
CLEANUP_LIMIT_S: Final = 10.0
_LEVELS: Final = {
    Isolation.READ_UNCOMMITTED: "READ COMMITTED",
    Isolation.READ_COMMITTED: "READ COMMITTED",
    Isolation.REPEATABLE_READ: "REPEATABLE READ",
    Isolation.SERIALIZABLE: "SERIALIZABLE",
    Isolation.SNAPSHOT: "REPEATABLE READ",
}
_READS: Final = re.compile(r"\bFROM\b", re.IGNORECASE)
_USER_DATA: Final = re.compile(r"\bd(?!2\b)\d+\.[tvk]_\d+")
"""A table, its changes, or a view of a database other than tempdb, whose number is 2."""


class StorageConnection:
    """One PostgreSQL connection, one transaction at most.

    A statement outside an explicit transaction is one of its own. Inside, a savepoint before each
    statement gives statement-level rollback, unless `xact_abort` makes it needless.
    """

    def __init__(
        self, server: StorageServer, connection: asyncpg.Connection, spid: int, access: Access
    ) -> None:
        self.spid = spid
        self.database = "master"
        self.isolation = Isolation.READ_COMMITTED
        self.lock_timeout_ms = -1
        self.identity_insert: str | None = None
        self.xact_abort = False
        self._server = server
        self._connection = connection
        self._access = access
        self._state = TransactionState.NONE
        self._level = Isolation.READ_COMMITTED
        self._guarded = False
        self._savepoints: dict[str, str] = {}
        self._applied_lock_timeout_ms: int | None = -1
        self._catalogs = SessionCatalogs(server, connection, spid)
        self._moved = False

    @property
    def transaction(self) -> TransactionState:
        """State of the explicit transaction."""
        return self._state

    async def catalogs(self) -> tuple[DatabaseCatalog, Mapping[str, DatabaseCatalog]]:
        """Return the current database's catalog, fresh, and all by lower-case name.

        Both are the same objects until something changes.
        """
        doomed = self._state is TransactionState.DOOMED
        return await self._catalogs.read(self.database, doomed=doomed)

    async def use(self, database: str) -> None:
        """Switch database. Raises: SqlError 911 unknown, 916 no access."""
        found = await self._catalogs.find(database)
        await self._access.enter(self._connection, found)
        self.database = found.database
        self._catalogs.leave_database()
        self._moved = self._state is not TransactionState.NONE

    async def rows(
        self, compiled: Compiled, arguments: Sequence[Argument]
    ) -> AsyncGenerator[Sequence[Sequence[Any]]]:
        """Run a statement with a result and give its rows in wire form, some thousand at a time.

        Raises:
            SqlError: the statement failed; it may have given rows before.
        """
        values = bind_all(arguments)
        finish = finisher(compiled.columns or ())
        # A statement that reads no table has few rows: it needs no cursor, so no transaction.
        plain = _READS.search(compiled.sql) is None
        async with self._statement(compiled, cursor=not plain):
            if plain:
                yield finish(await self._connection.fetch(compiled.sql, *values))
                return
            statement = await self._connection.prepare(compiled.sql)
            cursor = await statement.cursor(*values)
            while batch := await cursor.fetch(FETCH_ROWS):
                yield finish(batch)
                if len(batch) < FETCH_ROWS:
                    break
            if self._catalogs.has_temporary:
                # In an open transaction it would stay, and hold a table variable that goes.
                await self._connection.execute("CLOSE ALL")

    async def execute(self, compiled: Compiled, arguments: Sequence[Argument]) -> Outcome:
        """Run a statement without a result. Raises: SqlError."""
        values = bind_all(arguments)
        async with self._statement(compiled, cursor=False):
            status = await self._connection.execute(compiled.sql, *values)
            count = status.rpartition(" ")[2]
            rows = int(count) if count.isdigit() else 0
            identity = await self.identity(compiled.sets_identity) if rows else None
        return Outcome(rows=rows, identity=identity)

    async def define(self, statement: str) -> Sequence[Message]:
        """Run one DDL statement, as T-SQL text; return its informational messages.

        Raises:
            SqlError: 226 a database cannot be made within a transaction; and by statement.
        """
        parsed = parse_ddl(statement)
        if needs_own_turn(parsed) and self._state is not TransactionState.NONE:
            word = " ".join(statement.split()[:2]).upper()
            raise SqlError(
                226, f"{word} statement not allowed within multi-statement transaction.", state=6
            )
        catalog, catalogs = await self.catalogs()
        temporary = is_temporary(parsed)
        async with self._definition(temporary=temporary):
            context = Context(
                connection=self._connection,
                catalog=catalog,
                catalogs=catalogs,
                spid=self.spid,
            )
            action = " ".join(statement.split()[:2]).upper()
            async with self._access.as_owner(
                self._connection, catalog, action, temporary=temporary
            ):
                await follow.before(context, parsed)
                messages = await carry_out(context, parsed)
                await follow.after(context, parsed, statement)
                if temporary and not self._access.sysadmin:
                    await grant_temporary(self._connection, self.spid, self._access.role)
            return messages

    async def capture(self, order: CaptureOrder) -> Sequence[Message]:
        """Enable or disable change data capture; return informational messages."""
        catalog, catalogs = await self.catalogs()
        async with self._definition(temporary=False):
            context = Context(
                connection=self._connection, catalog=catalog, catalogs=catalogs, spid=self.spid
            )
            if not await self._access.owns(self._connection, catalog.database_id):
                raise SqlError(
                    22904,
                    "Caller is not authorized to initiate the requested action. DBO privileges are "
                    "required.",
                )
            return await carry_out_capture(context, order)

    async def begin(self) -> None:
        """Open a transaction at `isolation`."""
        self._level = self.isolation
        await self._apply_settings()
        await self._connection.execute(f"BEGIN ISOLATION LEVEL {_LEVELS[self._level]}")
        self._state = TransactionState.OPEN

    async def commit(self) -> None:
        """Commit it. Raises: SqlError 1205 or 3960 when a conflict shows only now."""
        try:
            await self._connection.execute("COMMIT")
        except asyncpg.PostgresError as error:
            await self._forget_transaction(committed=False)
            raise await self._translated(error, 0) from error
        await self._forget_transaction(committed=True)

    async def rollback(self) -> None:
        """Roll it back. Does nothing when an error ended it already."""
        if self._state is not TransactionState.NONE:
            await self._connection.execute("ROLLBACK")
        await self._forget_transaction(committed=False)

    async def savepoint(self, name: str) -> None:
        """Set a savepoint; the same name again moves it."""
        storage_name = self._savepoints.setdefault(name, f"u{len(self._savepoints)}")
        await self._connection.execute(
            f"{'RELEASE guard; ' if self._guarded else ''}SAVEPOINT {storage_name}"
        )
        self._guarded = False

    async def rollback_to(self, name: str) -> None:
        """Undo what came after a savepoint. Raises: SqlError 6401 unknown name."""
        if name not in self._savepoints:
            raise unknown_savepoint(name)
        await self._connection.execute(f"ROLLBACK TO {self._savepoints[name]}")
        self._guarded = False
        await self._after_undo()

    async def reset(self) -> None:
        """Roll back, drop temporary tables, forget the settings above."""
        await self.rollback()
        self.isolation = Isolation.READ_COMMITTED
        self.lock_timeout_ms = -1
        self.identity_insert = None
        self.xact_abort = False
        await self._drop_temporary()

    async def aclose(self) -> None:
        """Roll back and close. Idempotent."""
        if self._connection.is_closed():
            return
        with anyio.CancelScope(shield=True), anyio.move_on_after(CLEANUP_LIMIT_S):
            try:
                await self.rollback()
                await self._drop_temporary()
                await self._connection.close()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                self._connection.terminate()  # the server is gone: nothing is left to undo
        if not self._connection.is_closed():
            self._connection.terminate()

    @asynccontextmanager
    async def _statement(self, compiled: Compiled, *, cursor: bool) -> AsyncIterator[None]:
        """Surround a statement: a transaction of its own, or a savepoint in the open one.

        Args:
            cursor: it needs a transaction in any case.
        """
        await self._check_snapshot(compiled.sql)
        await self._apply_settings()
        owns = self._state is TransactionState.NONE
        if owns and cursor:
            await self._connection.execute(f"BEGIN ISOLATION LEVEL {_LEVELS[self.isolation]}")
        elif not owns and not self.xact_abort:
            await self._connection.execute(
                f"{'RELEASE guard; ' if self._guarded else ''}SAVEPOINT guard"
            )
            self._guarded = True
        try:
            yield
            if owns and cursor:
                await self._connection.execute("COMMIT")
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            await self._undo_statement(error, owns=owns)
            raise await self._translated(error, compiled.command) from error
        except BaseException:  # cancelled, closed early, or refused by us half-way
            with anyio.CancelScope(shield=True), anyio.move_on_after(CLEANUP_LIMIT_S):
                await self._undo_statement(None, owns=owns)
            raise

    @asynccontextmanager
    async def _definition(self, *, temporary: bool) -> AsyncIterator[None]:
        """Surround a DDL statement; afterwards the catalogs are read again."""
        try:
            async with self._statement(Compiled(sql="", command=0), cursor=True):
                yield
        except BaseException:
            if self._state is TransactionState.NONE:
                self._server.changed()  # cancelled while it committed, it may have been done
            raise
        in_transaction = self._state is not TransactionState.NONE
        await self._catalogs.changed(temporary=temporary, in_transaction=in_transaction)

    async def _undo_statement(self, error: Exception | None, *, owns: bool) -> None:
        """Undo a failed statement, or after a cancelled one (no error) what it may have left.

        A cancelled statement may still be ending: the next command waits for that, so only then
        the state of PostgreSQL's transaction is known.
        """
        whole = isinstance(error, asyncpg.PostgresError) and ends_transaction(error)
        if owns or whole:
            if error is None or self._connection.is_in_transaction():
                await self._connection.execute("ROLLBACK")
            await self._forget_transaction(committed=False)
        elif self._guarded:
            await self._connection.execute("ROLLBACK TO guard")
            await self._after_undo()
        elif self.xact_abort:
            self._state = TransactionState.DOOMED

    async def _translated(self, error: Exception, command: int) -> SqlError:
        if not isinstance(error, asyncpg.PostgresError):
            # asyncpg refuses a value that does not fit its parameter's type
            return SqlError(8114, f"Error converting a parameter: {error}.", state=5)
        failure = Failure(error, command)
        if isinstance(error, asyncpg.PostgresConnectionError) or self._connection.is_closed():
            return SqlError(
                596,
                "Cannot continue the execution because the session is in the kill state.",
                severity=21,
            )
        if gone := dropped(error, self._catalogs.stored):
            return gone
        reader = self._server if self._state is TransactionState.DOOMED else self._connection
        return await translate_failure(
            reader,
            failure,
            spid=self.spid,
            database=self.database,
            snapshot=Isolation.SNAPSHOT in {self._level, self.isolation},
        )

    async def _check_snapshot(self, sql: str) -> None:
        """Raises: SqlError 3952, as soon as a table of a database that forbids it is touched."""
        level = self.isolation if self._state is TransactionState.NONE else self._level
        if level is Isolation.SNAPSHOT and _USER_DATA.search(sql):
            catalog, _ = await self.catalogs()
            if not catalog.allows_snapshot:
                raise snapshot_refused(catalog.database)

    async def _apply_settings(self) -> None:
        if self.lock_timeout_ms != self._applied_lock_timeout_ms:
            # PostgreSQL's 0 waits for ever, SQL Server's does not wait
            limit = 0 if self.lock_timeout_ms < 0 else max(1, self.lock_timeout_ms)
            await self._connection.execute(f"SET lock_timeout = {limit}")
            self._applied_lock_timeout_ms = self.lock_timeout_ms

    async def identity(self, storage_name: str | None) -> int | None:
        """Return the last identity value of the INSERT just run, None when it made none."""
        if storage_name is None:
            return None
        await self.catalogs()
        table = self._catalogs.stored(storage_name)
        if table is None:
            return None
        named = name_key(self.identity_insert or "").rpartition(".")[2].strip("[]")
        explicit = bool(named) and named == name_key(table.name)
        return await last_identity(self._connection, table, explicit=explicit)

    async def _forget_transaction(self, *, committed: bool) -> None:
        self._state = TransactionState.NONE
        self._guarded = False
        self._savepoints.clear()
        if committed:
            self._catalogs.committed()
            self._moved = False
        else:
            self._catalogs.rolled_back()
            await self._after_undo()

    async def _after_undo(self) -> None:
        """Restore what a rollback took with it that T-SQL keeps: settings and the database."""
        self._applied_lock_timeout_ms = None
        await self._catalogs.undone()
        if self._moved:
            catalog = await self._catalogs.find(self.database)
            await self._access.enter(self._connection, catalog)
            self._moved = self._state is not TransactionState.NONE

    async def _drop_temporary(self) -> None:
        if self._catalogs.has_temporary:
            await self._catalogs.drop_temporary()
            await self.use(self.database)


_: type[Storage] = StorageConnection
