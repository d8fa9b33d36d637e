"""The simulated server behind the wire: logins, their rights, and sessions."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from itertools import count
from typing import Final, Self

import pyarrow as pa

from dtaas.concurrency.blocking import Blocking
from dtaas.sandbox.postgres import PostgresServer
from dtaas.sandbox.sqlserver.results import Engine, Session, SqlError
from dtaas.sandbox.sqlserver.storage.access import Access, role_name
from dtaas.sandbox.sqlserver.storage.capture.process import CaptureProcess
from dtaas.sandbox.sqlserver.storage.catalog import name_key
from dtaas.sandbox.sqlserver.storage.connection import StorageConnection
from dtaas.sandbox.sqlserver.storage.fill import fill_table
from dtaas.sandbox.sqlserver.storage.install import CARRIER, install
from dtaas.sandbox.sqlserver.storage.server import StorageServer
from dtaas.sandbox.sqlserver.storage.temporary import drop_abandoned
from dtaas.sandbox.sqlserver.tsql.context import Client
from dtaas.sandbox.sqlserver.tsql.session import SqlSession

SERVER_NAME: Final = "DTAAS-SANDBOX"
_FIRST_SPID: Final = 51
_SALT_BYTES: Final = 16
_HASH_ROUNDS: Final = 10_000


class SimulatedEngine:
    """Implements `results.Engine` on the databases of one PostgreSQL server."""

    def __init__(self, storage: StorageServer, server_name: str) -> None:
        self.server_name = server_name
        self._storage = storage
        self._spids = count(_FIRST_SPID)
        self._blocking = Blocking(1)
        self.capture = CaptureProcess(storage)

    @classmethod
    async def open(
        cls, postgres: PostgresServer, *, password: str, server_name: str = SERVER_NAME
    ) -> Self:
        """Install what is missing, and let `sa` in with `password`.

        Raises:
            FatalError: the data were made by another version of the sandbox.
        """
        await install(postgres.url(), postgres.url(CARRIER))
        engine = cls(StorageServer(postgres.url(CARRIER), server_name), server_name)
        connection = await engine._storage.connect(login="sa", spid=0, restricted=False)
        try:
            await drop_abandoned(connection)
        finally:
            await connection.close()
        await engine.create_login("sa", password, sysadmin=True)
        await engine.set_clock(0)
        return engine

    async def login(
        self, *, user: str, password: str | None, database: str, application: str, host: str
    ) -> Session:
        """Open a session; without a password for a login an access token vouches for.

        Raises:
            SqlError: 18456 wrong user or password, 4060 database does not exist or is closed to
                the login.
        """
        access = await self._access(user, password)
        connection = await self.connect(access)
        try:
            await connection.use(database or "master")
        except SqlError as error:
            await connection.aclose()
            raise SqlError(
                4060,
                f'Cannot open database "{database}" requested by the login. The login failed.',
                severity=11,
            ) from error
        client = Client(
            server_name=self.server_name, login=access.login, application=application, host=host
        )
        return SqlSession(connection, client)

    async def connect(self, access: Access) -> StorageConnection:
        """Open a storage connection on master."""
        spid = next(self._spids)
        carrier = await self._storage.connect(
            login=access.login, spid=spid, restricted=not access.sysadmin
        )
        return StorageConnection(self._storage, carrier, spid, access)

    async def create_login(self, name: str, password: str, *, sysadmin: bool = False) -> None:
        """Add a login, or change its password."""
        salt = secrets.token_bytes(_SALT_BYTES)
        hashed = await self._hash(password, salt)
        principal_id = await self._storage.fetchval(
            "INSERT INTO meta.logins (name, salt, password_hash, is_sysadmin)"
            " VALUES ($1, $2, $3, $4) ON CONFLICT (store.name_key(name)) DO UPDATE"
            " SET salt = $2, password_hash = $3, is_sysadmin = $4 RETURNING principal_id",
            name,
            salt,
            hashed,
            sysadmin,
        )
        role = role_name(principal_id)
        known = await self._storage.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
        if not known:
            await self._storage.fetchval(f"CREATE ROLE {role} NOLOGIN")

    async def create_user(self, login: str, database: str, *, owner: bool = False) -> None:
        """Let a login into a database, as db_owner or with what `GRANT` gives it.

        Raises:
            SqlError: 15151 no such login, 911 no such database.
        """
        principal_id = await self._storage.fetchval(
            "SELECT principal_id FROM meta.logins WHERE store.name_key(name) = $1", name_key(login)
        )
        if principal_id is None:
            raise SqlError(
                15151,
                f"Cannot find the login '{login}', because it does not exist or you do not have "
                "permission.",
            )
        database_id = await self._storage.fetchval("SELECT meta.db_id($1)::int", database)
        if database_id is None:
            raise SqlError(911, f"Database '{database}' does not exist.")
        await self._storage.fetchval(
            "INSERT INTO meta.users VALUES ($1, $2, $3) ON CONFLICT (database_id, principal_id)"
            " DO UPDATE SET is_owner = $3",
            database_id,
            principal_id,
            owner,
        )

    async def bulk_fill(
        self, database: str, schema: str, table: str, batches: Iterable[pa.RecordBatch]
    ) -> int:
        """Put Arrow batches into an existing table, all or none, and return the rows.

        Batches come with the table's column names, in any order; values must fit its types.

        Raises:
            SqlError: 208 no such table; constraint errors; 8114 a value or column does not fit.
        """
        return await fill_table(self._storage, database, schema, table, batches)

    async def new_recovery_fork(self, database: str) -> None:
        """Change the identity of a database's log, as a restore does."""
        await self._storage.fetchval(
            "UPDATE meta.databases SET recovery_fork = gen_random_uuid()"
            " WHERE store.name_key(name) = $1",
            name_key(database),
        )

    async def set_clock(self, ahead_s: int) -> None:
        """Set the server's clock so far ahead of this machine's, behind it when negative."""
        await self._storage.fetchval(
            "CREATE OR REPLACE FUNCTION store.clock_ahead_s() RETURNS int"
            f" STABLE PARALLEL SAFE LANGUAGE sql RETURN {ahead_s:d}"
        )

    async def aclose(self) -> None:
        """Close what the engine itself keeps open; sessions close themselves."""
        await self._storage.aclose()

    async def _access(self, user: str, password: str | None) -> Access:
        record = await self._storage.fetchrow(
            "SELECT principal_id, name, salt, password_hash, is_sysadmin, is_disabled"
            " FROM meta.logins WHERE store.name_key(name) = $1",
            name_key(user),
        )
        # an unknown user costs the same time as a wrong password
        salt = record["salt"] if record else bytes(_SALT_BYTES)
        known = password is None
        if password is not None:
            hashed = await self._hash(password, salt)
            known = record is not None and hmac.compare_digest(hashed, record["password_hash"])
        if record is None or record["is_disabled"] or not known:
            raise SqlError(18456, f"Login failed for user '{user}'.", severity=14)
        return Access(
            login=record["name"],
            principal_id=record["principal_id"],
            sysadmin=record["is_sysadmin"],
        )

    async def _hash(self, password: str, salt: bytes) -> bytes:
        return await self._blocking(
            hashlib.pbkdf2_hmac, "sha256", password.encode("utf-16-le"), salt, _HASH_ROUNDS
        )


_: type[Engine] = SimulatedEngine
