"""`/api/me` and `/api/auth/`: logging in and out."""

from http import HTTPStatus
from typing import Annotated, Any

from litestar import Controller, Request, Response, delete, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from dtaas.api.access import CSRF_COOKIE, SESSION_COOKIE, caller_of
from dtaas.api.path_ids import identity_id_of
from dtaas.model.identity import AuthKind, Password, Role, Session, Username
from dtaas.services.features import FEATURES
from dtaas.services.identity.accounts import AccountService, From, Login
from dtaas.services.identity.tokens import TokenService

ApiRequest = Request[Any, Any, Any]


class MyUser(Struct, frozen=True, kw_only=True):
    """Who asks. `id` is null for whoever has no account."""

    id: int | None
    username: str
    role: Role


class Me(Struct, frozen=True, kw_only=True):
    """Who asks, how they came in, and what this server offers."""

    user: MyUser
    auth: AuthKind
    features: tuple[str, ...]


class OidcMethod(Struct, frozen=True, kw_only=True):
    """An identity provider; a page goes to `login_url`."""

    name: str
    title: str
    login_url: str


class AuthMethods(Struct, frozen=True, kw_only=True):
    """How one can log in.

    Attributes:
        required: false while everybody may do everything.
        setup_required: the first admin must be made, with the token in the log.
        local: whether names and passwords are taken.
    """

    required: bool
    setup_required: bool
    local: bool
    oidc: tuple[OidcMethod, ...]


class SetupRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first admin."""

    token: Annotated[str, Meta(max_length=200)]
    username: Username
    password: Password


class LoginRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name and password."""

    username: Annotated[str, Meta(min_length=1, max_length=100)]
    password: Password


class PasswordRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The present password and the new one."""

    current: Password
    new: Password


class ResetRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to make an admin with a new password."""

    username: Username


class ResetResult(Struct, frozen=True, kw_only=True):
    """The new password, shown this once."""

    username: str
    password: str


class AccessToken(Struct, frozen=True, kw_only=True):
    """A JSON Web Token for `Authorization: Bearer`."""

    access_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105 - the kind RFC 6750 names


class SessionView(Session, frozen=True, kw_only=True):
    """A session. `is_current` marks the one that asks."""

    is_current: bool


class SessionList(Struct, frozen=True, kw_only=True):
    """The sessions of a user."""

    items: tuple[SessionView, ...]


