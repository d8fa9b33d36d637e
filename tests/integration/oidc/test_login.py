"""Logging in at a real identity provider, as a browser does."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest

from dtaas.api.app import create_app
from dtaas.model.identity import UserRole
from dtaas.services.identity.provider import Provider, Providers
from dtaas.services.identity.users import UserChange, UserSpec
from dtaas.settings import ApiSettings, AuthSettings, OidcSettings
from tests.fakes.services_at_work import AtWork, services_at_work
from tests.integration.oidc.conftest import BASE

pytestmark = pytest.mark.timeout(300)
_FORM = re.compile(r'action="([^"]+)"')
_ABORT = re.compile(r'href="([^"]+/abort)"')


class Browser:
    """Goes to the daemon and to the provider, each with its own cookies."""

    def __init__(self, daemon: httpx.AsyncClient, provider: httpx.AsyncClient) -> None:
        self.daemon = daemon
        self.provider = provider

    async def begin(self, path: str = "/api/auth/oidc/corp/login") -> str:
        answer = await self.daemon.get(path)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    async def at_provider(self, url: str, name: str, *, cancel: bool = False) -> str:
        """Fill in the provider's forms; return the address it sends the browser back to."""
        answer = await self.provider.get(url)
        while True:
            if answer.is_redirect:
                where = str(answer.url.join(answer.headers["location"]))
                if where.startswith(BASE):
                    return where
                answer = await self.provider.get(where)
                continue
            assert answer.is_success, answer.text
            if cancel and (found := _ABORT.search(answer.text)):
                answer = await self.provider.get(found[1])
                continue
            form = _FORM.search(answer.text)
            assert form, answer.text
            prompt = "login" if 'value="login"' in answer.text else "consent"
            filled = {"prompt": prompt, "login": name, "password": "any"}
            answer = await self.provider.post(form[1], data=filled)

    async def log_in(self, name: str) -> httpx.Response:
        back = await self.at_provider(await self.begin(), name)
        return await self.daemon.get(back)

    async def me(self) -> httpx.Response:
        return await self.daemon.get("/api/me")


@asynccontextmanager
async def browsing(work: AtWork) -> AsyncIterator[Browser]:
    async with AsyncExitStack() as stack:
        transport = httpx.ASGITransport(create_app(work.services, ApiSettings()))
        daemon = httpx.AsyncClient(transport=transport, base_url=BASE)
        provider = httpx.AsyncClient(timeout=30)
        yield Browser(
            await stack.enter_async_context(daemon), await stack.enter_async_context(provider)
        )


@pytest.fixture
async def work(tmp_path: Path, provider: OidcSettings) -> AsyncIterator[AtWork]:
    quick = AuthSettings(argon2_time_cost=1, argon2_memory_mb=1, oidc=(provider,))
    async with services_at_work(tmp_path, quick) as made:
        spec = UserSpec(username="root", password="correct horse", role=UserRole.ADMIN)
        await made.services.users.create(spec)
        yield made


@pytest.fixture
async def browser(work: AtWork) -> AsyncIterator[Browser]:
    async with browsing(work) as made:
        yield made


def refused_with(answer: httpx.Response) -> str:
    assert answer.status_code == 302
    where = urlsplit(answer.headers["location"])
    assert where.path == "/login"
    assert "dtaas_session" not in answer.headers.get("set-cookie", "")
    return parse_qs(where.query)["error"][0]


