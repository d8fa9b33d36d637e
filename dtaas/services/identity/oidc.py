"""Logging in through an identity provider: OpenID Connect, code flow with PKCE, state and nonce.

What a login under way must remember travels in a sealed cookie, so that any daemon behind a proxy
can finish what another began, and nobody else's browser can.
"""

import base64
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog
from authlib.integrations.base_client.errors import OAuthError as ClientOAuthError
from authlib.oauth2.base import OAuth2Error
from httpx import HTTPError
from msgspec import Struct

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import (
    DtaasError,
    InUseError,
    LoginRefusedError,
    NameTakenError,
    NotFoundError,
    RetryableError,
    StoreCorruptError,
)
from dtaas.model.identity import User, UserRole
from dtaas.services.identity.accounts import AccountService, From, Login
from dtaas.services.identity.provider import LIMIT_S, Provider, Providers, fetch
from dtaas.settings import OidcSettings
from dtaas.store.secrets import SecretBox
from dtaas.store.users import UserDraft, UserRepository

log = structlog.get_logger()

FLOW_LASTS_S: Final = 600
_EXPIRED: Final = "This browser did not begin that login, or it took too long."
_PURPOSE: Final = "oidc login"
_LOCAL: Final = re.compile(r"^/(?![/\\])[^\s\\]*$")
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_.@+-]")
_LONGEST_NAME: Final = 100
_RANKS: Final = (UserRole.ADMIN, UserRole.OPERATOR, UserRole.VIEWER)


class ProviderUnavailableError(RetryableError):
    """The identity provider does not answer, or not as one."""

    code = "identity_provider_unavailable"


class LoginExpiredError(LoginRefusedError):
    """The answer does not belong to a login this browser began lately."""

    code = "login_expired"


class NoRoleError(LoginRefusedError):
    """The provider knows the user, and this daemon does not let it in."""

    code = "no_role"


class Flow(Struct, frozen=True, kw_only=True):
    """A login under way, as its browser keeps it, sealed."""

    provider: str
    state: str
    nonce: str
    verifier: str
    began_s: float
    next: str


class Begun(Struct, frozen=True, kw_only=True):
    """Where to send the browser, and what it has to bring back."""

    url: str
    cookie: str
    secure: bool


