"""A server with accounts: the first administrator, leaving, and coming back."""

import json

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import LIMIT_MS

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)
PASSWORD = "correct horse battery 9"


async def test_a_server_with_accounts_lets_in_who_logs_in(chromium: Browser, make_daemon, tmp_path):
    daemon = await make_daemon(DTAAS_AUTH__ENABLED="true")
    lines = map(json.loads, daemon.log_path.read_text().splitlines())
    token = next(line["setup_token"] for line in lines if line["event"] == "setup_required")
    context = await chromium.new_context(base_url=str(daemon.http.base_url))
    page = await context.new_page()
    pill = page.locator("[data-test=pill]")

    await page.goto("/connectors")
    await page.locator("#l-token").fill(token)
    await page.locator("#l-user").fill("ada")
    await page.locator("#l-pass").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Connectors")).to_be_visible()
    await expect(pill).to_contain_text("Live")

    await page.goto("/connectors?new=1")
    await page.locator(".el-drawer .tile", has_text="folder").first.click()
    await page.locator("#f-name").fill("lake")
    (tmp_path / "lake").mkdir()
    await page.locator("#f-path").fill(str(tmp_path / "lake"))
    await page.locator("[data-test=test]").click()
    await expect(page.locator("[data-test=steps]")).to_contain_text("is a folder")
    await page.locator("[data-test=save]").click()
    await expect(page.locator("[data-test=connectors]")).to_contain_text("lake")

    await page.get_by_role("button", name="Log out").click()
    await page.wait_for_url("**/login")
    await page.locator("#l-user").fill("ada")
    await page.locator("#l-pass").fill("wrong")
    await page.keyboard.press("Enter")
    await expect(page.locator("#l-wrong")).to_contain_text("Wrong user name or password.")
    await page.locator("#l-pass").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(pill).to_contain_text("Live")

    await page.goto("/builder")
    name = page.get_by_label("Name of the task")
    await name.fill("half written")
    await context.clear_cookies()
    dialog = page.locator("[data-test=session]")
    await expect(dialog).to_contain_text("what you wrote on this page stays")
    await page.locator("#s-pass").fill("wrong")
    await page.keyboard.press("Enter")
    await expect(page.locator("#s-wrong")).to_contain_text("Wrong user name or password.")
    await page.locator("#s-pass").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(name).to_have_value("half written")
    await expect(pill).to_contain_text("Live")
    await name.fill("wholly written")
    await expect(page.locator("[data-test=kept]")).to_contain_text("Draft · kept")
    await context.close()
