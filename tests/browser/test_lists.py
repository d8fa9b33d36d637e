"""Lists as people like them: tags, columns, density, and keys that act on rows."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from dtaas.sandbox.sandbox import SA_PASSWORD
from tests.browser.accessibility import violations_in_both_themes
from tests.browser.conftest import LIMIT_MS
from tests.system.conftest import ORDERS, Daemon

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)


async def test_tasks_are_tagged_together_and_found_by_tag_and_owner(page: Page, daemon: Daemon):
    source = await daemon.source()
    one = await daemon.task(source, await daemon.s3(), ORDERS, name="one", owner="Ann")
    two = await daemon.task(source, await daemon.s3(), ORDERS, name="two", tags=["old"])
    await page.goto("/tasks")
    for task in (one, two):
        await page.locator(f"[data-task='{task}'] input[type=checkbox]").check()
    bulk = page.locator("[data-test=bulk]")
    await bulk.get_by_label("Tags, parted by commas").fill("nightly, lake")
    await page.keyboard.press("Enter")
    first = page.locator(f"[data-task='{one}']")
    await expect(first.locator(".chip")).to_have_text(["nightly", "lake"])
    await bulk.get_by_label("Tags, parted by commas").fill("old")
    await bulk.get_by_role("button", name="Remove tag").click()
    second = page.locator(f"[data-task='{two}']")
    await expect(second.locator(".chip")).to_have_text(["nightly", "lake"])
    await page.get_by_role("combobox", name="Owner").select_option("Ann")
    await expect(page.locator("[data-test=count]")).to_have_text("1 of 2")
    await page.goto("/tasks")
    await first.get_by_role("link", name="lake").click()
    await expect(page).to_have_url(re.compile("tag=lake"))
    await expect(page.locator("[data-test=count]")).to_have_text("2 of 2")
    answer = await daemon.http.post(
        "/api/tasks/bulk", json={"action": "untag", "ids": [two], "tags": ["lake"]}
    )
    assert answer.is_success, answer.text
    await expect(page.locator("[data-test=count]")).to_have_text("1 of 2")


async def test_columns_and_density_are_chosen_and_kept(page: Page, daemon: Daemon):
    await daemon.task(await daemon.source(), await daemon.s3(), ORDERS)
    await page.goto("/tasks")
    head = page.locator("[data-test=tasks] thead th")
    await expect(head).to_have_count(10)
    cell = page.locator("[data-test=tasks] tbody td").first
    before = await cell.evaluate("(cell) => getComputedStyle(cell).paddingTop")
    await page.locator("[data-test=list-settings] summary").click()
    await page.get_by_label("ETA").uncheck()
    await page.get_by_label("Owner").last.uncheck()
    await page.get_by_label("compact").check()
    await page.keyboard.press("Escape")
    await expect(page.locator("[data-test=list-settings] summary")).to_be_focused()
    await expect(page.get_by_label("compact")).to_be_hidden()
    await expect(head).to_have_count(8)
    await page.reload()
    await expect(head).to_have_count(8)
    after = await cell.evaluate("(cell) => getComputedStyle(cell).paddingTop")
    assert float(after.removesuffix("px")) < float(before.removesuffix("px"))
    await page.goto("/connectors")
    await page.locator("[data-test=list-settings] summary").click()
    await page.get_by_label("Location").uncheck()
    await expect(page.locator("[data-test=connectors] th", has_text="Location")).to_have_count(0)


async def test_space_picks_a_row_and_a_dot_opens_its_menu(page: Page, daemon: Daemon):
    source = await daemon.source()
    tasks = [
        await daemon.task(source, await daemon.s3(), ORDERS, name=name) for name in ("csv", "json")
    ]
    await page.goto("/tasks")
    await expect(page.locator("[data-test=tasks] tbody tr")).to_have_count(2)
    await page.locator("h1").click()
    await page.keyboard.press("j")
    await page.keyboard.press("Space")
    box = page.locator(f"[data-task='{tasks[0]}'] input[type=checkbox]")
    await expect(box).to_be_checked()
    await page.keyboard.press("j")
    await expect(page.get_by_role("link", name="json")).to_be_focused()
    await page.keyboard.press(".")
    menu = page.get_by_role("menu", name="More for json")
    await expect(menu.get_by_role("menuitem", name="Start goes on")).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await expect(menu.get_by_role("menuitem", name="Delete")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(menu).to_have_count(0)
    await expect(page.get_by_role("link", name="json")).to_be_focused()
    await page.keyboard.press("Space")
    await page.keyboard.press("Space")
    await expect(page.locator("[data-test=bulk]")).to_contain_text("1 selected")


async def test_keys_lead_nowhere_while_a_dialog_is_open_and_the_search_finds_what_is_typed(
    page: Page, daemon: Daemon
):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS, name="nightly")
    await page.goto("/tasks")
    await expect(page.locator(f"[data-task='{task}']")).to_be_visible()
    await page.get_by_role("button", name="Help and keyboard shortcuts").click()
    await page.get_by_role("dialog", name="Keyboard shortcuts").get_by_role("table").click()
    await page.keyboard.press("n")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="Search tasks, connectors, tables and pages")
    await expect(field).to_be_focused()
    await page.keyboard.type("nigh")
    found = page.get_by_role("listbox", name="Found").get_by_role("option")
    await expect(found).to_have_count(1)
    await expect(page).to_have_url(re.compile("/tasks$"))
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(f"/tasks/{task}$"))


@pytest.mark.parametrize("width", [390, 1000])
async def test_every_action_of_a_list_is_in_sight_without_scrolling(
    page: Page, daemon: Daemon, width: int
):
    await daemon.s3()
    await page.set_viewport_size({"width": width, "height": 800})
    for address, last in (("/connectors", "Delete "), ("/alerts", "Delete the rule")):
        await page.goto(address)
        buttons = page.get_by_role("button", name=re.compile(f"^{last}"))
        await expect(buttons.first).to_be_visible()
        for button in await buttons.all():
            box = await button.bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= width
        shown = page.locator(".scroll").first
        assert await shown.evaluate("(one) => one.scrollWidth <= one.clientWidth")
        assert await violations_in_both_themes(page) == []


@pytest.mark.parametrize("width", [320, 360, 390])
async def test_the_top_bar_of_a_phone_is_one_line(page: Page, width: int):
    await page.set_viewport_size({"width": width, "height": 800})
    await page.goto("/")
    await expect(page.locator("[data-test=pill]")).to_contain_text("Live")
    box = await page.locator("header.bar").bounding_box()
    assert box is not None
    assert box["height"] < 60
    for name in ("Pause updates", "Search", "Help and keyboard shortcuts"):
        button = await page.get_by_role("button", name=name, exact=True).bounding_box()
        assert button is not None
        assert button["x"] + button["width"] <= width
        assert min(button["width"], button["height"]) >= 24


async def test_the_pages_are_in_a_menu_on_a_phone(page: Page):
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.goto("/")
    opener = page.get_by_role("button", name="Menu")
    links = page.get_by_role("navigation", name="Main").get_by_role("link")
    await expect(links).to_have_count(0)
    await opener.focus()
    await page.keyboard.press("Enter")
    menu = page.get_by_role("dialog", name="Menu")
    await expect(menu.get_by_role("button", name="Close the menu")).to_be_focused()
    assert await violations_in_both_themes(page) == []
    await page.keyboard.press("Tab")
    await expect(menu.get_by_role("link", name="Dashboard")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(menu).to_have_count(0)
    await expect(opener).to_be_focused()
    await opener.click()
    await menu.get_by_label("Theme").select_option("dark")
    await expect(page.locator("html")).to_have_class(re.compile("dark"))
    await menu.get_by_role("link", name="Connectors").click()
    await expect(page.get_by_role("heading", name="Connectors", level=1)).to_be_visible()
    await expect(menu).to_have_count(0)
    await expect(page.locator("#main")).to_be_focused()
    await opener.click()
    await page.mouse.click(380, 400)
    await expect(menu).to_have_count(0)
    await page.set_viewport_size({"width": 1440, "height": 900})
    await expect(opener).to_have_count(0)
    await expect(links.first).to_be_visible()


async def test_chosen_connectors_are_tested_exported_and_deleted_together(
    page: Page, daemon: Daemon
):
    used = await daemon.source()
    lost = await daemon.source(host="127.0.0.1", port=1, login_timeout_s=1)
    spare, lake = await daemon.s3(), await daemon.s3()
    await daemon.task(used, lake, ORDERS, name="orders to the lake")
    names = {one["id"]: one["name"] for one in (await daemon.get("/api/connectors"))["items"]}
    await page.goto("/connectors")
    rows = {one: page.locator(f"[data-connector='{one}']") for one in (used, lost, spare, lake)}
    await expect(rows[used].locator("td.num").first).to_have_text("1")
    for one in (used, lost, spare):
        await rows[one].get_by_role("checkbox").check()
    bulk = page.locator("[data-test=bulk]")
    await expect(bulk).to_contain_text("3 selected")
    await bulk.get_by_role("button", name="test").click()
    await expect(page.get_by_text("2 of 3 connectors passed their test.")).to_be_visible()
    await expect(rows[lost]).to_contain_text("failing")
    for one in (used, spare):
        await expect(rows[one]).to_contain_text("ok")
    await expect(rows[lake]).to_contain_text("not tested")
    await expect(page.get_by_role("alert").get_by_role("link", name=names[lost])).to_be_visible()
    async with page.expect_download() as saved:
        await bulk.get_by_role("button", name="export").click()
    file = await saved.value
    assert file.suggested_filename == "connectors.yaml"
    text = Path(await file.path()).read_text()
    assert [names[one] in text for one in rows] == [True, True, True, False]
    assert "${env:DTAAS_SECRET_" in text
    assert SA_PASSWORD not in text
    await bulk.get_by_role("button", name="delete").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text(f"{names[used]} is used by orders to the lake.")
    await expect(dialog.get_by_role("listitem")).to_have_count(2)
    await expect(page.locator("[data-test=confirm-yes]")).to_be_disabled()
    await page.get_by_label("Type delete 2 to go on").fill("delete 2")
    await page.locator("[data-test=confirm-yes]").click()
    for one in (lost, spare):
        await expect(rows[one]).to_have_count(0)
    left = {one["id"] for one in (await daemon.get("/api/connectors"))["items"]}
    assert {used, lake} <= left
    assert not {lost, spare} & left


async def test_connectors_are_filtered_and_sorted_by_address(page: Page, daemon: Daemon):
    source, lake = await daemon.source(), await daemon.s3()
    await daemon.task(source, lake, ORDERS)
    await page.goto("/connectors?type=s3")
    row = page.locator("[data-test=connectors] tbody tr")
    await expect(row).to_have_count(1)
    await page.get_by_role("combobox", name="Last test").select_option("failing")
    await expect(page.get_by_text("No connector matches.")).to_be_visible()
    await page.get_by_role("button", name="Clear the filters").click()
    await expect(row).to_have_count(2)
    await page.get_by_role("button", name="Type").click()
    await expect(page).to_have_url(re.compile("sort=type"))
    await expect(row.first).to_have_attribute("data-connector", str(lake))
    await page.get_by_role("button", name="Type").click()
    await expect(row.first).to_have_attribute("data-connector", str(source))


async def test_the_dashboard_says_what_starts_next(page: Page, daemon: Daemon):
    source = await daemon.source()
    often, seldom = [
        await daemon.task(
            source, await daemon.s3(), ORDERS, name=name, schedule_type="cron",
            schedule={"cron": cron},
        )
        for name, cron in (("often", "0 3 1 * *"), ("seldom", "0 4 1 1 *"))
    ]  # fmt: skip
    await page.goto("/")
    agenda = page.locator("[data-test=agenda] li")
    await expect(agenda).to_have_count(2)
    await expect(agenda.first).to_contain_text(re.compile(r"often.*in \d+ "))
    await expect(agenda.get_by_role("link").first).to_have_attribute("href", f"/tasks/{often}")
    gone = await daemon.http.delete(f"/api/tasks/{often}")
    assert gone.is_success, gone.text
    await expect(agenda.first).to_contain_text(re.compile(r"seldom.*in \d+ "))
    await expect(agenda.get_by_role("link").first).to_have_attribute("href", f"/tasks/{seldom}")


async def test_the_dashboard_shows_the_lag_and_what_is_kept_of_what_streams(
    page: Page, daemon: Daemon
):
    task = await daemon.task(
        await daemon.source(), await daemon.s3(), ORDERS, mode="full_load_then_cdc"
    )
    await daemon.control(task, "start")
    await daemon.until_status(task, "streaming")
    await page.goto("/?range=7d")
    tile = page.locator(".tile")
    sampled = 60_000
    for name in ("CDC lag, worst", "Changes are kept for", "Free disk"):
        value = tile.filter(has_text=name).locator(".value")
        await expect(value).to_have_text(re.compile(r"\d"), timeout=sampled)
    curve = page.get_by_role("img", name=re.compile("Worst CDC lag: now"))
    await expect(curve).to_be_visible(timeout=sampled)