async def test_a_login_makes_a_user_with_the_role_of_its_group(browser: Browser) -> None:
    url = await browser.begin("/api/auth/oidc/corp/login?next=/tasks/7%3Ftab%3Dlog")
    asked = parse_qs(urlsplit(url).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["state"] != asked["nonce"]
    answer = await browser.daemon.get(await browser.at_provider(url, "ann"))
    assert (answer.status_code, answer.headers["location"]) == (302, "/tasks/7?tab=log")
    me = (await browser.me()).json()
    assert (me["user"]["username"], me["user"]["role"], me["auth"]) == ("ann", "admin", "session")
    entries = (await browser.daemon.get("/api/audit/")).json()["items"]
    assert [(e["actor"], e["action"]) for e in entries] == [("ann", "auth.oidc_login")]
    (user,) = [
        u for u in (await browser.daemon.get("/api/users/")).json()["items"] if u["provider"]
    ]
    assert (user["provider"], user["has_password"]) == ("corp", False)
    assert user["last_login_at"] is not None


async def test_the_role_follows_the_provider_at_every_login(
    work: AtWork, browser: Browser, provider: OidcSettings
) -> None:
    await browser.log_in("bob")
    assert (await browser.me()).json()["user"]["role"] == "operator"
    changed = msgspec.structs.replace(
        provider, operator_values=(), viewer_values=("dtaas-operators",)
    )
    accounts = work.services.accounts
    accounts.settings = msgspec.structs.replace(accounts.settings, oidc=(changed,))  # type: ignore[misc]
    await browser.log_in("bob")
    me = (await browser.me()).json()
    assert (me["user"]["username"], me["user"]["role"]) == ("bob", "viewer")


async def test_who_has_no_role_does_not_come_in(work: AtWork, browser: Browser) -> None:
    assert refused_with(await browser.log_in("eve")) == "no_role"
    assert (await browser.me()).status_code == 401
    assert await work.services.accounts._users.account("eve") is None


async def test_a_local_account_of_that_name_is_somebody_else(
    work: AtWork, browser: Browser, provider: OidcSettings
) -> None:
    accounts = work.services.accounts
    open_to_all = msgspec.structs.replace(provider, default_role="viewer")
    accounts.settings = msgspec.structs.replace(accounts.settings, oidc=(open_to_all,))  # type: ignore[misc]
    await browser.log_in("root")
    me = (await browser.me()).json()
    assert (me["user"]["username"], me["user"]["role"]) == ("root.corp", "viewer")


async def test_a_closed_account_stays_closed(work: AtWork, browser: Browser) -> None:
    await browser.log_in("bob")
    user_id = (await browser.me()).json()["user"]["id"]
    change = UserChange(role=UserRole.OPERATOR, is_active=False)
    await work.services.users.change(user_id, change)
    assert (await browser.me()).status_code == 401
    assert refused_with(await browser.log_in("bob")) == "no_role"


async def test_a_login_counts_once_and_for_its_browser_only(work: AtWork, browser: Browser) -> None:
    back = await browser.at_provider(await browser.begin(), "ann")
    async with browsing(work) as other:
        assert refused_with(await other.daemon.get(back)) == "login_expired"
        await other.begin()  # a login of its own does not help
        assert refused_with(await other.daemon.get(back)) == "login_expired"
    cookie = browser.daemon.cookies["dtaas_oidc"]
    assert (await browser.daemon.get(back)).headers["location"] == "/"
    browser.daemon.cookies.set(
        "dtaas_oidc", cookie, domain="localhost.local", path="/api/auth/oidc"
    )
    assert refused_with(await browser.daemon.get(back)) == "login_refused"  # the code is used up


async def test_a_code_of_another_login_is_refused(browser: Browser) -> None:
    stolen = await browser.at_provider(await browser.begin(), "ann")
    own = parse_qs(urlsplit(await browser.begin()).query)["state"][0]
    mixed = httpx.URL(stolen).copy_set_param("state", own)
    # Right browser, right state, but a code that another verifier belongs to.
    assert refused_with(await browser.daemon.get(str(mixed))) == "login_refused"


async def test_who_cancels_comes_back_to_the_login_page(browser: Browser) -> None:
    back = await browser.at_provider(await browser.begin(), "ann", cancel=True)
    assert "error=access_denied" in back
    assert refused_with(await browser.daemon.get(back)) == "login_refused"


@pytest.mark.parametrize(
    "wanted", ["https://evil.example", "//evil.example", "/\\evil", "javascript:1"]
)
async def test_the_page_afterwards_is_one_of_ours(browser: Browser, wanted: str) -> None:
    url = await browser.begin(str(httpx.URL("/api/auth/oidc/corp/login", params={"next": wanted})))
    answer = await browser.daemon.get(await browser.at_provider(url, "ann"))
    assert answer.headers["location"] == "/"


async def test_a_provider_that_is_away_or_unknown(
    work: AtWork, browser: Browser, provider: OidcSettings
) -> None:
    assert refused_with(await browser.daemon.get("/api/auth/oidc/none/login")) == "not_found"
    accounts = work.services.accounts
    away = msgspec.structs.replace(provider, issuer="http://127.0.0.1:1")
    accounts.settings = msgspec.structs.replace(accounts.settings, oidc=(away,))  # type: ignore[misc]
    answer = await browser.daemon.get("/api/auth/oidc/corp/login")
    assert refused_with(answer) == "identity_provider_unavailable"


async def test_a_provider_that_goes_away_before_it_confirms(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = await browser.at_provider(await browser.begin(), "ann")
    described = Providers.of

    async def without_tokens(self: Providers, issuer: str) -> Provider:
        provider = await described(self, issuer)
        return msgspec.structs.replace(provider, token_endpoint="http://127.0.0.1:1/token")

    monkeypatch.setattr(Providers, "of", without_tokens)
    assert refused_with(await browser.daemon.get(back)) == "identity_provider_unavailable"


async def test_the_page_is_told_of_the_provider(browser: Browser) -> None:
    methods = (await browser.daemon.get("/api/auth/methods")).json()
    assert methods["oidc"] == [
        {"name": "corp", "title": "Corp", "login_url": "/api/auth/oidc/corp/login"}
    ]
