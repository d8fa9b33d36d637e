"""API tokens of machines."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Final

from msgspec import Meta, Struct

from dtaas.model.errors import ForbiddenError, NotAuthenticatedError
from dtaas.model.identity import ApiToken, AuthKind, Caller, Role, UserRole
from dtaas.services.identity.access_tokens import AccessTokens
from dtaas.services.identity.accounts import user_of
from dtaas.services.identity.authenticator import Authenticator
from dtaas.services.identity.keys import TOKEN_PREFIX, digest_of, new_key
from dtaas.store.page import Page, Window
from dtaas.store.user_keys import TokenRepository

_SHOWN: Final = len(TOKEN_PREFIX) + 6


class TokenSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new API token.

    Attributes:
        role: the most it may do.
        expires_in_days: null lets it last for ever.
    """

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    role: UserRole = UserRole.VIEWER
    expires_in_days: Annotated[int, Meta(ge=1, le=3650)] | None = 90


class NewToken(Struct, frozen=True, kw_only=True):
    """An API token with what it is made of, shown this once."""

    token: str
    info: ApiToken


class TokenService:
    """The use cases of API tokens: everybody has their own, admins see all."""

    def __init__(
        self,
        tokens: TokenRepository,
        access: AccessTokens,
        authenticator: Authenticator,
        now: Callable[[], datetime],
    ) -> None:
        self._tokens = tokens
        self._access = access
        self._authenticator = authenticator
        self._now = now

    async def create(self, caller: Caller, spec: TokenSpec) -> NewToken:
        """Make a token.

        Raises:
            ForbiddenError: it could do more than the caller, or the caller is no user.
        """
        if not caller.role.allows(spec.role.role):
            raise ForbiddenError(f"Your own role is {caller.role}.", field="$.role")
        key = new_key(TOKEN_PREFIX)
        days = spec.expires_in_days
        info = await self._tokens.create(
            user_of(caller),
            name=spec.name,
            role=spec.role,
            start=key[:_SHOWN],
            digest=digest_of(key),
            expires_at=None if days is None else self._now() + timedelta(days=days),
        )
        return NewToken(token=key, info=info)

    async def list(self, caller: Caller, window: Window) -> Page[ApiToken]:
        """Return a page of the caller's tokens; of everybody's for an admin."""
        return await self._tokens.list(window, _whose(caller))

    async def get(self, caller: Caller, token_id: int) -> ApiToken:
        """Return a token the caller may see, or raise NotFoundError."""
        return await self._tokens.get(token_id, _whose(caller))

    async def revoke(self, caller: Caller, token_id: int) -> None:
        """Remove a token: what comes in with it is refused from now on."""
        await self._tokens.delete(token_id, _whose(caller))
        self._authenticator.forget()

    def exchange(self, caller: Caller) -> tuple[str, int]:
        """Return an access token for whoever came with an API token, and its seconds.

        Raises:
            NotAuthenticatedError: the caller came another way.
        """
        if caller.auth is not AuthKind.TOKEN or caller.key_id is None:
            raise NotAuthenticatedError(
                "An access token is given for an API token.",
                hint="Send it as Authorization: Bearer dtaas_…",
            )
        lasts_s = int(self._access.lasts.total_seconds())
        return self._access.issue(caller.key_id, caller.username), lasts_s


def _whose(caller: Caller) -> int | None:
    return None if caller.role is Role.ADMIN else user_of(caller)
