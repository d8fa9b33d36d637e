"""Logging in at a real identity provider through the page: there, back, and what goes wrong."""

import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from msgspec import Struct
from playwright.async_api import Browser, BrowserContext, Page, Route, expect

from tests.browser.accessibility import violations_in_both_themes
from tests.browser.conftest import LIMIT_MS
from tests.integration.oidc.identity_provider import CLIENT_ID, CLIENT_SECRET, identity_provider
from tests.system.life import Life

pytestmark = pytest.mark.timeout(400)  # the first of all installs the provider
expect.set_options(timeout=LIMIT_MS)
PROVIDER = """
[[auth.oidc]]
name = "{name}"
title = "{title}"
issuer = "{issuer}"
client_id = "{client_id}"
client_secret = "{client_secret}"
public_url = "{base}"
role_claim = "groups"
admin_values = ["dtaas-admins"]
operator_values = ["dtaas-operators"]
default_role = ""
"""


class Place(Struct, frozen=True):
    """Where the page of a daemon is, and its identity provider."""

    base: str
    port: int
    issuer: str


@pytest.fixture
def place() -> Iterator[Place]:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    with identity_provider(base) as issuer:
        yield Place(base, port, issuer)


@pytest.fixture
async def context(
    chromium: Browser, place: Place, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[BrowserContext]:
    """A browser before a daemon with an administrator and two providers, one of them away."""
    life = Life(tmp_path, tmp_path_factory.mktemp("s") / "a.sock")
    text = life.config.read_text().replace("port = 0", f"port = {place.port}")
    for name, title, issuer in (
        ("corp", "Corp", place.issuer),
        ("away", "Away", "http://127.0.0.1:1"),
    ):
        text += PROVIDER.format(
            name=name,
            title=title,
            issuer=issuer,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            base=place.base,
        )
    life.config.write_text(text)
    async with life.running(DTAAS_AUTH__ENABLED="true"):
        token = (await life.told("setup_required"))["setup_token"]
        first = {"token": token, "username": "root", "password": "correct horse battery 9"}
        async with httpx.AsyncClient(base_url=place.base) as http:
            made = await http.post("/api/auth/setup", json=first)
        assert made.is_success, made.text
        context = await chromium.new_context(base_url=place.base)
        context.set_default_timeout(LIMIT_MS)
        await context.route(re.compile("^https:"), without_the_net)
        yield context
        await context.close()


async def without_the_net(route: Route) -> None:
    await route.abort()  # the provider's forms ask for a font


async def at_the_provider(page: Page, name: str) -> None:
    """Fill in its two forms: who one is, and that the daemon may know."""
    await page.locator("input[name=login]").fill(name)
    await page.locator("input[name=password]").fill("any")
    await page.get_by_role("button", name="Sign-in").click()
    await page.get_by_role("button", name="Continue").click()


@pytest.mark.parametrize(("name", "sees_users"), [("ann", True), ("bob", False)])
async def test_who_logs_in_at_the_provider_is_back_with_the_role(
    context: BrowserContext, place: Place, name: str, *, sees_users: bool
):
    page = await context.new_page()
    await page.goto("/tasks?search=7")
    button = page.get_by_role("link", name="Log in with Corp")
    await expect(button).to_be_visible()
    assert await violations_in_both_themes(page) == []
    await button.click()
    await page.wait_for_url(f"{place.issuer}/**")
    await at_the_provider(page, name)
    await page.wait_for_url(f"{place.base}/tasks?search=7")
    await expect(page.locator("[data-test=pill]")).to_contain_text("Live")
    await expect(page.get_by_role("button", name=f"Log out {name}")).to_be_visible()
    rail = page.get_by_role("navigation").first
    await expect(rail.get_by_role("link", name="Task builder")).to_be_visible()
    await expect(rail.get_by_role("link", name="Users")).to_have_count(int(sees_users))
    await page.get_by_role("button", name="Log out").click()
    await page.wait_for_url("**/login")
    await page.goto("/tasks")
    await page.wait_for_url("**/login?next=**")


async def test_who_may_not_come_in_is_told_why(context: BrowserContext, place: Place):
    page = await context.new_page()
    wrong = page.locator("#l-wrong")
    await page.goto("/login")
    await page.get_by_role("link", name="Log in with Away").click()
    await expect(wrong).to_contain_text("The identity provider does not answer.")
    await page.get_by_role("link", name="Log in with Corp").click()
    await page.get_by_role("link", name="Cancel").click()
    await page.wait_for_url(f"{place.base}/login?error=login_refused")
    await expect(wrong).to_contain_text("The identity provider did not let you in.")
    await page.get_by_role("link", name="Log in with Corp").click()
    await at_the_provider(page, "eve")
    await page.wait_for_url(f"{place.base}/login?error=no_role")
    await expect(wrong).to_contain_text("may not use this server. Ask an administrator.")
    assert await violations_in_both_themes(page) == []
    await page.goto("/tasks")  # and is not in
    await page.wait_for_url("**/login?next=**")
    await page.goto("/api/auth/oidc/corp/callback?code=stolen&state=guessed")
    await page.wait_for_url(f"{place.base}/login?error=login_expired")
    await expect(wrong).to_contain_text("Begin again.")
