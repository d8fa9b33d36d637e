"""Who may use which route, shown on every route there is."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from litestar import Litestar
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.routes import ASGIRoute

from dtaas.api.access import SAFE_METHODS, least_role
from dtaas.api.app import create_app
from dtaas.model.identity import Role, UserRole
from dtaas.services.identity.accounts import From
from dtaas.services.identity.tokens import TokenSpec
from dtaas.services.identity.users import UserSpec
from dtaas.settings import ApiSettings, AuthSettings
from tests.fakes.services_at_work import AtWork, services_at_work

QUICK = AuthSettings(argon2_time_cost=1, argon2_memory_mb=1, argon2_lanes=1)
FROM = From("127.0.0.1", "test")
PASSWORD = "correct horse battery"
OPEN = {
    ("GET", "/api/health/live"),
    ("GET", "/api/health/ready"),
    ("GET", "/api/auth/methods"),
    ("POST", "/api/auth/setup"),
    ("POST", "/api/auth/login"),
    ("GET", "/api/auth/oidc/{name:str}/login"),
    ("GET", "/api/auth/oidc/{name:str}/callback"),
}
FOR_ADMINS = ("/api/users", "/api/audit", "/api/auth/reset")
OWN_ACCOUNT = ("/api/auth/", "/api/tokens")


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[AtWork]:
    async with services_at_work(tmp_path, QUICK) as made:
        yield made


@pytest.fixture
def app(work: AtWork) -> Litestar:
    return create_app(work.services, ApiSettings())


@pytest.fixture
async def stranger(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


def routes(app: Litestar) -> Iterator[tuple[str, str, BaseRouteHandler]]:
    for route in app.routes:
        assert not isinstance(route, ASGIRoute) or not route.path.startswith("/api"), route.path
        for handler in getattr(route, "route_handlers", None) or [route.route_handler]:
            if isinstance(handler, HTTPRouteHandler):
                for method in handler.http_methods - {"OPTIONS"}:
                    yield method, route.path, handler
            else:
                yield "WS", route.path, handler


def address(path: str) -> str:
    """Return a path with parameters that no object has."""
    parts = path.split("/")
    return "/".join("9" if part.startswith("{") else part for part in parts)


async def token(work: AtWork, role: UserRole) -> str:
    user = await work.services.users.create(
        UserSpec(username=f"a-{role}", password=PASSWORD, role=role)
    )
    login = await work.services.accounts.login(user.username, PASSWORD, FROM)
    caller = await work.services.authenticator.by_session(login.key)
    assert caller is not None
    made = await work.services.tokens.create(caller, TokenSpec(name="t", role=role))
    return made.token


async def test_every_route_asks_for_a_role(app: Litestar) -> None:
    seen = {(method, path): least_role(handler) for method, path, handler in routes(app)}
    assert len(seen) > 30
    for (method, path), least in seen.items():
        if (method, path) in OPEN:
            continue
        assert least is not Role.PUBLIC, (method, path)
        if path.startswith(FOR_ADMINS):
            assert least is Role.ADMIN, (method, path)
        elif method not in SAFE_METHODS | {"WS"} and not path.startswith(OWN_ACCOUNT):
            assert least.allows(Role.OPERATOR), (method, path)


async def test_every_route_with_every_role(
    app: Litestar, work: AtWork, stranger: httpx.AsyncClient
) -> None:
    """No body is right and no object is there: what matters is whether the gate was passed."""
    callers: list[tuple[Role, dict[str, str]]] = [(Role.PUBLIC, {})]
    for role in UserRole:
        given = await token(work, role)
        callers.append((role.role, {"authorization": f"Bearer {given}"}))
    wrong = []
    for method, path, handler in routes(app):
        if method == "WS":
            continue
        for role, headers in callers:
            if path.startswith("/api/auth/") and method == "POST":
                continue  # they have tests of their own, and one of them would log out
            answer = await stranger.request(method, address(path), headers=headers)
            least = least_role(handler)
            assert answer.status_code < 500 or path == "/api/health/ready", answer.text
            refused = answer.status_code in {401, 403}
            allowed = least is Role.PUBLIC or role.allows(least)
            if refused is allowed:
                wrong.append((method, path, role, answer.status_code))
            if not allowed:
                expected = 401 if role is Role.PUBLIC else 403
                assert answer.status_code == expected, (method, path, role)
    assert wrong == []


async def test_nobody_gets_in_with_a_wrong_key(stranger: httpx.AsyncClient) -> None:
    for headers in (
        {"authorization": "Bearer dtaas_nonsense"},
        {"authorization": "Bearer a.b.c"},
        {"authorization": "Basic YTpi"},
        {"cookie": "dtaas_session=nonsense"},
    ):
        answer = await stranger.get("/api/tasks/", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
