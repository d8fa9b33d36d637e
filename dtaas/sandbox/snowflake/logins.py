"""Sessions by their tokens."""

import secrets
import time
from itertools import count

from msgspec import Struct

from dtaas.sandbox.snowflake.credentials import LoginError
from dtaas.sandbox.snowflake.engine.session import Session

SESSION_VALID_S = 3600.0
MASTER_VALID_S = 14_400.0


class Login(Struct, kw_only=True):
    """One session, and the tokens that name it. Ends are in seconds of the monotonic clock."""

    session: Session
    token: str
    master_token: str
    token_ends: float
    master_ends: float


class Logins:
    """The open sessions of the account.

    Attributes:
        session_valid_s: how long the next tokens are valid.
        master_valid_s: how long they may be renewed.
    """

    def __init__(self) -> None:
        self.session_valid_s = SESSION_VALID_S
        self.master_valid_s = MASTER_VALID_S
        self._ids = count(time.time_ns() // 1_000)
        self._by_token: dict[str, Login] = {}
        self._by_master: dict[str, Login] = {}

    def next_id(self) -> int:
        """Return the number of the next session; numbers do not come again after a restart."""
        return next(self._ids)

    def open(self, session: Session) -> Login:
        """Give a session its first tokens."""
        login = Login(session=session, token="", master_token="", token_ends=0, master_ends=0)
        self._issue(login)
        return login

    def find(self, token: str | None) -> Login:
        """Return the session a token names.

        Raises:
            LoginError: 390104, there is none; 390112, the token is too old and may be renewed.
        """
        if token is None:
            raise LoginError("390103", "Session token not found in the request data.")
        login = self._by_token.get(token)
        if login is None:
            raise LoginError("390104", "User must login again to access the service.")
        if time.monotonic() >= login.token_ends:
            raise LoginError("390112", "Your session has expired. Please login again.")
        return login

    def renew(self, master_token: str | None) -> Login:
        """Give a session new tokens.

        Raises:
            LoginError: 390114, the master token is too old; 390113, there is no such token.
        """
        login = self._by_master.get(master_token or "")
        if login is None:
            raise LoginError("390113", "Master token is not found. Please log in again.")
        if time.monotonic() >= login.master_ends:
            raise LoginError("390114", "Authentication token has expired. Please log in again.")
        self._forget(login)
        self._issue(login)
        return login

    def close(self, login: Login) -> None:
        """Forget a session's tokens; the caller closes the session."""
        self._forget(login)

    def expire(self, *, master: bool = False, session: Session | None = None) -> None:
        """Let tokens be too old from now on: of one session, or of all."""
        for login in self._by_token.values():
            if session is None or login.session is session:
                login.token_ends = 0.0
                if master:
                    login.master_ends = 0.0

    @property
    def sessions(self) -> list[Session]:
        """The open sessions."""
        return [login.session for login in self._by_token.values()]

    def _issue(self, login: Login) -> None:
        now = time.monotonic()
        login.token, login.master_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        login.token_ends = now + self.session_valid_s
        login.master_ends = now + self.master_valid_s
        self._by_token[login.token] = login
        self._by_master[login.master_token] = login

    def _forget(self, login: Login) -> None:
        self._by_token.pop(login.token, None)
        self._by_master.pop(login.master_token, None)
