"""After a restore the page asks which positions count, and the task goes on as was chosen."""

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from dtaas.model.schema import TableRef
from dtaas.sandbox.sandbox import Sandbox
from tests.browser.accessibility import violations_in_both_themes
from tests.browser.conftest import LIMIT_MS
from tests.system.conftest import Daemon
from tests.system.restored import Restored

pytestmark = pytest.mark.timeout(300)
expect.set_options(timeout=LIMIT_MS)


async def test_the_page_asks_which_positions_count(
    page: Page, daemon: Daemon, servers: Sandbox, tmp_path: Path
):
    restored = Restored(servers, TableRef("dbo", "restored_page"), tmp_path)
    task_id = await restored.begin(daemon)
    banner = page.locator("[data-test=positions]")
    status = page.locator("[data-test=status]")
    await page.goto(f"/tasks/{task_id}")
    await expect(banner).to_contain_text("The metadata come from a backup")
    await banner.get_by_role("button", name="Compare now").click()
    await expect(banner).to_contain_text("Metadata and target do not agree")
    row = banner.get_by_role("row").filter(has_text="dbo.restored_page")
    await expect(row).to_contain_text("The target is ahead")
    assert await violations_in_both_themes(page) == []

    decide = banner.get_by_role("button", name="Go on like this")
    await expect(decide).to_be_disabled()
    await row.get_by_label("What counts for dbo.restored_page").select_option("store")
    await decide.click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("dbo.restored_page: go on from the metadata")
    await expect(dialog).to_contain_text("what the target has beyond is read and written again")
    await page.locator("[data-test=confirm-yes]").click()
    await expect(banner).to_contain_text("It is decided what counts")
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(status).to_contain_text("streaming")
    await expect(banner).to_have_count(0)
    await restored.insert(5)
    await restored.until_ids(1, 2, 3, 4, 5)
    review = await daemon.get(f"/api/tasks/{task_id}/positions")
    assert (review["state"], review["tables"][0]["choice"]) == ("settled", "store")
