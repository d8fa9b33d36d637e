"""How PostgreSQL is driven: a limit on logging in, and one on how long a transaction may sleep."""

from typing import Final

from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from dtaas.store.address import StoreAddress

CONNECT_LIMIT_S: Final = 10
SLEEPER_LIMIT_S: Final = 4
"""The server ends a session that does nothing within a transaction for so long, and its locks.

Ours send one statement after the other: such a daemon sleeps, or its machine has gone.
"""


def postgres_engine(address: StoreAddress, pool_size: int, *, sessions: str) -> AsyncEngine:
    """Return an engine whose sessions the server ends when they sleep within a transaction.

    Args:
        sessions: what the server calls them, so that others can find them.
    """
    engine = create_async_engine(
        address.url,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={
            "timeout": CONNECT_LIMIT_S,
            "server_settings": {"application_name": sessions},
        },
    )
    event.listen(engine.sync_engine, "connect", _on_connect)
    return engine


def _on_connect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # Said after logging in: poolers refuse settings they do not know in the login itself.
    cursor = connection.cursor()
    cursor.execute(f"SET idle_in_transaction_session_timeout = '{SLEEPER_LIMIT_S}s'")
    cursor.close()
    connection.commit()
