"""A session: its defaults, parameters, transaction and temporary objects."""

import threading
import time
from collections import OrderedDict
from contextlib import suppress
from itertools import count
from typing import Any, Final

import duckdb
from fakesnow.conn import FakeSnowflakeConnection

from dtaas.sandbox.snowflake.engine.errors import StatementError, aborted, missing
from dtaas.sandbox.snowflake.engine.formats import MACROS
from dtaas.sandbox.snowflake.engine.names import Name, literal, quoted, resolve
from dtaas.sandbox.snowflake.engine.store import Store

LOCK_TIMEOUT_S: Final = 43_200.0
_KEPT_RESULTS: Final = 20


class _RecentResults(OrderedDict[str, tuple[Any, ...]]):
    """fakesnow keeps every result for ever; RESULT_SCAN needs a few."""

    def __setitem__(self, key: str, value: tuple[Any, ...]) -> None:
        super().__setitem__(key, value)
        while len(self) > _KEPT_RESULTS:
            self.popitem(last=False)


class Session:
    """One login. One statement runs at a time, in a worker thread.

    Attributes:
        parameters: of the session, names in upper case, values as given.
        temporary: temporary tables by full name, and what they are called in DuckDB.
        transaction: number of the open transaction, None outside of one.
    """

    _transactions = count(time.time_ns() // 1_000_000)

    def __init__(
        self, store: Store, session_id: int, user: str, parameters: dict[str, str]
    ) -> None:
        self.store = store
        self.id = session_id
        self.user = user
        self.parameters = parameters
        self.warehouse: str | None = None
        self.role: str = "SYSADMIN"
        self.temporary: dict[Name, str] = {}
        self.temporary_stages: set[Name] = set()
        self.transaction: int | None = None
        self.transaction_name = ""
        self.transaction_began = 0.0
        self.last_query_id: str | None = None
        self.lock = threading.Lock()
        self.duck: duckdb.DuckDBPyConnection = store.connect()
        self.duck.execute(MACROS)
        self.fake = FakeSnowflakeConnection(
            self.duck, _RecentResults(), create_database=False, create_schema=False
        )
        self.fake.db_path = store.databases_folder
        self._cancelled = threading.Event()
        self.set_parameters(parameters)
        store.sessions[session_id] = self

    @property
    def database(self) -> str | None:
        """The current database."""
        return self.fake.database

    @property
    def schema(self) -> str | None:
        """The current schema."""
        return self.fake.schema

    @property
    def autocommit(self) -> bool:
        """Whether a statement outside of BEGIN is a transaction of its own."""
        return self.parameters.get("AUTOCOMMIT", "true").lower() != "false"

    @property
    def lock_timeout_s(self) -> float:
        """How long a statement waits for a lock, in seconds."""
        return float(self.parameters.get("LOCK_TIMEOUT", LOCK_TIMEOUT_S))

    def name(self, text: str) -> Name:
        """Return the full name an identifier stands for."""
        return resolve(text, self.database, self.schema)

    def use(self, database: str | None, schema: str | None) -> None:
        """Make a database and schema the current ones.

        Raises:
            StatementError: 2043, there is no such database or schema.
        """
        if database is None or database not in self.store.databases():
            raise missing("Database", str(database))
        # Snowflake falls back to PUBLIC and then to no schema at all.
        wanted = schema or ("PUBLIC" if "PUBLIC" in self.store.schemas(database) else None)
        if wanted is not None:
            known = [*self.store.schemas(database), "INFORMATION_SCHEMA"]
            if wanted not in known:
                raise missing("Schema", f"{database}.{wanted}")
        hidden = "_fs_information_schema" if wanted == "INFORMATION_SCHEMA" else wanted
        self.duck.execute(f"USE {quoted(database)}.{quoted(hidden or 'main')}")
        self.fake.database, self.fake.database_set = database, True
        self.fake._schema = "_FS_INFORMATION_SCHEMA" if hidden != wanted else wanted  # noqa: SLF001
        self.fake.schema_set = wanted is not None

    def forget_current(self, database: str, schema: str | None = None) -> None:
        """Have no current schema (or database) any more when it is the one that was dropped."""
        if self.database != database or schema not in (None, self.schema):
            return
        self.fake._schema, self.fake.schema_set = None, False  # noqa: SLF001
        if schema is None:
            self.duck.execute("USE memory.main")
            self.fake.database, self.fake.database_set = None, False

    def set_parameters(self, given: dict[str, str]) -> None:
        """Set parameters of the session."""
        self.parameters.update({name.upper(): str(value) for name, value in given.items()})
        zone = given.get("TIMEZONE")
        if zone:
            self.duck.execute(f"SET TimeZone = {literal(zone)}")

    def begin(self, name: str = "") -> None:
        """Open a transaction; nothing happens inside of one."""
        if self.transaction is None:
            self.duck.begin()
            self.transaction = next(Session._transactions)
            self.transaction_name = name
            self.transaction_began = time.time()

    def commit(self) -> None:
        """Commit the open transaction, if any."""
        if self.transaction is not None:
            if self.is_spoilt():
                self.rollback()  # DuckDB would do just this, and say nothing
                raise StatementError(
                    90232, "25000", "The transaction failed earlier and was rolled back."
                )
            try:
                self.duck.commit()
            finally:
                self._end_transaction()

    def rollback(self) -> None:
        """Undo the open transaction, if any."""
        if self.transaction is not None:
            try:
                self.duck.rollback()
            finally:
                self._end_transaction()

    def spoil(self) -> None:
        """Leave nothing but ROLLBACK to the open transaction."""
        with suppress(duckdb.Error):
            self.duck.execute("SELECT error('spoilt')").fetchall()

    def is_spoilt(self) -> bool:
        """Whether an error has left nothing but ROLLBACK to the open transaction."""
        try:
            self.duck.execute("SELECT 1").fetchall()
        except duckdb.Error:
            return True
        return False

    def take_lock(self, table: Name) -> None:
        """Wait for the lock of a table that outlives this session."""
        if table not in self.temporary:
            self.store.locks.acquire(
                table, self.id, limit_s=self.lock_timeout_s, cancelled=self._cancelled.is_set
            )

    def start_statement(self, cancelled: threading.Event) -> None:
        """Begin a statement that `cancelled` may end.

        Raises:
            StatementError: 604, it was cancelled before it began.
        """
        self._cancelled = cancelled
        self.raise_if_cancelled()

    def cancel(self) -> None:
        """End the running statement, from any thread."""
        self._cancelled.set()
        self.duck.interrupt()

    def interrupt(self, cancelled: threading.Event) -> None:
        """Interrupt the statement that began with `cancelled`, if it is the one that runs."""
        if self._cancelled is cancelled:
            self.duck.interrupt()

    def wait_or_cancelled(self, seconds: float) -> None:
        """Wait; raise error 604 when somebody cancels the running statement meanwhile."""
        if self._cancelled.wait(seconds):
            raise aborted()

    def raise_if_cancelled(self) -> None:
        """Raise error 604 when somebody cancelled the running statement."""
        if self._cancelled.is_set():
            raise aborted()

    def close(self) -> None:
        """Undo what is open, and remove what was temporary."""
        with self.lock:
            self.rollback()
            self.store.sessions.pop(self.id, None)
            self.store.locks.release(self.id)
            for stage in self.temporary_stages:
                self.store.stages.drop(stage)
            self.duck.close()

    def _end_transaction(self) -> None:
        self.transaction = None
        self.transaction_name = ""
        self.store.locks.release(self.id)