class AuthController(Controller):
    """Who one is."""

    path = "/api"
    tags = ("Identity",)

    @get("/me", summary="Who asks", sync_to_thread=False)
    def me(self, request: ApiRequest) -> Me:
        """401 `not_authenticated` when a login is needed."""
        caller = caller_of(request.scope)
        user = MyUser(id=caller.user_id, username=caller.username, role=caller.role)
        return Me(user=user, auth=caller.auth, features=FEATURES)

    @get("/auth/methods", summary="How to log in", least_role=Role.PUBLIC)
    async def methods(self, accounts: NamedDependency[AccountService]) -> AuthMethods:
        """Asked by the page before anything else."""
        providers = accounts.settings.oidc
        return AuthMethods(
            required=accounts.settings.enabled,
            setup_required=await accounts.setup_required(),
            local=True,
            oidc=tuple(
                OidcMethod(
                    name=provider.name,
                    title=provider.title or provider.name,
                    login_url=f"/api/auth/oidc/{provider.name}/login",
                )
                for provider in providers
            ),
        )

    @post("/auth/setup", summary="Make the first admin", status_code=200, least_role=Role.PUBLIC)
    async def setup(
        self,
        request: ApiRequest,
        accounts: NamedDependency[AccountService],
        data: JSONBody[SetupRequest],
    ) -> Response[Me]:
        """With the one-time token the daemon wrote to its log; logs in as well."""
        request.scope["state"]["actor"] = data.username
        login = await accounts.setup(data.token, data.username, data.password, where_of(request))
        return logged_in(request, login, accounts)

    @post("/auth/login", summary="Log in", status_code=200, least_role=Role.PUBLIC)
    async def login(
        self,
        request: ApiRequest,
        accounts: NamedDependency[AccountService],
        data: JSONBody[LoginRequest],
    ) -> Response[Me]:
        """Sets the session's cookies. 401 `login_refused`, 429 `too_many_attempts`."""
        request.scope["state"]["actor"] = data.username
        login = await accounts.login(data.username, data.password, where_of(request))
        return logged_in(request, login, accounts)

    @post("/auth/logout", summary="Log out", status_code=204, least_role=Role.VIEWER)
    async def logout(
        self, request: ApiRequest, accounts: NamedDependency[AccountService]
    ) -> Response[None]:
        """Ends the session and removes its cookies."""
        await accounts.logout(caller_of(request.scope))
        response: Response[None] = Response(None, status_code=HTTPStatus.NO_CONTENT)
        for name in (SESSION_COOKIE, CSRF_COOKIE):
            response.delete_cookie(name, path="/")
        return response

    @post(
        "/auth/password", summary="Change one's password", status_code=204, least_role=Role.VIEWER
    )
    async def password(
        self,
        request: ApiRequest,
        accounts: NamedDependency[AccountService],
        data: JSONBody[PasswordRequest],
    ) -> None:
        """Every other session of the user ends."""
        await accounts.change_password(caller_of(request.scope), data.current, data.new)

    @get("/auth/sessions", summary="List one's sessions")
    async def sessions(
        self, request: ApiRequest, accounts: NamedDependency[AccountService]
    ) -> SessionList:
        """The newest first."""
        caller = caller_of(request.scope)
        return session_list(await accounts.sessions(caller), caller.key_id)

    @delete("/auth/sessions/{session_id:int}", summary="End a session", least_role=Role.VIEWER)
    async def end_session(
        self,
        request: ApiRequest,
        accounts: NamedDependency[AccountService],
        session_id: FromPath[int],
    ) -> None:
        """One's own; an admin may end any."""
        caller = caller_of(request.scope)
        whose = None if caller.role is Role.ADMIN else caller.user_id or 0
        await accounts.end_session(identity_id_of("session", session_id), whose)

    @post("/auth/token", summary="Get an access token", status_code=200, least_role=Role.VIEWER)
    async def token(
        self, request: ApiRequest, tokens: NamedDependency[TokenService]
    ) -> AccessToken:
        """For whoever comes with an API token; worth as much, for minutes."""
        text, lasts_s = tokens.exchange(caller_of(request.scope))
        return AccessToken(access_token=text, expires_in=lasts_s)

    @post("/auth/reset", summary="Get back in", status_code=200, least_role=Role.ADMIN)
    async def reset(
        self,
        request: ApiRequest,
        accounts: NamedDependency[AccountService],
        data: JSONBody[ResetRequest],
    ) -> ResetResult:
        """At the admin socket, for root and the daemon's own user: `dtaas admin reset`."""
        password = await accounts.reset(caller_of(request.scope), data.username)
        return ResetResult(username=data.username.lower(), password=password)


def where_of(request: ApiRequest) -> From:
    """Return where a request comes from."""
    client = request.scope.get("client")
    return From(client[0] if client else "socket", request.headers.get("user-agent", ""))


def session_list(sessions: tuple[Session, ...], current: int | None) -> SessionList:
    """Return sessions as they leave the API."""
    return SessionList(
        items=tuple(
            SessionView(
                **{name: getattr(session, name) for name in Session.__struct_fields__},
                is_current=session.id == current,
            )
            for session in sessions
        )
    )


def login_cookies(request: ApiRequest, login: Login, accounts: AccountService) -> list[Cookie]:
    """Return the cookies of a new session."""
    secure = accounts.settings.secure_cookies or request.scope["scheme"] == "https"

    def cookie(name: str, value: str, *, hidden: bool) -> Cookie:
        return Cookie(
            key=name,
            value=value,
            path="/",
            max_age=login.lasts_s,
            httponly=hidden,
            secure=secure,
            samesite="lax",
        )

    return [
        cookie(SESSION_COOKIE, login.key, hidden=True),
        cookie(CSRF_COOKIE, login.csrf, hidden=False),
    ]


def logged_in(request: ApiRequest, login: Login, accounts: AccountService) -> Response[Me]:
    """Answer a login."""
    request.scope["state"]["actor"] = login.user.username
    user = MyUser(id=login.user.id, username=login.user.username, role=login.user.role.role)
    me = Me(user=user, auth=AuthKind.SESSION, features=FEATURES)
    return Response(me, cookies=login_cookies(request, login, accounts))
