"""How SQLite is driven: pragmas, explicit transactions, and a limit on every statement."""

from time import monotonic
from typing import Any, Final, cast

from sqlalchemy import AdaptedConnection, Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from dtaas.store.address import StoreAddress
from dtaas.store.sqlite_driver import StatementConnection, connect

BUSY_LIMIT_S: Final = 3.0
WRITES: Final = "dtaas_writes"
"""Execution option of a transaction: true when it may write, the default."""
LIMIT_S: Final = "dtaas_limit_s"
"""Execution option of a transaction: seconds after which its statements are interrupted."""
_DEADLINE: Final = "dtaas_deadline"
_STEPS_BETWEEN_LOOKS: Final = 20_000


class _Deadline:
    """When the transaction of a connection must end. Asked from the driver's thread."""

    def __init__(self) -> None:
        self.at_s = float("inf")

    def passed(self) -> bool:
        return monotonic() > self.at_s


def sqlite_engine(address: StoreAddress, pool_size: int) -> AsyncEngine:
    """Return an engine whose transactions are explicit, durable and limited in time."""
    engine = create_async_engine(
        address.url,
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"timeout": BUSY_LIMIT_S, "async_creator_fn": connect},
        pool_reset_on_return=None,  # done by _on_reset
    )
    event.listen(engine.sync_engine, "connect", _on_connect)
    event.listen(engine.sync_engine, "begin", _on_begin)
    event.listen(engine.sync_engine, "reset", _on_reset)
    return engine


def _on_connect(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    # The driver would begin transactions late and commit before DDL; we say BEGIN ourselves.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
    # A thread cannot be cancelled: a statement that runs too long must be interrupted from within,
    # or its transaction would hold the write lock for ever.
    deadline = record.info[_DEADLINE] = _Deadline()
    cast("AdaptedConnection", connection).run_async(
        lambda driver: driver.set_progress_handler(deadline.passed, _STEPS_BETWEEN_LOOKS)
    )


def _on_begin(connection: Connection) -> None:
    options: dict[str, Any] = dict(connection.get_execution_options())
    connection.info[_DEADLINE].at_s = monotonic() + options.get(LIMIT_S, float("inf"))
    # A reader that turns writer in mid-transaction cannot wait for its turn: SQLITE_BUSY at once.
    statement = "BEGIN IMMEDIATE" if options.get(WRITES, True) else "BEGIN"
    adapted = cast("AdaptedConnection", connection.connection.dbapi_connection)
    cast("StatementConnection", adapted.driver_connection).begin(statement)


def _on_reset(connection: DBAPIConnection, record: ConnectionPoolEntry, state: Any) -> None:
    record.info[_DEADLINE].at_s = float("inf")
    if not state.terminate_only:
        connection.rollback()
