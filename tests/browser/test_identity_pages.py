"""Users, API tokens and the audit log in the page of a server with accounts."""

import json
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import LIMIT_MS
from tests.browser.test_access import violations
from tests.system.conftest import Daemon

pytestmark = pytest.mark.timeout(240)
expect.set_options(timeout=LIMIT_MS)
PASSWORD = "correct horse battery 9"


@pytest.fixture
async def guarded(make_daemon) -> Daemon:
    """A daemon with accounts and none yet."""
    return await make_daemon(DTAAS_AUTH__ENABLED="true")


@pytest.fixture
async def admin(chromium: Browser, guarded: Daemon) -> AsyncIterator[Page]:
    """The users' page, before its first administrator."""
    lines = map(json.loads, guarded.log_path.read_text().splitlines())
    setup = next(line["setup_token"] for line in lines if line["event"] == "setup_required")
    context = await chromium.new_context(
        base_url=str(guarded.http.base_url), reduced_motion="reduce"
    )
    context.set_default_timeout(LIMIT_MS)
    page = await context.new_page()
    await page.goto("/users")
    await page.locator("#l-token").fill(setup)
    await page.locator("#l-user").fill("ada")
    await page.locator("#l-pass").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-test=users] tbody tr")).to_have_count(1)
    yield page
    await context.close()


async def test_an_admin_keeps_users_and_reads_what_was_done(admin: Page):
    page = admin
    users = page.locator("[data-test=users] tbody tr")
    await page.get_by_role("button", name="New user").click()
    await page.locator("#u-name").fill("grace")
    await page.locator("#u-pass").fill("short")
    await page.locator("[data-test=user-save]").click()
    await expect(page.get_by_role("alert")).not_to_be_empty()
    await page.locator("#u-pass").fill(PASSWORD)
    await page.locator("#u-role").select_option("operator")
    await page.locator("[data-test=user-save]").click()
    await expect(users.filter(has_text="grace")).to_contain_text("operator")
    await page.get_by_role("button", name="Change grace").click()
    await page.get_by_label(re.compile("May log in")).uncheck()
    assert await violations(page) == []
    await page.locator("[data-test=user-save]").click()
    await expect(users.filter(has_text="grace")).to_contain_text("switched off")

    await page.get_by_role("link", name="Audit log").click()
    entries = page.locator("[data-test=audit] tbody tr")
    await page.get_by_placeholder("Action, such as tasks.update").fill("users.update")
    await expect(entries).to_have_count(1)
    await expect(entries).to_contain_text("ada")
    await entries.get_by_role("button", name=re.compile("^Details of entry")).click()
    await expect(page.locator("[data-test=diff]")).to_contain_text('- "is_active": true')
    await page.get_by_role("button", name="Check for tampering").click()
    await expect(page.locator("[data-test=chain]")).to_contain_text("None of")
    assert await violations(page) == []
    assert PASSWORD not in await page.content()


async def test_a_token_is_shown_once_and_refused_once_revoked(admin: Page, guarded: Daemon):
    page = admin
    await page.get_by_role("link", name="API tokens").click()
    await page.locator("#t-name").fill("nightly job")
    await page.get_by_role("button", name="Create").click()
    shown = page.locator("[data-test=token] code[tabindex]")
    await expect(shown).to_be_visible()
    token = await shown.inner_text()
    assert await violations(page) == []
    async with httpx.AsyncClient(
        base_url=guarded.http.base_url, headers={"Authorization": f"Bearer {token}"}
    ) as machine:
        assert (await machine.get("/api/me")).json()["user"]["role"] == "viewer"
        await page.get_by_role("button", name="Revoke nightly job").click()
        await page.locator("[data-test=confirm-yes]").click()
        await expect(page.get_by_text("No token yet")).to_be_visible()
        assert (await machine.get("/api/me")).status_code == 401
