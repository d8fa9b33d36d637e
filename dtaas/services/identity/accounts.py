"""Logging in and out, and what users do with their own account."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog
from msgspec import Struct

from dtaas.model.errors import (
    ForbiddenError,
    InUseError,
    LoginRefusedError,
    ValidationFailedError,
)
from dtaas.model.identity import AuthKind, Caller, Session, User, UserRole
from dtaas.services.identity.attempts import Attempts
from dtaas.services.identity.authenticator import Authenticator
from dtaas.services.identity.keys import csrf_of, digest_of, new_key
from dtaas.services.identity.passwords import Passwords
from dtaas.settings import AuthSettings
from dtaas.store.user_keys import SessionRepository
from dtaas.store.users import UserDraft, UserRepository

log = structlog.get_logger()

_MINUTE_S: Final = 60.0


class Login(Struct, frozen=True, kw_only=True):
    """A session that was opened.

    Attributes:
        key: what the browser comes back with.
        lasts_s: seconds until it is over.
    """

    user: User
    session_id: int
    key: str
    csrf: str
    lasts_s: int


class From(Struct, frozen=True):
    """Where a request comes from."""

    address: str
    user_agent: str = ""


class AccountService:
    """The use cases of accounts."""

    def __init__(
        self,
        *,
        users: UserRepository,
        sessions: SessionRepository,
        authenticator: Authenticator,
        settings: AuthSettings,
        now: Callable[[], datetime],
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._authenticator = authenticator
        self.passwords: Final = Passwords(settings)
        self.settings: Final = settings
        self._now = now
        self._setup_key: str | None = None
        self._by_address = Attempts(settings.logins_per_minute, _MINUTE_S)
        self._by_name = Attempts(settings.most_failures, settings.lockout_minutes * _MINUTE_S)

    async def announce_setup(self) -> None:
        """Write the one-time token that makes the first admin to the log, while there is none."""
        if not self.settings.enabled or await self._users.count():
            return
        self._setup_key = new_key()
        log.warning(
            "setup_required",
            setup_token=self._setup_key,
            hint="Open the page, or POST /api/auth/setup {token, username, password}; "
            "or run: dtaas admin reset",
        )

    async def setup_required(self) -> bool:
        """Return whether the first admin must still be made."""
        return self.settings.enabled and await self._users.count() == 0

    async def setup(self, token: str, username: str, password: str, where: From) -> Login:
        """Make the first admin and log it in.

        Raises:
            InUseError: there are users already.
            LoginRefusedError: it is not the token in the log.
            TooManyAttemptsError: too many tries.
        """
        self.count_try(where)
        if self._setup_key is None:
            raise InUseError("The first user was made already.", hint="Log in.")
        if not secrets.compare_digest(self._setup_key.encode(), token.encode()):
            raise LoginRefusedError(
                "That is not the setup token.",
                hint="The daemon's log has it, as setup_required.",
                field="$.token",
            )
        hashed = await self.passwords.hashed(password)
        draft = UserDraft(username=username, role=UserRole.ADMIN, password_hash=hashed)
        user = await self._users.create(draft, only_first=True)
        self._setup_key = None
        await self._users.note_login(user.id)
        return await self.open_session(user, where)

    async def login(self, username: str, password: str, where: From) -> Login:
        """Log in with a password.

        Raises:
            LoginRefusedError: wrong name or password, or the account is closed.
            TooManyAttemptsError: too many tries from there, or for that name.
        """
        name = username.lower()
        self.count_try(where)
        self._by_name.check(name)
        self._by_name.note(name)  # before the slow part: tries at the same time count too
        account = await self._users.account(name)
        hashed = account.password_hash if account is not None else None
        fits = await self.passwords.fits(password, hashed)
        if account is None or hashed is None or not fits or not account.user.is_active:
            log.warning("login_refused", username=name, address=where.address)
            raise LoginRefusedError("Wrong user name or password.")
        self._by_name.forget(name)
        renewed = None
        if self.passwords.is_outdated(hashed):
            renewed = await self.passwords.hashed(password)
        await self._users.note_login(account.user.id, renewed)
        return await self.open_session(account.user, where)

    async def open_session(self, user: User, where: From) -> Login:
        """Return a new session of a user who proved to be it."""
        key = new_key()
        lasts = timedelta(hours=self.settings.session_hours)
        session_id = await self._sessions.create(
            user.id,
            digest_of(key),
            address=where.address,
            user_agent=where.user_agent,
            expires_at=self._now() + lasts,
        )
        return Login(
            user=user,
            session_id=session_id,
            key=key,
            csrf=csrf_of(key),
            lasts_s=int(lasts.total_seconds()),
        )

    async def logout(self, caller: Caller) -> None:
        """End the caller's session."""
        if caller.auth is AuthKind.SESSION and caller.key_id is not None:
            await self._sessions.end(caller.key_id, caller.user_id)
            self._authenticator.forget()

    async def change_password(self, caller: Caller, current: str, new: str) -> None:
        """Change the caller's own password; all its other sessions end.

        Raises:
            LoginRefusedError: `current` is not the present one.
            ValidationFailedError: the new one is too short.
            ForbiddenError: the caller is no user of ours.
        """
        user_id = user_of(caller)
        self._by_name.check(caller.username)
        account = await self._users.account(caller.username)
        if account is None or account.password_hash is None:
            raise ForbiddenError("This account has no password here.")
        if not await self.passwords.fits(current, account.password_hash):
            self._by_name.note(caller.username)
            raise ValidationFailedError("That is not the present password.", field="$.current")
        hashed = await self.passwords.hashed(new, field="$.new")
        keep = caller.key_id if caller.auth is AuthKind.SESSION else None
        await self._users.change(user_id, password_hash=hashed, keep_session=keep)
        self._authenticator.forget()

    async def sessions(self, caller: Caller) -> tuple[Session, ...]:
        """Return the caller's sessions."""
        return await self._sessions.of_user(user_of(caller))

    async def sessions_of(self, user_id: int) -> tuple[Session, ...]:
        """Return a user's sessions."""
        await self._users.get(user_id)
        return await self._sessions.of_user(user_id)

    async def end_session(self, session_id: int, user_id: int | None) -> None:
        """End a session of a user, of anybody for None."""
        await self._sessions.end(session_id, user_id)
        self._authenticator.forget()

    async def reset(self, caller: Caller, username: str) -> str:
        """Make a user an active admin with a new password, and return that.

        The way back in for whoever owns the machine.

        Raises:
            ForbiddenError: the caller is neither root nor the daemon's user at the socket.
        """
        if not caller.owner:
            raise ForbiddenError(
                "Only root and the user of the daemon may do this, at the admin socket.",
                hint="Run: sudo dtaas admin reset",
            )
        password = new_key()
        hashed = await self.passwords.hashed(password)
        account = await self._users.account(username)
        if account is None:
            draft = UserDraft(username=username, role=UserRole.ADMIN, password_hash=hashed)
            await self._users.create(draft)
        else:
            await self._users.change(
                account.user.id, role=UserRole.ADMIN, is_active=True, password_hash=hashed
            )
        self._setup_key = None
        self._by_name.forget(username.lower())
        self._authenticator.forget()
        return password

    def count_try(self, where: From) -> None:
        """Count a try to log in, or raise TooManyAttemptsError."""
        self._by_address.check(where.address)
        self._by_address.note(where.address)


def user_of(caller: Caller) -> int:
    """Return the caller's user, or raise ForbiddenError when it is none."""
    if caller.user_id is None:
        raise ForbiddenError(
            "This is about a user's own account, and nobody is logged in.",
            hint="Log in as a user.",
        )
    return caller.user_id
