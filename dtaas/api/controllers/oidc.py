"""`/api/auth/oidc/`: there and back to an identity provider. A browser goes here, not a program."""

from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import urlencode

import structlog
from litestar import Controller, Response, get
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from dtaas.api.controllers.auth import login_cookies, where_of
from dtaas.api.request import ANY_QUERY, ApiRequest
from dtaas.api.trail import entry_of_get
from dtaas.model.errors import DtaasError
from dtaas.model.identity import AuthKind, Role
from dtaas.services.audit import AuditService
from dtaas.services.identity.accounts import AccountService
from dtaas.services.identity.oidc import FLOW_LASTS_S, OidcService

log = structlog.get_logger()
FLOW_COOKIE: Final = "dtaas_oidc"
_PATH: Final = "/api/auth/oidc"


class OidcController(Controller):
    """Every answer is a redirect; one that fails leads to the login page with the error's code."""

    path = _PATH
    include_in_schema = False  # for browsers, with nothing but redirects

    @get(
        "/{name:str}/login",
        summary="Log in at an identity provider",
        status_code=302,
        least_role=Role.PUBLIC,
    )
    async def login(
        self,
        oidc: NamedDependency[OidcService],
        name: FromPath[str],
        next: Annotated[  # noqa: A002 - its name in the address
            str, QueryParameter(description="Address of ours to see afterwards")
        ] = "/",
    ) -> Response[None]:
        """Sends the browser to the provider."""
        try:
            begun = await oidc.begin(name, next)
        except DtaasError as error:
            return _failed(error)
        cookie = Cookie(
            key=FLOW_COOKIE,
            value=begun.cookie,
            path=_PATH,
            max_age=FLOW_LASTS_S,
            httponly=True,
            secure=begun.secure,
            samesite="lax",
        )
        return _to(begun.url, cookie)

    @get(
        "/{name:str}/callback",
        summary="Come back from an identity provider",
        status_code=302,
        least_role=Role.PUBLIC,
        opt={ANY_QUERY: True},
    )
    async def callback(
        self,
        request: ApiRequest,
        *,
        oidc: NamedDependency[OidcService],
        accounts: NamedDependency[AccountService],
        audit: NamedDependency[AuditService],
        name: FromPath[str],
    ) -> Response[None]:
        """Checks what the provider says, sets the session's cookies and goes to the page."""
        query = dict(request.query_params)
        cookie = request.cookies.get(FLOW_COOKIE, "")
        over = Cookie(key=FLOW_COOKIE, path=_PATH, max_age=0)
        try:
            login, then = await oidc.finish(name, query, cookie, where_of(request))
        except DtaasError as error:
            return _failed(error, over)
        await audit.record(
            entry_of_get(
                request,
                f"{_PATH}/{name}",
                actor=login.user.username,
                auth=AuthKind.SESSION.value,
                action="auth.oidc_login",
                status=HTTPStatus.FOUND.value,
            )
        )
        return _to(then, over, *login_cookies(request, login, accounts))


def _to(url: str, *cookies: Cookie) -> Response[None]:
    return Response(
        None, status_code=HTTPStatus.FOUND.value, headers={"location": url}, cookies=list(cookies)
    )


def _failed(error: DtaasError, *cookies: Cookie) -> Response[None]:
    log.warning("oidc_login_failed", code=error.code, error=error.detail)
    # The code only: a link could put any text on a page that shows what its address says.
    return _to(f"/login?{urlencode({'error': error.code})}", *cookies)