class OidcService:
    """The two halves of a login at a provider."""

    def __init__(
        self,
        accounts: AccountService,
        users: UserRepository,
        box: SecretBox,
        now: Callable[[], datetime],
    ) -> None:
        self._accounts = accounts
        self._users = users
        self._box = box
        self._now = now
        self._providers = Providers(now)
        self._blocking = Blocking(1)

    async def begin(self, name: str, then: str) -> Begun:
        """Return where the browser logs in.

        Args:
            then: address of ours it wants to see afterwards.

        Raises:
            NotFoundError: there is no such provider.
            ProviderUnavailableError: it does not answer.
        """
        settings = self._settings(name)
        provider = await self._provider(settings)
        flow = Flow(
            provider=name,
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            began_s=self._now().timestamp(),
            next=then if _LOCAL.match(then) else "/",
        )
        client = await self._blocking(_client, settings)
        url, _ = client.create_authorization_url(
            provider.authorization_endpoint,
            state=flow.state,
            nonce=flow.nonce,
            code_verifier=flow.verifier,
        )
        sealed = self._box.seal(msgspec.json.encode(flow), _PURPOSE)
        return Begun(
            url=url,
            cookie=base64.urlsafe_b64encode(sealed).decode(),
            secure=settings.public_url.startswith("https://"),
        )

    async def finish(
        self, name: str, query: Mapping[str, str], cookie: str, where: From
    ) -> tuple[Login, str]:
        """Log in whom the provider sent back; return the session and the address wanted.

        Raises:
            NotFoundError: there is no such provider.
            LoginRefusedError: it is not the login that this browser began, the provider refused,
                or the user may not come in.
            TooManyAttemptsError: too many tries from there.
            ProviderUnavailableError: it does not answer.
        """
        self._accounts.count_try(where)
        settings = self._settings(name)
        flow = self._flow(name, query, cookie)
        provider = await self._provider(settings)
        if query.get("iss", provider.issuer) != provider.issuer:  # RFC 9207
            raise LoginRefusedError("The answer is not from the identity provider that was asked.")
        claims = await self._claims(settings, provider, flow, query["code"])
        user = await self._user(settings, claims)
        await self._users.note_login(user.id)
        return await self._accounts.open_session(user, where), flow.next

    def _settings(self, name: str) -> OidcSettings:
        for provider in self._accounts.settings.oidc:
            if provider.name == name:
                return provider
        raise NotFoundError(f"There is no identity provider {name!r}.")

    async def _provider(self, settings: OidcSettings) -> Provider:
        try:
            return await self._providers.of(settings.issuer)
        except (HTTPError, ValueError, OSError) as exc:
            raise _away(settings, exc) from exc

    def _flow(self, name: str, query: Mapping[str, str], cookie: str) -> Flow:
        """Return the login that this browser began, or refuse."""
        try:
            sealed = base64.urlsafe_b64decode(cookie)
            flow = msgspec.json.decode(self._box.open(sealed, _PURPOSE), type=Flow)
        except (ValueError, StoreCorruptError):
            raise LoginExpiredError(_EXPIRED, hint="Begin again.") from None
        late = self._now().timestamp() - flow.began_s > FLOW_LASTS_S
        mine = secrets.compare_digest(flow.state.encode(), query.get("state", "").encode())
        if late or not mine or flow.provider != name:
            raise LoginExpiredError(_EXPIRED, hint="Begin again.")
        if "code" not in query:
            log.warning("oidc_refused_by_provider", provider=name, error=query.get("error", ""))
            raise LoginRefusedError("The identity provider did not let you in.")
        return flow

    async def _claims(
        self, settings: OidcSettings, provider: Provider, flow: Flow, code: str
    ) -> dict[str, Any]:
        """Return what the provider says of the user: the ID token, completed by its userinfo."""
        try:
            token = await self._token(settings, provider, flow, code)
            claims = await self._providers.verified(
                provider,
                str(token.get("id_token") or ""),
                client_id=settings.client_id,
                nonce=flow.nonce,
            )
            wanted = {settings.username_claim, settings.role_claim} - {""}
            if provider.userinfo_endpoint and not wanted <= claims.keys():
                bearer = {"Authorization": f"Bearer {token['access_token']}"}
                more = await fetch(provider.userinfo_endpoint, bearer)
                if more.get("sub") != claims["sub"]:
                    raise LoginRefusedError("The identity provider spoke of somebody else.")
                claims = {**more, **claims}
        except (OAuth2Error, ClientOAuthError) as exc:
            log.warning("oidc_code_refused", provider=settings.name, error=str(exc.error))
            raise LoginRefusedError("The identity provider refused to confirm the login.") from exc
        except (HTTPError, OSError) as exc:
            raise _away(settings, exc) from exc
        except ValueError as exc:  # of what the token claims or how it is signed
            log.warning("oidc_token_refused", provider=settings.name, error=type(exc).__name__)
            raise LoginRefusedError("The provider's answer cannot be trusted.") from exc
        return claims

    async def _token(
        self, settings: OidcSettings, provider: Provider, flow: Flow, code: str
    ) -> Mapping[str, Any]:
        client = await self._blocking(_client, settings)
        from httpx2 import HTTPError as ClientHTTPError  # noqa: PLC0415 - came with the client

        try:
            async with client:
                token: Mapping[str, Any] = await client.fetch_token(
                    provider.token_endpoint, code=code, code_verifier=flow.verifier
                )
        except ClientHTTPError as exc:
            raise _away(settings, exc) from exc
        return token

    async def _user(self, settings: OidcSettings, claims: Mapping[str, Any]) -> User:
        """Return the user, made at its first login, with the role the provider gives it now."""
        role = role_of(settings, claims)
        subject = str(claims["sub"])
        user = await self._users.of_provider(settings.name, subject)
        if role is None:
            raise NoRoleError(
                "Your account there gives you no role here.", hint="Ask an admin of this server."
            )
        if user is None:
            return await self._made(settings, claims, subject, role)
        if not user.is_active:
            raise NoRoleError("This account is closed.", hint="Ask an admin.")
        if user.role is role:
            return user
        try:
            return await self._users.change(user.id, role=role)
        except InUseError as exc:
            raise LoginRefusedError(exc.detail, hint=exc.hint) from exc

    async def _made(
        self, settings: OidcSettings, claims: Mapping[str, Any], subject: str, role: UserRole
    ) -> User:
        """Make a user. One that has the name already is somebody else, whatever it is called."""
        wanted = str(claims.get(settings.username_claim) or claims.get("email") or subject)
        name = _NOT_IN_NAMES.sub("_", wanted).lstrip("_.@+-")[:_LONGEST_NAME] or "user"
        ends = ("", f".{settings.name}", f".{settings.name}.{secrets.token_hex(3)}")
        taken: DtaasError | None = None
        for end in ends:
            draft = UserDraft(
                username=name[: _LONGEST_NAME - len(end)] + end,
                role=role,
                provider=settings.name,
                subject=subject,
            )
            try:
                user = await self._users.create(draft)
            except NameTakenError as exc:
                taken = exc
            else:
                log.info("oidc_user_made", username=user.username, role=role, name=settings.name)
                return user
        raise LoginRefusedError("No free name was found for this account.") from taken


def role_of(settings: OidcSettings, claims: Mapping[str, Any]) -> UserRole | None:
    """Return the highest role the claim gives, the default without one, None for none at all."""
    held = claims.get(settings.role_claim) if settings.role_claim else None
    values = {held} if isinstance(held, str) else {v for v in held or () if isinstance(v, str)}
    for role in _RANKS:
        if values & set(getattr(settings, f"{role}_values")):
            return role
    return UserRole(settings.default_role) if settings.default_role else None


def _client(settings: OidcSettings) -> Any:
    """Return a client of the provider; in a thread, for its certificates and libraries are read."""
    # They are a twentieth of the daemon's start, and most daemons have no provider.
    from authlib.integrations.httpx_client import AsyncOAuth2Client  # noqa: PLC0415

    return AsyncOAuth2Client(
        client_id=settings.client_id,
        client_secret=settings.client_secret or None,
        token_endpoint_auth_method="client_secret_basic" if settings.client_secret else "none",
        scope=" ".join(settings.scopes),
        redirect_uri=(f"{settings.public_url.rstrip('/')}/api/auth/oidc/{settings.name}/callback"),
        code_challenge_method="S256",
        timeout=LIMIT_S,
    )


def _away(settings: OidcSettings, exc: Exception) -> ProviderUnavailableError:
    log.warning("oidc_provider_unavailable", provider=settings.name, error=type(exc).__name__)
    return ProviderUnavailableError(
        f"The identity provider {settings.title or settings.name!r} does not answer.",
        hint="Look at issuer in [[auth.oidc]] and the network.",
    )
