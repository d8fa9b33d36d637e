"""An answer that comes after its page was left takes nobody away from where they went."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from playwright.async_api import Page, Request, Route, expect

from tests.browser.conftest import LIMIT_MS
from tests.system.conftest import ORDERS, Daemon

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)


FRAMES = """async () => {
  for (let frame = 0; frame < 20; frame += 1) await new Promise(requestAnimationFrame)
}"""
"""Long enough for a page whose parts are loaded to be opened."""


@asynccontextmanager
async def held(page: Page, method: str, address: str) -> AsyncIterator[anyio.Event]:
    """Hold such requests back inside; at the end they go on and are answered.

    Yields:
        Set as soon as one is held.
    """
    asked, go_on = anyio.Event(), anyio.Event()

    def such(request: Request) -> bool:
        return request.method == method and request.url.endswith(address)

    async def hold(route: Route, request: Request) -> None:
        if such(request):
            asked.set()
            await go_on.wait()
        await route.continue_()

    await page.route(f"**{address}", hold)
    yield asked
    async with page.expect_response(lambda answer: such(answer.request)):
        go_on.set()


async def go_to_alerts(page: Page) -> None:
    await page.get_by_role("navigation", name="Main").get_by_role("link", name="Alerts").click()
    await expect(page.get_by_role("heading", name="Alerts", level=1)).to_be_visible()


async def still_at_alerts(page: Page, toast: str) -> None:
    """What was done is told, which comes right before the page would be left."""
    await expect(page.get_by_text(toast)).to_be_visible()
    await page.evaluate(FRAMES)
    assert page.url.endswith("/alerts")
    await expect(page.get_by_role("heading", name="Alerts", level=1)).to_be_visible()


async def test_a_task_that_is_gone_at_last_leaves_people_where_they_are(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS, name="going")
    await page.goto("/tasks")
    await page.get_by_role("link", name="going").click()
    await page.locator("[data-test=tab-settings]").click()
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_label("Type").fill("going")
    async with held(page, "DELETE", f"/api/tasks/{task}") as asked:
        await page.locator("[data-test=confirm-yes]").click()
        await asked.wait()
        await go_to_alerts(page)
    await still_at_alerts(page, "going is deleted.")


async def test_a_task_that_is_saved_at_last_does_not_open_itself(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS, name="changing")
    await page.goto(f"/tasks/{task}")
    await page.get_by_role("link", name="Edit in builder").click()
    await page.get_by_label("Name of the task").fill("changed")
    await page.locator("[data-test=review]").click()
    async with held(page, "PUT", f"/api/tasks/{task}") as asked:
        await page.locator("[data-test=save-only]").click()
        await asked.wait()
        await page.keyboard.press("Escape")
        await go_to_alerts(page)
    await still_at_alerts(page, "changed is saved.")


async def test_a_connector_that_fails_its_test_at_last_does_not_open_itself(
    page: Page, daemon: Daemon
):
    lost = await daemon.source(host="127.0.0.1", port=1, login_timeout_s=1)
    name = (await daemon.get(f"/api/connectors/{lost}"))["name"]
    await page.goto(f"/connectors/{lost}")
    await page.get_by_role("navigation", name="Main").get_by_role("link", name="Connectors").click()
    row = page.locator(f"[data-connector='{lost}']")
    async with held(page, "POST", f"/api/connectors/{lost}/test") as asked:
        await row.get_by_role("button", name="Test").click()
        await asked.wait()
        await go_to_alerts(page)
    await still_at_alerts(page, name)
