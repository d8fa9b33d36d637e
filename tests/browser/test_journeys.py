"""What people do with the page, from the first visit on."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from dtaas.sandbox.sandbox import DATABASE, SA_PASSWORD, Sandbox
from tests.browser.accessibility import violations
from tests.browser.conftest import LIMIT_MS
from tests.system.conftest import LINEITEM, ORDERS, Daemon

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)


async def test_a_connector_is_filled_from_a_pasted_text_tested_and_saved(
    page: Page, servers: Sandbox
):
    await page.goto("/")
    await expect(page.get_by_role("heading", name="First steps")).to_be_visible()
    await page.get_by_role("link", name="Add a connector").click()
    await page.get_by_role("button", name=re.compile("SQL Server")).click()
    await page.locator("#f-name").fill("shop")
    server = servers.sqlserver
    await page.locator("#f-paste").fill(
        f"Server={server.host},{server.port};Database={DATABASE};User Id=sa;Password=wrong;"
        "TrustServerCertificate=yes"
    )
    await page.keyboard.press("Tab")
    steps = page.locator("[data-test=steps]")
    await page.locator("[data-test=test]").click()
    await expect(steps.get_by_text("failed").first).to_be_visible()
    await page.locator("#f-password").fill(SA_PASSWORD)
    await page.locator("[data-test=test]").click()
    await expect(steps).not_to_contain_text("failed")
    await expect(steps).to_have_attribute("aria-busy", "false")
    await page.locator("[data-test=save]").click()
    row = page.locator("[data-test=connectors] tr", has_text="shop")
    await expect(row).to_contain_text("ok")
    assert SA_PASSWORD not in await page.content()


async def test_a_missing_field_is_named_and_gets_the_focus(page: Page):
    await page.goto("/connectors?new=1")
    await page.get_by_role("button", name=re.compile("SQL Server")).click()
    await page.locator("[data-test=save]").click()
    await expect(page.get_by_text("Host is required.")).to_be_visible()
    await expect(page.locator("#f-name")).to_be_focused()


async def test_a_task_is_built_by_mouse_and_its_rows_are_watched(
    page: Page, daemon: Daemon, tmp_path: Path
):
    source = await daemon.source()
    (tmp_path / "lake").mkdir()
    await daemon.folder(tmp_path / "lake")
    await page.goto(f"/builder?source={source}")
    await page.get_by_label("Name of the task").fill("orders to the lake")
    await page.get_by_label("dbo.orders", exact=True).check()
    palette = page.get_by_role("region", name="Blocks")
    await palette.get_by_role("button", name=re.compile("^folder ")).drag_to(
        page.locator("[data-test=canvas]")
    )
    await expect(page.get_by_role("heading", name="Destination", exact=True)).to_be_visible()
    await page.get_by_label("Target of dbo.orders").fill("raw/orders")
    await page.get_by_label("Target of dbo.orders").press("Enter")
    await page.locator("[data-test=review]").click()
    await expect(page.locator("[data-test=diff]")).to_contain_text("- raw")
    await page.locator("[data-test=save-run]").click()
    await expect(page.get_by_role("heading", name="orders to the lake")).to_be_visible()
    row = page.locator("[data-table='dbo.orders']")
    await expect(row).to_contain_text("done")
    await expect(row).to_contain_text("100 %")
    await expect(page.locator("[data-test=status]")).to_contain_text("idle")
    assert list((tmp_path / "lake" / "raw" / "orders").rglob("*.parquet"))


async def test_a_task_is_built_with_the_keyboard_alone_on_a_phone(
    page: Page, daemon: Daemon, tmp_path: Path
):
    source = await daemon.source()
    (tmp_path / "lake").mkdir()
    folder = await daemon.folder(tmp_path / "lake")
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.goto(f"/builder?source={source}&tables=dbo.region")
    await expect(page.locator("[data-test=pipeline]")).to_be_visible()
    await page.get_by_label("Name of the task").focus()
    await page.keyboard.type("by keys")
    await page.locator("[data-test=pipeline] button", has_text="destination").focus()
    await page.keyboard.press("Enter")
    await page.locator("#b-destination").focus()
    await page.keyboard.type("folder")
    await page.locator("[data-test=review]").press("Enter")
    await page.locator("[data-test=save-only]").press("Enter")
    await expect(page.get_by_role("heading", name="by keys")).to_be_visible()
    task = (await daemon.get("/api/tasks/?q=by%20keys"))["items"][0]
    assert task["destination_connector_id"] == folder
    assert task["source_tables"] == [{"schema": "dbo", "name": "region"}]


async def slow_task(daemon: Daemon, **spec: object) -> int:
    """Return a task that is at work until it is stopped."""
    source = await daemon.source(read_rate_limit_mb_s=0.2)
    return await daemon.task(source, await daemon.s3(), LINEITEM, ORDERS, **spec)


async def test_every_state_is_shown_honestly(page: Page, daemon: Daemon):
    task = await slow_task(daemon)
    await page.goto(f"/tasks/{task}")
    status = page.locator("[data-test=status]")
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(status).to_contain_text("running")
    await expect(page.locator("[data-table='dbo.lineitem']")).to_contain_text("copying")
    await page.get_by_role("button", name="Pause", exact=True).click()
    await expect(status).to_contain_text("paused")
    marks = page.get_by_role("list", name="What happened, Throughput")
    await expect(marks).to_contain_text("paused")
    await page.get_by_role("button", name="Resume").click()
    await expect(status).to_contain_text("running")
    await page.get_by_role("button", name="Stop…").click()
    await page.locator("[data-test=confirm-yes]").click()
    await expect(status).to_contain_text("stopped")
    await expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()


async def test_a_daemon_that_dies_makes_the_page_say_so_and_come_back(page: Page, daemon: Daemon):
    await page.goto("/tasks")
    pill = page.locator("[data-test=pill]")
    await expect(pill).to_contain_text("Live")
    await daemon.kill()
    await expect(pill).to_contain_text("Reconnecting")
    await expect(page.locator("[data-test=banner]")).to_contain_text("values may be old")
    await daemon.start()
    await expect(pill).to_contain_text("Live")
    await expect(page.locator("[data-test=banner]")).to_have_count(0)
    made = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS)
    await expect(page.locator(f"[data-task='{made}']")).to_be_visible()


async def test_a_part_that_cannot_be_loaded_from_a_dead_daemon_leaves_the_page_open(
    page: Page, daemon: Daemon
):
    await page.goto("/builder")
    name = page.get_by_label("Name of the task")
    await name.fill("half written")
    await expect(page.locator("[data-test=kept]")).to_contain_text("Draft · kept")
    await daemon.kill()
    await page.get_by_role("link", name="Settings").click()
    await expect(page.locator("[data-test=toast]")).to_contain_text("the daemon does not answer")
    await expect(name).to_have_value("half written")
    await daemon.start()
    await expect(page.locator("[data-test=pill]")).to_contain_text("Live")
    await page.get_by_role("link", name="Settings").click()
    await expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    assert await page.evaluate("document.styleSheets.length") > 1


@pytest.mark.parametrize("gone", ["tasks", "connectors", "executions", "builder"])
async def test_what_is_not_there_is_said_with_a_way_on(page: Page, gone: str):
    await page.goto(f"/{gone}/9999")
    await expect(
        page.get_by_role("heading", name=re.compile("^There is no .* 9999$"))
    ).to_be_visible()
    assert await violations(page) == []
    await page.get_by_role("alert").get_by_role("link", name="Connectors").click()
    await page.wait_for_url("**/connectors")


async def test_a_bulk_stop_hits_only_what_was_selected_even_after_a_reload(
    page: Page, daemon: Daemon
):
    tasks = [await slow_task(daemon) for _ in range(3)]
    for task in tasks:
        await daemon.control(task, "start")
        await daemon.until_status(task, "running")
    await page.goto("/tasks?status=working")
    boxes = [page.locator(f"[data-task='{task}'] input[type=checkbox]") for task in tasks]
    for box in boxes:
        await box.check()
    await boxes[2].uncheck()
    await page.reload()
    await expect(page.locator("[data-test=count]")).to_contain_text("3 of 3")
    await expect(page.locator("[data-test=bulk]")).to_contain_text("2 selected")
    for box, chosen in zip(boxes, (True, True, False), strict=True):
        await expect(box).to_be_checked(checked=chosen)
    await page.locator("[data-test=bulk]").get_by_role("button", name="stop").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text(f"#{tasks[0]}")
    await expect(dialog).not_to_contain_text(f"#{tasks[2]},")
    await page.locator("[data-test=confirm-yes]").click()
    for task in tasks[:2]:
        await daemon.until_status(task, "stopped")
    assert (await daemon.get(f"/api/tasks/{tasks[2]}"))["status"] == "running"
    await expect(page.locator("[data-test=count]")).to_contain_text("1 of 3")


async def test_what_is_exported_and_imported_again_changes_nothing(page: Page, daemon: Daemon):
    task = await daemon.task(
        await daemon.source(), await daemon.s3(), ORDERS, LINEITEM, schedule_type="interval",
        schedule_interval_seconds=3600,
    )  # fmt: skip
    await page.goto(f"/builder/{task}")
    await page.get_by_role("tab", name="YAML").click()
    text = await page.locator("#b-yaml").input_value()
    assert "apiVersion: dtaas/v1" in text
    await page.locator("#b-yaml").fill("name: [")
    await expect(page.get_by_text("Line 1:")).to_be_visible()
    await page.locator("#b-yaml").fill(text)
    await expect(page.locator("[data-test=kept]")).to_contain_text("No changes")
    await page.locator("#b-yaml").fill(text.replace("3600", "60"))
    await expect(page.locator("[data-test=kept]")).to_contain_text("Draft · kept")
    await page.reload()
    await expect(page.locator("[data-test=kept]")).to_contain_text("Draft")
    await page.get_by_role("tab", name="YAML").click()
    assert "schedule_interval_seconds: 60" in await page.locator("#b-yaml").input_value()


async def test_two_people_do_not_overwrite_each_other(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS)
    await page.goto(f"/builder/{task}")
    await page.get_by_label("Name of the task").fill("mine")
    spec = {
        key: value
        for key, value in (await daemon.get(f"/api/tasks/{task}")).items()
        if key
        in {"name", "source_connector_id", "destination_connector_id", "source_tables", "mode"}
    }
    answer = await daemon.http.put(f"/api/tasks/{task}", json={**spec, "description": "theirs"})
    assert answer.is_success, answer.text
    await page.locator("[data-test=review]").click()
    await page.locator("[data-test=save-only]").click()
    asked = page.get_by_role("dialog", name="Somebody else changed this task meanwhile")
    await expect(asked).to_contain_text("+ name: mine")
    stored = await daemon.get(f"/api/tasks/{task}")
    assert stored["description"] == "theirs"
    await asked.locator("[data-test=take-theirs]").click()
    await expect(page.get_by_label("Name of the task")).to_have_value(stored["name"])


async def test_five_hundred_tables_are_found_and_chosen_by_pattern(page: Page, daemon: Daemon):
    source = await daemon.source()
    tables = [
        {
            "table": {"schema": "shop" if at % 2 else "erp", "name": f"table_{at:03}"},
            "row_count": at, "data_bytes": 1000 * at, "key": ["id"], "column_count": 3,
            "cdc_enabled": False, "partitions": 1, "unsupported": [], "warnings": [],
        }
        for at in range(500)
    ]  # fmt: skip
    whole = {"items": tables, "total": 500, "limit": 1000, "offset": 0}
    await page.route("**/api/connectors/*/tables*", lambda route: route.fulfill(json=whole))
    await page.goto(f"/builder?source={source}")
    await page.get_by_label(re.compile("^Tables ·")).fill("shop.*_4* -*49*")
    await expect(page.get_by_text("All of the 44 found")).to_be_visible()
    await page.get_by_label("All of the 44 found").check()
    await expect(page.get_by_text("Tables · 44 chosen")).to_be_visible()
    await page.get_by_label(re.compile("^Tables ·")).fill("")
    await expect(page.get_by_text("All of the 500 found")).to_be_visible()


async def test_a_part_of_the_page_that_is_gone_loads_the_new_page(page: Page):
    await page.goto("/")
    await page.evaluate("window.old = true")
    await page.route("**/assets/SettingsPage-*.js", lambda route: route.abort())
    async with page.expect_event("load"):
        await page.get_by_role("link", name="Settings").click()
    await page.unroute("**/assets/SettingsPage-*.js")
    await expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    await page.get_by_role("link", name="Settings").click()
    await expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    assert await page.evaluate("window.old") is None


async def test_keys_go_places_and_search_finds_tasks(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS, name="needle")
    await page.goto("/")
    await expect(page.locator("[data-test=pill]")).to_contain_text("Live")
    await page.keyboard.press("g")
    await page.keyboard.press("t")
    await expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("Keyboard shortcuts")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Control+k")
    await page.get_by_role("combobox", name=re.compile("^Search")).fill("needl")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/tasks/{task}")
    await page.goto("/no/such/page")
    await expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()


@pytest.mark.parametrize("part", ["SettingsPage", "AlertsPage"])
async def test_a_page_that_cannot_be_drawn_says_so_and_leaves_the_others_alone(
    chromium: Browser, daemon: Daemon, part: str
):
    context = await chromium.new_context(base_url=str(daemon.http.base_url))
    page = await context.new_page()
    throws = "{ throw new Error('broken on purpose') }"
    parts = {
        "SettingsPage": f"export default {{ setup() {throws} }}",
        "AlertsPage": f"export default {{ render() {throws} }}",
    }
    await page.route(
        f"**/assets/{part}-*.js",
        lambda route: route.fulfill(body=parts[part], content_type="text/javascript"),
    )
    await page.goto(f"/{part.removesuffix('Page').lower()}")
    broken = page.locator("[data-test=broken]")
    await expect(broken).to_contain_text("broken on purpose")
    assert await violations(page) == []
    await broken.get_by_role("link", name="Tasks").click()
    await expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    await expect(broken).to_have_count(0)
    await context.close()
