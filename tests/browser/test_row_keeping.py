"""What becomes of rows already there, and of their versions: chosen in the builder."""

import pytest
from playwright.async_api import Page, expect

from dtaas.model.schema import TableRef
from tests.browser.conftest import LIMIT_MS
from tests.system.conftest import Daemon

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)
NATION = TableRef("dbo", "nation")
NOWHERE = {
    "account": "nowhere",
    "user": "u",
    "authentication": "password",
    "password": "p",
    "database": "D",
    "host": "127.0.0.1",
    "port": 9,
    "protocol": "http",
    "login_timeout_s": 1,
}


async def snowflake(daemon: Daemon) -> int:
    body = {
        "name": "Warehouse",
        "connector_type": "destination",
        "destination_type": "snowflake",
        "connection_config": NOWHERE,
    }
    return int((await daemon.post("/api/connectors/", body))["id"])


async def chosen_destination(page: Page, task: int, name: str) -> None:
    await page.goto(f"/builder/{task}")
    blocks = page.locator("[data-test=pipeline], [data-test=canvas]").first
    await blocks.get_by_text(name).first.click()


async def test_a_history_is_kept_where_the_destination_can(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await snowflake(daemon), NATION)
    await chosen_destination(page, task, "Warehouse")
    history, mode = page.locator("#b-history"), page.locator("#b-write")
    await expect(history).to_be_enabled()
    await mode.select_option("truncate_insert")
    await expect(history).to_be_disabled()
    await expect(page.locator("#b-history-why")).to_contain_text("to be replaced")
    await mode.select_option("overwrite")
    await history.check()
    await expect(mode.locator("option[value=truncate_insert]")).to_be_disabled()
    await page.locator("[data-test=review]").click()
    await page.locator("[data-test=save-only]").click()
    await expect(page.locator("[data-test=status]")).to_be_visible()
    options = (await daemon.get(f"/api/tasks/{task}"))["options"]
    assert (options["history"], options["write_mode"]) == (True, "overwrite")
    await chosen_destination(page, task, "Warehouse")
    await expect(history).to_be_checked()


async def test_a_destination_that_keeps_none_says_so(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), NATION)
    name = (await daemon.get(f"/api/tasks/{task}"))["destination_connector_id"]
    connector = await daemon.get(f"/api/connectors/{name}")
    await chosen_destination(page, task, connector["name"])
    await expect(page.locator("#b-history")).to_be_disabled()
    await expect(page.locator("#b-history-why")).to_contain_text("keeps one row a key")
    await expect(page.locator("#b-write option[value=truncate_insert]")).to_be_disabled()
