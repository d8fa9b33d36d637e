"""What a login may do. PostgreSQL enforces it: each restricted login has a role of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from msgspec import Struct

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.catalog import DatabaseCatalog

_OPEN_TO_GUESTS: Final = frozenset({1, 2, 4})
"""master, tempdb and msdb let every login in."""


class Access(Struct, frozen=True, kw_only=True):
    """A login, checked.

    Attributes:
        principal_id: of its row in meta.logins.
        sysadmin: may do everything.
    """

    login: str
    principal_id: int
    sysadmin: bool

    @property
    def role(self) -> str:
        """Its role in PostgreSQL."""
        return role_name(self.principal_id)

    async def owns(self, connection: asyncpg.Connection, database_id: int) -> bool:
        """Tell whether it is sysadmin or db_owner there."""
        if self.sysadmin:
            return True
        found = await connection.fetchval(
            "SELECT is_owner FROM meta.users WHERE database_id = $1 AND principal_id = $2",
            database_id,
            self.principal_id,
        )
        return bool(found)

    async def enter(self, connection: asyncpg.Connection, database: DatabaseCatalog) -> None:
        """Make a database current.

        Raises:
            SqlError: 916 the login is no user there.
        """
        role = "RESET ROLE"
        if not self.sysadmin:
            user = await connection.fetchrow(
                "SELECT is_owner FROM meta.users WHERE database_id = $1 AND principal_id = $2",
                database.database_id,
                self.principal_id,
            )
            if user is None and database.database_id not in _OPEN_TO_GUESTS:
                raise SqlError(
                    916,
                    f'The server principal "{self.login}" is not able to access the database '
                    f'"{database.database}" under the current security context.',
                    severity=14,
                    state=2,
                )
            if user is None or not user["is_owner"]:
                role = f"SET ROLE {self.role}"
        await connection.execute(f"SET store.database_id = {database.database_id}; {role}")

    @asynccontextmanager
    async def as_owner(
        self,
        connection: asyncpg.Connection,
        database: DatabaseCatalog,
        action: str,
        *,
        temporary: bool,
    ) -> AsyncIterator[None]:
        """Lift the restrictions for a DDL statement the login may run.

        Args:
            action: what it does, such as CREATE TABLE, for the error.
            temporary: it is about a #table, which everybody may have.

        Raises:
            SqlError: 262 the login may not.
        """
        if await self.owns(connection, database.database_id):
            yield
            return
        if not temporary:
            raise SqlError(
                262, f"{action} permission denied in database '{database.database}'.", severity=14
            )
        await connection.execute("SET LOCAL ROLE NONE")
        yield
        await connection.execute(f"SET LOCAL ROLE {self.role}")


def role_name(principal_id: int) -> str:
    """Return the name of a login's role in PostgreSQL."""
    return f"login_{principal_id}"
