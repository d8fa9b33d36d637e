"""Who a key belongs to. Asked with every request, so the answer is remembered for seconds."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from anyio import current_time

from dtaas.model.identity import AuthKind, Caller, Role, UserRole
from dtaas.services.identity.access_tokens import AccessTokens
from dtaas.services.identity.keys import TOKEN_PREFIX, csrf_of, digest_of
from dtaas.settings import AuthSettings
from dtaas.store.user_keys import Holder, SessionRepository, TokenRepository

REMEMBERED_S: Final = 5.0
"""Another daemon on the same database learns of a revoked key within this time."""
_MOST_REMEMBERED: Final = 10_000
_TOUCH_EVERY: Final = timedelta(minutes=1)

ANYBODY: Final = Caller(username="anybody", role=Role.ADMIN, auth=AuthKind.OFF)
"""Whoever asks while users are not told apart."""


class Authenticator:
    """Turns keys into callers."""

    def __init__(
        self,
        sessions: SessionRepository,
        tokens: TokenRepository,
        access: AccessTokens,
        settings: AuthSettings,
        now: Callable[[], datetime],
    ) -> None:
        self._sessions = sessions
        self._tokens = tokens
        self._access = access
        self._idle = timedelta(minutes=settings.idle_minutes)
        self._now = now
        self.enabled: Final = settings.enabled
        self.socket_role: Final = Role(settings.socket_role)
        self._known: dict[str, tuple[Caller, float]] = {}

    async def by_session(self, key: str) -> Caller | None:
        """Return the caller of a session, None when it is over."""
        digest = digest_of(key)
        known = self._recall(digest)
        if known is not None:
            return known
        holder = await self._sessions.holder(digest, self._now() - self._idle)
        if holder is None:
            return None
        if self._is_stale(holder):
            await self._sessions.touch(holder.key_id)
        return self._remember(digest, _caller(holder, AuthKind.SESSION, csrf_of(key)))

    async def by_bearer(self, text: str) -> Caller | None:
        """Return the caller of an API or access token, None when it is not valid any more."""
        digest = digest_of(text)
        known = self._recall(digest)
        if known is not None:
            return known
        holder = await self._holder(text, digest)
        if holder is None:
            return None
        if self._is_stale(holder):
            await self._tokens.touch(holder.key_id)
        return self._remember(digest, _caller(holder, AuthKind.TOKEN))

    def forget(self) -> None:
        """Ask the store again, for something about users or keys has changed."""
        self._known.clear()

    async def _holder(self, text: str, digest: str) -> Holder | None:
        if text.startswith(TOKEN_PREFIX):
            return await self._tokens.holder(digest)
        token_id = self._access.token_id(text)
        return None if token_id is None else await self._tokens.holder_of_id(token_id)

    def _is_stale(self, holder: Holder) -> bool:
        return holder.used_at is None or self._now() - holder.used_at > _TOUCH_EVERY

    def _recall(self, digest: str) -> Caller | None:
        caller, until = self._known.get(digest, (None, 0.0))
        return caller if until > current_time() else None

    def _remember(self, digest: str, caller: Caller) -> Caller:
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[digest] = (caller, current_time() + REMEMBERED_S)
        return caller


def _caller(holder: Holder, auth: AuthKind, csrf: str = "") -> Caller:
    return Caller(
        user_id=holder.user_id,
        username=holder.username,
        role=lesser(holder.role, holder.key_role or holder.role),
        auth=auth,
        key_id=holder.key_id,
        csrf=csrf,
    )


def lesser(one: UserRole, other: UserRole) -> Role:
    """Return the role that may do less."""
    return one.role if other.role.allows(one.role) else other.role
