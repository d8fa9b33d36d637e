"""The list of tasks: health, lag, what can be done with a row, and what a pause costs."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.accessibility import violations_in_both_themes
from tests.browser.conftest import LIMIT_MS
from tests.system.conftest import LINEITEM, ORDERS, Daemon

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)


async def test_a_row_has_a_menu_with_a_dry_run_and_a_start_of_some_tables(
    page: Page, daemon: Daemon
):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS, LINEITEM, name="two")
    await page.emulate_media(reduced_motion="reduce", color_scheme="light")
    await page.goto("/tasks")
    opener = page.get_by_role("button", name="More for two")
    menu = page.get_by_role("menu", name="More for two")
    await opener.click()
    await expect(menu).to_be_visible()
    assert await violations_in_both_themes(page) == []
    await menu.get_by_role("menuitem", name="Dry run").click()
    dry = page.get_by_role("dialog", name="Dry run of two")
    await expect(dry.locator("[data-test=plan] tbody tr")).to_have_count(2)
    assert await violations_in_both_themes(page) == []
    await page.keyboard.press("Escape")
    await expect(dry).to_have_count(0)
    assert (await daemon.get(f"/api/tasks/{task}/executions"))["total"] == 0
    await opener.click()
    await menu.get_by_role("menuitem", name="Start some tables").click()
    some = page.get_by_role("dialog", name="Start some tables of two")
    await some.get_by_role("checkbox", name=str(ORDERS)).check()
    await some.locator("[data-test=start-chosen]").click()
    await expect(page.locator(f"[data-task='{task}'] [data-test=spark]")).to_be_visible()
    await daemon.until_status(task, "idle")
    (run,) = (await daemon.get(f"/api/tasks/{task}/executions"))["items"]
    tables = (await daemon.get(f"/api/executions/{run['id']}"))["tables"]
    assert [one["table"]["name"] for one in tables] == [ORDERS.name]


async def test_health_stands_beside_the_state_and_is_a_filter_of_the_address(
    page: Page, daemon: Daemon
):
    source = await daemon.source()
    done, never, drifted = [
        await daemon.task(source, await daemon.s3(), ORDERS, name=name)
        for name in ("done", "never", "drifted")
    ]
    await daemon.run(done)
    waiting = {"task_id": drifted, "changes": 2, "tables": 1, "since": "2026-01-05T12:00:00Z"}
    await page.route(
        "**/api/tasks/schema-changes/undecided",
        lambda route: route.fulfill(json={"items": [waiting]}),
    )
    await page.goto("/tasks")
    for task, health in ((done, "ok"), (never, "unknown"), (drifted, "drift pending")):
        pill = page.locator(f"[data-task='{task}'] [data-test=health]")
        await expect(pill).to_contain_text(health)
    await page.get_by_role("combobox", name="Health").select_option("drift pending")
    await expect(page).to_have_url(re.compile("health=drift"))
    await expect(page.locator("[data-test=count]")).to_have_text("1 of 3")
    await page.goto("/tasks?health=ok")
    await expect(page.locator("[data-test=tasks] tbody tr")).to_have_count(1)
    await expect(page.locator(f"[data-task='{done}']")).to_be_visible()


async def test_a_pause_of_a_stream_says_how_long_changes_are_kept(page: Page, daemon: Daemon):
    task = await daemon.task(
        await daemon.source(), await daemon.s3(), ORDERS, mode="full_load_then_cdc", name="shop"
    )
    await daemon.control(task, "start")
    await daemon.until_status(task, "streaming")
    await page.goto("/tasks?sort=-lag_s")
    row = page.locator(f"[data-task='{task}']")
    await expect(row.locator("[data-test=health]")).to_contain_text("ok")
    await row.get_by_role("button", name="Pause shop").click()
    dialog = page.get_by_role("dialog", name="Pause “shop”?")
    await expect(dialog).to_contain_text(
        re.compile(r"Changes are kept for \d.* more; then a re-load is needed\.")
    )
    await page.locator("[data-test=confirm-yes]").click()
    await daemon.until_status(task, "paused")
    await expect(row).to_contain_text("paused")
    await expect(row.locator("[data-test=health]")).to_contain_text("unknown")


async def test_a_table_is_found_by_its_name_and_leads_to_its_task(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), LINEITEM, name="shop")
    await page.goto("/")
    await page.locator("h1").click()
    await page.keyboard.press("Control+k")
    await page.get_by_role("combobox", name="Search tasks, connectors, tables").fill("DBO.lineI")
    option = page.get_by_role("option", name=f"table {LINEITEM} in shop")
    await expect(option).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(f"/tasks/{task}$"))


async def test_a_phone_tells_of_alerts_while_its_menu_is_closed(page: Page):
    firing = {"id": 1, "acknowledged_at": None}
    await page.route(
        "**/api/alerts/events?*",
        lambda route: route.fulfill(json={"items": [firing], "total": 1, "limit": 1, "offset": 0}),
    )
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.goto("/settings")
    await expect(page.get_by_role("button", name="Menu, 1 firing")).to_be_visible()
    await expect(page.locator("[data-test=menu-alerts]")).to_have_text("1")
    assert await violations_in_both_themes(page) == []


@pytest.mark.parametrize("width", [320, 390])
async def test_a_phone_has_all_of_a_row_in_sight(page: Page, daemon: Daemon, width: int):
    task = await daemon.task(
        await daemon.source(read_rate_limit_mb_s=0.2),
        await daemon.s3(), LINEITEM, ORDERS, name="a copy of a long name that somebody gave it",
    )  # fmt: skip
    await daemon.control(task, "start")
    await daemon.until_status(task, "running")
    await page.set_viewport_size({"width": width, "height": 800})
    await page.goto("/tasks")
    row = page.locator(f"[data-task='{task}']")
    await expect(row).to_contain_text(re.compile(r"\d %"))
    for name in ("Pause", "Stop…", "More for"):
        await expect(row.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    assert await violations_in_both_themes(page) == []
    assert await hidden_sideways(page, "Tasks") == 0
    await row.get_by_role("link").first.click()
    table = page.get_by_role("row").filter(has_text=str(LINEITEM))
    await expect(table.get_by_role("progressbar")).to_be_visible()
    await expect(table.get_by_role("button", name="Actions for")).to_be_visible()
    assert await hidden_sideways(page, "Tables") == 0
    assert await violations_in_both_themes(page) == []
    await daemon.control(task, "stop", force=True)


async def hidden_sideways(page: Page, region: str) -> int:
    """Return how many pixels of a table are found by scrolling sideways only."""
    box = page.get_by_role("region", name=region, exact=True)
    return int(await box.evaluate("(one) => one.scrollWidth - one.clientWidth"))
