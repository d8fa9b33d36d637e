"""Routes of logins and sessions."""

from typing import Any

from fakesnow.transforms import SERVER_VERSION

from dtaas.sandbox.snowflake.account import Account
from dtaas.sandbox.snowflake.credentials import LoginError, User
from dtaas.sandbox.snowflake.engine.errors import StatementError
from dtaas.sandbox.snowflake.engine.names import fold
from dtaas.sandbox.snowflake.engine.session import Session
from dtaas.sandbox.snowflake.http.asgi import Reply, Request, failure, success
from dtaas.sandbox.snowflake.logins import Login


class Sessions:
    """What `/session…` answers."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def login(self, request: Request) -> Reply:
        """Check the credentials and open a session."""
        given: dict[str, Any] = (await request.json()).get("data") or {}
        try:
            name, user = self._account.users.check(given)
        except LoginError as error:
            method = given.get("AUTHENTICATOR") or "USERNAME_PASSWORD"
            told = {"nextAction": "RETRY_LOGIN", "authnMethod": method}
            return failure(error.code, error.message, told)
        session = await self._account.blocking(self._open, name, user, given, request.query)
        login = self._account.logins.open(session)
        return success(self._told(login))

    async def renew(self, request: Request) -> Reply:
        """Give a session new tokens for its master token."""
        await request.json()
        login = self._account.logins.renew(request.token)
        return success(self._tokens(login))

    async def session(self, request: Request) -> Reply:
        """End a session, or hear that it lives."""
        login = self._account.logins.find(request.token)
        if request.query.get("delete"):
            self._account.logins.close(login)
            await self._account.close_session(login.session)
        return success(None)

    async def heartbeat(self, request: Request) -> Reply:
        """Hear that a session lives."""
        self._account.logins.find(request.token)
        return success(None)

    def _open(self, name: str, user: User, given: dict[str, Any], query: dict[str, str]) -> Session:
        parameters = {k: str(v) for k, v in (given.get("SESSION_PARAMETERS") or {}).items()}
        session = Session(self._account.store, self._account.logins.next_id(), name, parameters)
        warehouse = query.get("warehouse") or user.default_warehouse
        session.warehouse = fold(warehouse) if warehouse else None
        role = query.get("roleName") or user.default_role
        session.role = fold(role) if role else "SYSADMIN"
        database = query.get("databaseName")
        schema = query.get("schemaName")
        if database:
            try:
                session.use(fold(database), fold(schema) if schema else None)
            except StatementError:
                # Snowflake logs in all the same; the session then has no current database.
                session.forget_current(fold(database))
        return session

    def _told(self, login: Login) -> dict[str, Any]:
        session = login.session
        parameters = {
            "AUTOCOMMIT": session.autocommit,
            "CLIENT_SESSION_KEEP_ALIVE": False,
            "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY": 3600,
            "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD": 0,  # arrays come with the statement, unstaged
            "TIMEZONE": session.parameters.get("TIMEZONE", "UTC"),
        }
        return {
            **self._tokens(login),
            "token": login.token,
            "validityInSeconds": int(self._account.logins.session_valid_s),
            "masterValidityInSeconds": int(self._account.logins.master_valid_s),
            "displayUserName": session.user,
            "serverVersion": SERVER_VERSION,
            "firstLogin": False,
            "parameters": [{"name": k, "value": v} for k, v in parameters.items()],
            "sessionInfo": {
                "databaseName": session.database,
                "schemaName": session.schema,
                "warehouseName": session.warehouse,
                "roleName": session.role,
            },
        }

    def _tokens(self, login: Login) -> dict[str, Any]:
        return {
            "sessionToken": login.token,
            "masterToken": login.master_token,
            "validityInSecondsST": int(self._account.logins.session_valid_s),
            "validityInSecondsMT": int(self._account.logins.master_valid_s),
            "sessionId": login.session.id,
        }
