"""The running account: its store, users, sessions, faults, and what was said to it."""

from collections import deque
from pathlib import Path
from typing import Any, Final

from anyio.abc import TaskGroup

from dtaas.concurrency.blocking import Blocking
from dtaas.sandbox.snowflake.credentials import User, Users
from dtaas.sandbox.snowflake.engine.session import Session
from dtaas.sandbox.snowflake.engine.store import Store
from dtaas.sandbox.snowflake.faults import Faults
from dtaas.sandbox.snowflake.logins import Logins
from dtaas.sandbox.snowflake.said import Said

THREADS: Final = 64  # a statement that waits for a lock occupies one
_KEPT: Final = 20_000


class Account:
    """Everything the routes share."""

    def __init__(self, folder: Path, group: TaskGroup) -> None:
        self.store = Store(folder)
        self.users = Users(folder / "users.json")
        self.logins = Logins()
        self.faults = Faults()
        self.log: deque[Said] = deque(maxlen=_KEPT)
        self.blocking = Blocking(THREADS)
        self.group = group

    def with_users(self, users: dict[str, User]) -> "Account":
        """Let these log in too."""
        self.users.put(users)
        return self

    async def close_session(self, session: Session) -> None:
        """Undo what a session left open."""
        session.cancel()
        await self.blocking(session.close)

    def described(self) -> list[dict[str, Any]]:
        """Return what is known of the open sessions."""
        return [
            {
                "session": session.id,
                "user": session.user,
                "role": session.role,
                "warehouse": session.warehouse,
                "database": session.database,
                "schema": session.schema,
                "parameters": session.parameters,
                "transaction": session.transaction,
                "transaction_name": session.transaction_name,
                "temporary_tables": [str(name) for name in session.temporary],
            }
            for session in self.logins.sessions
        ]
