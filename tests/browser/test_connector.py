"""What a source has, read in the page."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import LIMIT_MS
from tests.system.conftest import ORDERS, Daemon

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)


async def test_a_table_shows_its_columns_its_rows_and_the_tasks_that_move_it(
    page: Page, daemon: Daemon
):
    source = await daemon.source()
    task = await daemon.task(source, await daemon.s3(), ORDERS, name="orders to the lake")
    await page.goto(f"/connectors/{source}")
    await expect(page.locator("[data-test=capture]")).to_contain_text("Test the connector")
    await page.get_by_role("button", name="Test", exact=True).click()
    await expect(page.locator("[data-test=capture]")).to_contain_text("cdc")
    await page.get_by_role("button", name="Look into dbo.orders").click()
    inside = page.locator("[data-test=inside]")
    await expect(inside.get_by_role("link", name="orders to the lake")).to_have_attribute(
        "href", f"/tasks/{task}"
    )
    head = inside.locator("[data-test=sample] thead th")
    await expect(head.first).to_contain_text("o_orderkey")
    await expect(head.first).to_contain_text("int")
    await expect(head.first).to_contain_text("in the key")
    await expect(inside.locator("[data-test=sample] tbody tr")).to_have_count(20)
    await page.reload()
    await expect(inside.locator("[data-test=sample] tbody tr")).to_have_count(20)
    await page.get_by_role("button", name="Look into dbo.orders").click()
    await expect(inside).to_have_count(0)
