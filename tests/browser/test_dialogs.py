"""WCAG 2.2 AA on what opens over a page, light and dark; and where the focus is afterwards."""

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.accessibility import violations_in_both_themes
from tests.browser.conftest import LIMIT_MS
from tests.browser.test_identity_pages import admin, guarded
from tests.system.conftest import ORDERS, Daemon

__all__ = ["admin", "guarded"]

pytestmark = pytest.mark.timeout(240)
expect.set_options(timeout=LIMIT_MS)
OPENING = ".dialog-fade-enter-active, .el-drawer-fade-enter-active"
"""What is on its way in is half transparent, and then no text has contrast."""


async def shown(page: Page) -> list[str]:
    """Return what breaks a rule while a dialog is open."""
    await expect(page.get_by_role("dialog")).to_be_visible()
    await expect(page.locator(OPENING)).to_have_count(0)
    await expect(page.locator("[aria-busy=true]")).to_have_count(0)
    return await violations_in_both_themes(page)


async def opened(page: Page, opener: Locator) -> list[str]:
    """Open a dialog with the keyboard alone, and leave it; the focus must come back."""
    await opener.focus()
    await page.keyboard.press("Enter")
    found = await shown(page)
    inside = "document.activeElement.closest('[role=dialog]') !== null"
    for _ in range(12):
        await page.keyboard.press("Tab")
        assert await page.evaluate(inside), "the focus left the dialog"
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(opener).to_be_focused()
    return found


async def from_menu(page: Page, text: str) -> list[str]:
    """Open what the menu of a task has, with the keyboard alone."""
    more = page.get_by_role("button", name="More for").first
    await more.focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("menuitem", name=text).focus()
    await page.keyboard.press("Enter")
    found = await shown(page)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(more).to_be_focused()
    return found


async def test_what_is_asked_about_tasks_passes_axe(page: Page, daemon: Daemon):
    source = await daemon.source(read_rate_limit_mb_s=0.2)
    task = await daemon.task(source, await daemon.s3(), ORDERS)
    wrong: dict[str, list[str]] = {}
    await page.emulate_media(reduced_motion="reduce")
    await page.goto(f"/tasks/{task}")
    await expect(page.locator("[data-test=status]")).to_contain_text("idle")
    for text in ("Start some tables", "Copy all again", "Dry run"):
        wrong[text] = await from_menu(page, text)
    await page.goto("/tasks")
    await page.locator(f"[data-task='{task}'] input[type=checkbox]").check()
    bulk = page.locator("[data-test=bulk]")
    for action in ("Start", "Delete"):
        wrong[f"bulk {action}"] = await opened(page, bulk.get_by_role("button", name=action))
    await daemon.control(task, "start")
    await daemon.until_status(task, "running")
    await page.goto(f"/tasks/{task}")
    wrong["stop"] = await opened(page, page.get_by_role("button", name="Stop…"))
    await daemon.control(task, "stop")
    await daemon.until_status(task, "stopped")
    await page.goto("/alerts")
    for which in ("rule", "channel"):
        wrong[which] = await opened(page, page.locator(f"[data-test=new-{which}]"))
    assert {name: found for name, found in wrong.items() if found} == {}


async def test_what_is_asked_about_people_passes_axe(admin: Page):
    page = admin
    wrong = {"user": await opened(page, page.get_by_role("button", name="New user"))}
    await page.get_by_role("link", name="API tokens").click()
    await page.locator("#t-name").fill("nightly job")
    await page.get_by_role("button", name="Create").click()
    wrong["revoke"] = await opened(page, page.get_by_role("button", name="Revoke nightly job"))
    await page.goto("/builder")
    await page.get_by_label("Name of the task").fill("half written")
    await page.context.clear_cookies()
    await expect(page.locator("#s-pass")).to_be_focused()
    wrong["session"] = await shown(page)
    assert {name: found for name, found in wrong.items() if found} == {}


async def test_two_changes_at_once_are_shown_so_that_everybody_can_choose(
    page: Page, daemon: Daemon
):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS)
    await page.emulate_media(reduced_motion="reduce")
    await page.goto(f"/builder/{task}")
    await page.get_by_label("Name of the task").fill("mine")
    spec = await daemon.get(f"/api/tasks/{task}")
    kept = ("name", "source_connector_id", "destination_connector_id", "source_tables", "mode")
    theirs = {**{key: spec[key] for key in kept}, "description": "theirs"}
    assert (await daemon.http.put(f"/api/tasks/{task}", json=theirs)).is_success
    await page.locator("[data-test=review]").press("Enter")
    await page.locator("[data-test=save-only]").press("Enter")
    await expect(page.get_by_role("dialog", name="Somebody else changed")).to_be_visible()
    assert await shown(page) == []
