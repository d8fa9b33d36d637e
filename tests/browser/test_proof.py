"""Proof of arrival in the page: ordered, watched, read down to the key, repaired."""

import pytest
from playwright.async_api import Page, expect

from dtaas.model.schema import TableRef
from dtaas.sandbox.sandbox import DATABASE, Sandbox
from tests.browser.conftest import LIMIT_MS
from tests.system.conftest import ORDERS, Daemon

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)
PROVED = TableRef("dbo", "proved")


async def test_a_row_that_differs_is_named_and_repaired(
    page: Page, daemon: Daemon, servers: Sandbox
):
    await servers.sqlserver.run_script(
        "CREATE TABLE dbo.proved (id int NOT NULL PRIMARY KEY, note nvarchar(40))\nGO\n"
        "INSERT INTO dbo.proved VALUES (1, 'one'), (2, 'two'), (3, 'three')",
        database=DATABASE,
    )
    task = await daemon.task(await daemon.source(), await daemon.s3(), PROVED, ORDERS)
    await daemon.run(task)
    await servers.sqlserver.run_script(
        "UPDATE dbo.proved SET note = 'changed' WHERE id = 2\nGO\n"
        "INSERT INTO dbo.proved VALUES (4, 'four')",
        database=DATABASE,
    )
    await page.goto(f"/tasks/{task}")
    await page.get_by_role("tab", name="Verification").click()
    await expect(page.get_by_text("It was never verified.")).to_be_visible()
    await page.locator("[data-test=verify]").click()
    verdict = page.locator("[data-test=verdict]")
    await expect(verdict).to_contain_text("1 different")
    await expect(page.locator("[data-verdict='dbo.orders']")).to_contain_text("equal")
    await page.get_by_role("button", name="Rows of dbo.proved that differ").click()
    keys = page.locator("[data-test=keys] tbody tr")
    await expect(keys).to_have_count(2)
    await expect(keys.filter(has_text="id = 2")).to_contain_text("changed")
    await expect(keys.filter(has_text="id = 2")).to_contain_text("note")
    await expect(keys.filter(has_text="id = 4")).to_contain_text("missing")

    await page.locator("[data-test=repair]").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("dbo.proved: the whole table is loaded anew")
    await expect(dialog).not_to_contain_text("dbo.orders")
    await page.locator("[data-test=confirm-yes]").click()
    await expect(page.get_by_text("A repair was ordered")).to_be_visible()
    await expect(page.locator("[data-test=status]")).to_contain_text("idle")
    await page.get_by_label("Tables to verify").select_option("dbo.proved")
    await page.locator("[data-test=verify]").click()
    await expect(page.locator("[data-test=verifications] tbody tr")).to_have_count(2)
    await expect(verdict).to_contain_text("proved equal")


async def test_a_verification_is_shared_by_its_address_and_seen_while_it_runs(
    page: Page, daemon: Daemon, servers: Sandbox
):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS)
    await daemon.run(task)
    servers.sqlserver.faults.rows_per_s = 500
    try:
        order = await daemon.post(f"/api/tasks/{task}/verify", {})
        await page.goto(f"/tasks/{task}?tab=verify&verification={order['id']}")
        await expect(page.get_by_role("progressbar", name="Verification")).to_be_visible()
        await expect(page.locator("[data-verdict='dbo.orders']")).to_contain_text("comparing")
        await expect(page.locator("[data-test=verify]")).to_be_disabled()
    finally:
        servers.sqlserver.faults.rows_per_s = None
    await expect(page.locator("[data-test=verdict]")).to_contain_text("proved equal")
    await expect(page.locator("[data-test=verify]")).to_be_enabled()
