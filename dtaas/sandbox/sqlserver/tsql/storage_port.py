"""What the interpreter asks of a session's storage: one connection, one database at a time.

`StorageConnection` implements it. Everything raises `SqlError` only; a failed statement inside a
transaction undoes itself alone (statement-level rollback) unless the error ended the transaction.
Cancelling any call interrupts the storage; afterwards the connection serves the next one.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from enum import IntEnum
from typing import Any, Protocol

from msgspec import Struct

from dtaas.sandbox.sqlserver.catalog import Catalog
from dtaas.sandbox.sqlserver.results import Message
from dtaas.sandbox.sqlserver.tsql.capture_orders import CaptureOrder
from dtaas.sandbox.sqlserver.tsql.compiled import Compiled
from dtaas.sandbox.sqlserver.types import SqlType


class Isolation(IntEnum):
    """Levels, numbered as TM_BEGIN_XACT and `sys.dm_exec_sessions` do (MS-TDS 2.2.7.19)."""

    READ_UNCOMMITTED = 1
    READ_COMMITTED = 2
    REPEATABLE_READ = 3
    SERIALIZABLE = 4
    SNAPSHOT = 5


class TransactionState(IntEnum):
    """XACT_STATE() of the storage's transaction."""

    DOOMED = -1
    NONE = 0
    OPEN = 1


class Argument(Struct, frozen=True):
    """A variable's type and its value in wire form."""

    type: SqlType
    value: Any


class Outcome(Struct, frozen=True, kw_only=True):
    """What a statement without a result set did.

    Attributes:
        rows: rows it touched.
        identity: last identity value it made, None when it made none.
    """

    rows: int
    identity: int | None = None


class Storage(Protocol):
    """A session's connection."""

    spid: int
    database: str
    isolation: Isolation
    """Set by SET TRANSACTION ISOLATION LEVEL; holds from the next statement on."""
    lock_timeout_ms: int
    """-1 waits without limit, 0 does not wait."""
    identity_insert: str | None
    """Table whose identity column takes explicit values, as `schema.name`."""
    xact_abort: bool
    """SET XACT_ABORT: when true, no statement-level rollback is needed."""

    @property
    def transaction(self) -> TransactionState:
        """State of the explicit transaction."""
        ...

    async def catalogs(self) -> tuple[Catalog, Mapping[str, Catalog]]:
        """Return the current database's catalog, fresh, and all by lower-case name."""
        ...

    async def use(self, database: str) -> None:
        """Switch database. Raises: SqlError 911 unknown, 916 no access."""
        ...

    def rows(
        self, compiled: Compiled, arguments: Sequence[Argument]
    ) -> AsyncGenerator[Sequence[Sequence[Any]]]:
        """Run a statement with a result and give its rows in wire form, some thousand at a time.

        DML with OUTPUT too. Close the generator (`aclosing`) to end early.
        """
        ...

    async def execute(self, compiled: Compiled, arguments: Sequence[Argument]) -> Outcome:
        """Run a statement without a result."""
        ...

    async def identity(self, storage_name: str | None) -> int | None:
        """Return the last identity value an INSERT that `rows` ran gave a table, None for none.

        Args:
            storage_name: `sets_identity` of the statement.
        """
        ...

    async def define(self, statement: str) -> Sequence[Message]:
        """Run one DDL statement, as T-SQL text; return its informational messages.

        CREATE, ALTER, DROP of databases, schemas, tables, indexes, views and types, TRUNCATE,
        GRANT, DENY, REVOKE, UPDATE STATISTICS, DBCC.
        """
        ...

    async def capture(self, order: CaptureOrder) -> Sequence[Message]:
        """Enable or disable change data capture; return informational messages."""
        ...

    async def begin(self) -> None:
        """Open a transaction at `isolation`."""
        ...

    async def commit(self) -> None:
        """Commit it."""
        ...

    async def rollback(self) -> None:
        """Roll it back."""
        ...

    async def savepoint(self, name: str) -> None:
        """Set a savepoint; the same name again moves it."""
        ...

    async def rollback_to(self, name: str) -> None:
        """Undo what came after a savepoint. Raises: SqlError 6401 unknown name."""
        ...

    async def reset(self) -> None:
        """Roll back, drop temporary tables, forget the settings above."""
        ...

    async def aclose(self) -> None:
        """Roll back and close. Idempotent."""
        ...
