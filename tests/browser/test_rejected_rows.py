"""Rows a transformation rejected: read, sent again, thrown away; and who did it."""

import pytest
from playwright.async_api import Page, expect

from dtaas.model.schema import TableRef
from tests.browser.accessibility import violations
from tests.browser.conftest import LIMIT_MS
from tests.system.conftest import Daemon

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)
REGION = TableRef("dbo", "region")
NATION = TableRef("dbo", "nation")
CAST = {"type": "cast_type", "column": "r_name", "data_type": "bigint", "on_error": "reject"}


async def rejecting(daemon: Daemon, *tables: TableRef) -> int:
    """Return a task that ran and rejected every row of the regions."""
    rules = [{"tables": ["dbo.region"], "steps": [CAST]}]
    source, target = await daemon.source(), await daemon.s3()
    task = await daemon.task(source, target, *tables, transformations=rules)
    assert (await daemon.run(task))["failed_rows"] == 5
    return task


async def test_rejected_rows_are_read_sent_again_and_thrown_away(page: Page, daemon: Daemon):
    task = await rejecting(daemon, REGION, NATION)
    await page.goto(f"/tasks/{task}")
    await page.get_by_role("tab", name="Rejected rows").click()
    files = page.locator("[data-test=dead-letters] tbody tr[data-file]")
    await expect(files).to_have_count(1)
    await expect(files).to_contain_text("dbo.region")
    await files.get_by_role("button", name="Rows of dbo.region").click()
    rows = page.locator("[data-test=rejected-rows] tbody tr")
    await expect(rows).to_have_count(5)
    await expect(rows.filter(has_text="AFRICA")).to_contain_text("rule 1, step 1")
    async with page.expect_download() as getting:
        await page.get_by_role("button", name="Save as CSV").click()
    saved = (await (await getting.value).path()).read_text()
    assert saved.startswith('"_reason","_step","_column","r_regionkey","r_name"')
    assert saved.count("\n") >= 5

    await files.get_by_role("checkbox").check()
    await page.locator("[data-test=replay]").click()
    await expect(page.locator("[data-test=toast]")).to_contain_text("5 are still rejected")
    spec = await daemon.get(f"/api/tasks/{task}")
    mended = {
        **{key: spec[key] for key in ("name", "source_connector_id", "destination_connector_id")},
        "source_tables": spec["source_tables"],
        "transformations": [{"tables": ["dbo.region"], "steps": [{**CAST, "on_error": "null"}]}],
    }
    assert (await daemon.http.put(f"/api/tasks/{task}", json=mended)).is_success
    await files.get_by_role("checkbox").check()
    await page.locator("[data-test=replay]").click()
    await expect(page.get_by_text("5 rows pass the steps now and were appended")).to_be_visible()
    await expect(page.get_by_text("No row was rejected.")).to_be_visible()


async def test_rows_thrown_away_are_named_first_and_are_gone(page: Page, daemon: Daemon):
    task = await rejecting(daemon, REGION)
    await page.goto(f"/tasks/{task}?tab=rejected")
    await page.get_by_role("checkbox", name="Select dbo.region").check()
    await page.locator("[data-test=discard]").click()
    await expect(page.get_by_role("dialog")).to_contain_text("dbo.region, execution #")
    await page.locator("[data-test=confirm-yes]").click()
    await expect(page.get_by_text("No row was rejected.")).to_be_visible()
    assert (await daemon.get(f"/api/tasks/{task}/dead-letters"))["total"] == 0
    await page.get_by_role("tab", name="Audit").click()
    await expect(page.locator("[data-test=audit]")).to_contain_text("/dead-letters/")


async def test_a_line_of_the_log_has_an_address(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), REGION)
    execution = (await daemon.run(task))["id"]
    await page.goto(f"/tasks/{task}?tab=logs&level=debug")
    line = page.get_by_role("log").locator("[data-level]").first
    number = (await line.get_attribute("id") or "").removeprefix("line-")
    await line.get_by_role("link").click()
    await page.wait_for_url(f"**/executions/{execution}?line={number}&level=debug")
    await expect(page.locator(f"#line-{number}")).to_have_class("here")
    await page.locator("[data-test=linked]").get_by_role("button", name="To the newest").click()
    await expect(page.locator("[data-test=linked]")).to_have_count(0)


async def test_a_rejected_row_is_edited_and_sent(page: Page, daemon: Daemon):
    task = await rejecting(daemon, REGION)
    await page.goto(f"/tasks/{task}?tab=rejected")
    await page.get_by_role("button", name="Rows of dbo.region").click()
    rows = page.locator("[data-test=rejected-rows] tbody tr")
    africa = rows.filter(has_text="AFRICA")
    await africa.get_by_role("button", name="Edit row").click()
    editor = page.locator("[data-test=row-editor]")
    await editor.get_by_label("r_name string").fill("12")
    await editor.get_by_label("r_regionkey").fill("x")
    assert await violations(page) == []
    await editor.get_by_role("button", name="Save the row").click()
    await expect(editor).to_contain_text("r_regionkey is not a whole number.")
    await expect(editor.get_by_label("r_regionkey")).to_be_focused()
    await editor.get_by_label("r_regionkey").fill("7")
    await editor.get_by_role("button", name="Save the row").click()
    await expect(editor).to_have_count(0)
    mended = rows.filter(has_text="passes the steps now")
    await expect(mended).to_have_count(1)
    await expect(mended).to_contain_text("12")
    await page.locator("[data-test=send-mended]").click()
    await expect(page.locator("[data-test=toast]", has_text="1 rows pass")).to_be_visible()
    await expect(rows).to_have_count(4)
    await page.get_by_role("tab", name="Audit").click()
    await expect(page.locator("[data-test=audit]")).to_contain_text("tasks.edit")
