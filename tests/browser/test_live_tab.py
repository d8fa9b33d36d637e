"""The Live and Runs tabs of a task: positions, single tables left out, tables of a run over time."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.accessibility import violations
from tests.browser.conftest import LIMIT_MS
from tests.system.conftest import LINEITEM, ORDERS, Daemon, TableRef

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)
CUSTOMER = TableRef("dbo", "customer")
REGION = TableRef("dbo", "region")


async def test_a_stream_is_left_out_and_comes_back_at_its_position(page: Page, daemon: Daemon):
    task = await daemon.task(
        await daemon.source(), await daemon.s3(), CUSTOMER, REGION, mode="full_load_then_cdc"
    )
    await daemon.control(task, "start")
    await daemon.until_status(task, "streaming")
    await page.goto(f"/tasks/{task}")
    rows = page.locator("[data-test=live-tables] tbody tr[data-table]")
    await expect(rows.filter(has_text="streaming")).to_have_count(2)

    positions = page.locator("[data-test=applied]")
    lsn = re.compile(r"[0-9a-f]{20}")
    await expect(positions.locator("code")).to_have_text([lsn, lsn])
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await positions.get_by_role("button", name="Copy the captured LSN").click()
    await expect(page.get_by_text("The captured LSN is copied.")).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert lsn.fullmatch(copied)

    customer = rows.and_(page.locator("[data-table='dbo.customer']"))
    menu = page.get_by_role("menu", name="Actions for dbo.customer")
    await customer.get_by_role("button", name="Actions for dbo.customer").click()
    await expect(menu.get_by_role("menuitem").first).to_be_focused()
    assert await violations(page) == []
    await page.keyboard.press("Escape")
    await expect(menu).to_have_count(0)
    await expect(customer.get_by_role("button")).to_be_focused()
    await page.keyboard.press("Enter")
    await menu.get_by_role("menuitem", name="Leave out of this run").click()
    await expect(customer).to_contain_text("left out")
    await expect(rows.filter(has_text="dbo.region")).to_contain_text("streaming")
    toast = page.locator("[data-test=toast]", has_text="dbo.customer is left out of this run.")
    await expect(toast).to_be_visible()
    tables = (await daemon.get(f"/api/tasks/{task}/executions?limit=1"))["items"][0]
    found = await daemon.get(f"/api/executions/{tables['id']}")
    assert {one["table"]["name"]: one["phase"] for one in found["tables"]} == {
        "customer": "skipped",
        "region": "streaming",
    }
    await toast.get_by_role("button", name="Undo").click()
    await expect(customer).to_contain_text("streaming")

    region = page.get_by_role("menu", name="Actions for dbo.region")
    for name in ("customer", "region"):
        await page.get_by_role("button", name=f"Actions for dbo.{name}").click()
        await page.get_by_role("menuitem", name="Leave out of this run").click()
    await expect(page.get_by_text("Nothing of the execution would be left.")).to_be_visible()
    await expect(region).to_have_count(0)


async def test_the_tables_of_a_run_lie_on_an_axis_of_their_own(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS, REGION)
    execution = (await daemon.run(task))["id"]
    await page.goto(f"/tasks/{task}?tab=runs")
    fold = page.get_by_role("button", name=f"Tables of execution #{execution}")
    await fold.click()
    lanes = page.locator("[data-test=run-lanes] [data-lane]")
    await expect(lanes).to_have_count(2)
    orders = lanes.filter(has_text="dbo.orders")
    await expect(orders).to_contain_text("✓ done")
    await expect(orders).to_contain_text("copying")
    await expect(orders.locator(".bar.is-copying")).to_have_count(1)
    await expect(page.locator(".here")).to_have_count(0)  # it ended: all there is ends with it
    assert await violations(page) == []
    await page.get_by_label("Span").select_option("24")
    await expect(page.locator(".here")).to_have_text("now")
    await page.get_by_role("button", name="Zoom in").click()
    await expect(page.get_by_label("Span")).to_have_value("6")
    await page.get_by_role("button", name="Earlier").click()
    await expect(page).to_have_url(re.compile(r"until=.*"))
    await page.get_by_role("button", name="Now", exact=True).click()
    await page.reload()
    await expect(lanes).to_have_count(2)  # what is open is part of the address
    await fold.click()
    await expect(lanes).to_have_count(0)


async def test_a_load_says_what_held_it_up(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS)
    done = await daemon.get(f"/api/executions/{(await daemon.run(task))['id']}")
    [table] = done["tables"]
    shares = [table[name] for name in ("read_share", "transform_share", "write_share")]
    assert all(0 <= share <= 1 for share in shares)
    assert sum(shares) > 0
    assert table["transform_share"] == 0  # the task has no steps
    await page.goto(f"/tasks/{task}")
    await expect(page.locator("[data-test=pace]")).to_contain_text("Was held up by")
    row = page.locator("[data-table='dbo.orders']")
    await expect(row.get_by_title(re.compile("reading .* writing .* of the time"))).to_be_visible()


async def test_figures_that_come_ask_nothing_of_the_daemon(page: Page, daemon: Daemon):
    task = await daemon.task(
        await daemon.source(read_rate_limit_mb_s=0.3), await daemon.s3(), LINEITEM, batch_size_mb=1
    )
    await daemon.control(task, "start")
    await daemon.until_status(task, "running")
    await page.goto(f"/tasks/{task}")
    rows = page.locator("[data-table='dbo.lineitem'] .rows")
    await expect(rows).to_contain_text(re.compile(r"[1-9]\d* %"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for _ in range(3):
        await expect(rows).not_to_have_text(await rows.inner_text())
    assert [url for url in asked if "schema-changes" in url or "executions" in url] == []
    await daemon.control(task, "stop", force=True)
