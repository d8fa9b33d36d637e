"""What a source has, read in the page."""

import os

import pytest
from playwright.async_api import Page, expect

from dtaas.model.schema import TableRef
from dtaas.sandbox.sandbox import DATABASE, SA_PASSWORD, Sandbox
from tests.browser.accessibility import violations_in_both_themes
from tests.browser.conftest import LIMIT_MS
from tests.integration.sqlserver_source.database import Database
from tests.system.conftest import ORDERS, Daemon

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)
NATION = TableRef("dbo", "nation")


async def test_a_table_shows_its_columns_its_rows_and_the_tasks_that_move_it(
    page: Page, daemon: Daemon
):
    source = await daemon.source()
    task = await daemon.task(source, await daemon.s3(), ORDERS, name="orders to the lake")
    await page.goto(f"/connectors/{source}")
    await page.get_by_role("button", name="Test", exact=True).click()
    await expect(page.locator("[data-test=steps]").first).to_contain_text("CDC")
    await page.get_by_role("tab", name="Tables").click()
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


async def test_capture_instances_are_shown_with_who_reads_them_and_ours_is_dropped(
    page: Page, daemon: Daemon, servers: Sandbox
):
    theirs = f"theirs_{os.urandom(3).hex()}"
    database = Database(servers.sqlserver, DATABASE, SA_PASSWORD)
    await database.run(
        "IF (SELECT is_cdc_enabled FROM sys.databases WHERE name = DB_NAME()) = 0"
        " EXEC sys.sp_cdc_enable_db",
        f"EXEC sys.sp_cdc_enable_table N'dbo', N'supplier', NULL, N'{theirs}', NULL, NULL,"
        " N'[s_suppkey], [s_name]'",
    )
    source = await daemon.source()
    task = await daemon.task(
        source, await daemon.s3(), NATION, name="nations", mode="full_load_then_cdc"
    )
    await daemon.control(task, "start")
    await daemon.until_status(task, "streaming")
    await page.goto(f"/connectors/{source}?tab=capture")
    panel = page.locator("[data-test=capture]")
    await expect(panel).to_contain_text("On in this database")
    await expect(panel).to_contain_text("Changes are kept for 3 d")
    await expect(panel).to_contain_text("The capture job runs")
    alien = panel.locator(f"[data-instance='{theirs}']")
    await expect(alien).to_contain_text("by somebody else")
    await expect(alien).to_contain_text("2 of 7")
    await expect(alien).to_contain_text("not captured: s_address")
    await expect(alien.get_by_role("button", name="Drop")).to_have_count(0)
    ours = panel.locator("tr", has_text="dbo.nation")
    await expect(ours).to_contain_text("by a task")
    await expect(ours.get_by_role("link", name="nations")).to_have_attribute(
        "href", f"/tasks/{task}"
    )
    await expect(ours.get_by_role("button", name="Drop")).to_be_disabled()
    name = await ours.get_attribute("data-instance")
    refused = await daemon.http.delete(f"/api/connectors/{source}/captures/{name}")
    assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
    assert "'nations'" in refused.json()["detail"]
    refused = await daemon.http.delete(f"/api/connectors/{source}/captures/{theirs}")
    assert refused.status_code == 400
    await page.emulate_media(reduced_motion="reduce")
    assert await violations_in_both_themes(page) == []
    await daemon.control(task, "stop")
    await daemon.until_status(task, "stopped")
    answer = await daemon.http.delete(f"/api/tasks/{task}")
    assert answer.is_success, answer.text
    await panel.get_by_role("button", name="Refresh").click()
    await expect(ours).to_contain_text("no task here")
    await ours.get_by_role("button", name="Drop").click()
    await expect(page.get_by_role("dialog")).to_contain_text("dbo.nation")
    await page.locator("[data-test=confirm-yes]").click()
    await expect(ours).to_have_count(0)
    left = await database.run("EXEC sys.sp_cdc_help_change_data_capture N'dbo', N'nation'")
    assert [row[2] for row in left if row[2] == name] == []
    await database.run(f"EXEC sys.sp_cdc_disable_table N'dbo', N'supplier', N'{theirs}'")
    await database.aclose()


async def test_a_destination_and_a_name_there_is_not_are_refused(daemon: Daemon):
    target = await daemon.s3()
    answer = await daemon.http.get(f"/api/connectors/{target}/captures")
    assert answer.status_code == 400
    assert "destination" in answer.json()["detail"]
    source = await daemon.source()
    answer = await daemon.http.delete(f"/api/connectors/{source}/captures/nobody")
    assert answer.status_code == 404
