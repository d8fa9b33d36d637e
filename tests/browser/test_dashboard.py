"""The first page: charts that lead to tasks, and what needs attention; and the daemon's own state."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import LIMIT_MS
from tests.system.conftest import ORDERS, Daemon

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)


async def test_a_stretch_of_a_chart_leads_to_the_tasks_that_ran_then(page: Page, daemon: Daemon):
    source = await daemon.source()
    ran, rested = [
        await daemon.task(source, await daemon.s3(), ORDERS, name=name)
        for name in ("ran", "rested")
    ]
    await daemon.run(ran)
    await page.goto("/?range=24h")
    charts = page.locator("[data-test=charts] > section")
    await expect(charts).to_have_count(3)
    ended = charts.nth(2)
    picture = ended.get_by_role("img", name=re.compile("✓ completed: now .*, highest 1;"))
    await expect(picture).to_be_visible()
    curve = ended.get_by_role("button", name="✓ completed", exact=True)
    await curve.click()
    await expect(curve).to_have_attribute("aria-pressed", "false")
    await page.get_by_role("button", name="Show Runs that ended as table").click()
    one = page.locator("td:nth-child(2)", has_text=re.compile("^1$"))
    await ended.get_by_role("row").filter(has=one).get_by_role("button").click()
    await expect(page).to_have_url(re.compile(r"/tasks\?since=.*&until="))
    await expect(page.locator("[data-test=count]")).to_have_text("1 of 2")
    await expect(page.locator(f"[data-task='{ran}']")).to_be_visible()
    await page.locator("[data-test=ran]").get_by_role("button", name="At any time").click()
    await expect(page.locator(f"[data-task='{rested}']")).to_be_visible()
    await expect(page).to_have_url(re.compile("/tasks$"))


async def test_a_click_into_a_chart_leads_there_too_and_the_scale_may_be_logarithmic(
    page: Page, daemon: Daemon
):
    await daemon.run(await daemon.task(await daemon.source(), await daemon.s3(), ORDERS))
    await page.goto("/")
    lag = page.locator("[data-test=charts] > section").nth(1)
    button = lag.get_by_role("button", name="Logarithmic scale for Worst CDC lag")
    await expect(button).to_have_attribute("aria-pressed", "false")
    await button.click()
    await expect(button).to_have_attribute("aria-pressed", "true")
    await page.get_by_role("combobox", name="Unit of the throughput").select_option("bytes/s")
    await expect(page).to_have_url(re.compile("unit=mb_s"))
    await lag.get_by_role("img").click()
    await expect(page).to_have_url(re.compile(r"/tasks\?since="))


async def test_what_needs_attention_says_since_when_and_what_to_do(page: Page, daemon: Daemon):
    lost = await daemon.source(host="127.0.0.1", port=1, login_timeout_s=1)
    await daemon.post(f"/api/connectors/{lost}/test")
    task = await daemon.task(
        lost, await daemon.s3(), ORDERS, name="shop", options={"max_attempts": 1}
    )
    await daemon.control(task, "start")
    await page.goto("/")
    attention = page.locator("[data-test=attention]")
    failing = attention.locator("[data-kind=connector_failing]")
    await expect(failing).to_contain_text(re.compile(r"for \d"))
    await expect(failing.get_by_role("link", name="Test it again")).to_have_attribute(
        "href", f"/connectors/{lost}"
    )
    task_of = attention.locator("[data-kind=task_retrying], [data-kind=task_failed]")
    await task_of.get_by_role("link", name="See why: shop").click()
    await expect(page).to_have_url(re.compile(f"/tasks/{task}\\?tab=logs"))


async def test_settings_show_limits_and_make_a_backup(page: Page, daemon: Daemon):
    await page.goto("/settings")
    limits = page.locator("[data-test=limits]")
    await expect(
        limits.get_by_role("row", name="Tasks pause when the disk is full")
    ).to_contain_text("from 97 % on")
    backups = page.locator("[data-test=backups]")
    await expect(backups).to_contain_text("No backup in the data folder yet.")
    await backups.get_by_role("button", name="Back up now").click()
    await expect(backups.locator("tbody tr")).to_have_count(1)
    (made,) = (await daemon.get("/api/backups"))["items"]
    await expect(backups.locator("pre")).to_contain_text(f"dtaas restore {made['path']}")
    async with page.expect_download() as download:
        await backups.get_by_role("link", name=f"Download {made['name']}").click()
    taken = await download.value
    assert taken.suggested_filename == made["name"]
    assert Path(await taken.path()).read_bytes() == Path(made["path"]).read_bytes()
    await expect(backups.locator("tbody")).to_contain_text("kB")
    await page.get_by_label("Sizes are written in").select_option("iec")
    await expect(backups.locator("tbody")).to_contain_text("KiB")
    await page.reload()
    await expect(backups.locator("tbody")).to_contain_text("KiB")
