"""Executions as people compare them, and charts as files."""

import csv
import re
from datetime import datetime
from io import StringIO
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.accessibility import violations
from tests.browser.conftest import LIMIT_MS
from tests.system.conftest import ORDERS, Daemon

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)
PNG = b"\x89PNG\r\n\x1a\n"


async def ran(daemon: Daemon, task: int) -> int:
    """Run a task to its end and return the execution."""
    return int((await daemon.run(task))["id"])


async def change(daemon: Daemon, task: int, execution: int, **values: object) -> None:
    """Write a task down differently from how it is."""
    present = (await daemon.get(f"/api/executions/{execution}/configuration"))["present"]
    answer = await daemon.http.put(f"/api/tasks/{task}", json={**present, **values})
    assert answer.is_success, answer.text


async def test_two_runs_stand_beside_each_other(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS)
    first = await ran(daemon, task)
    await change(daemon, task, first, batch_rows=1_234)
    second = await ran(daemon, task)
    await page.goto(f"/tasks/{task}?tab=runs")
    for one in (second, first):
        await page.get_by_label(f"Compare execution #{one}").check()
    comparison = page.locator("[data-test=comparison]")
    await expect(comparison.get_by_role("heading")).to_contain_text(f"#{first} and #{second}")
    rows = comparison.get_by_role("row")
    await expect(rows.filter(has_text="Rows").first).to_contain_text("same")
    await expect(rows.filter(has_text="dbo.orders")).to_contain_text("✓ done")
    await expect(comparison).to_contain_text("none differs")
    await expect(comparison.locator("[data-test=diff]")).to_contain_text("+ batch_rows: 1234")
    assert await violations(page) == []
    await page.reload()
    await expect(comparison.locator("[data-test=diff]")).to_contain_text("+ batch_rows: 1234")
    await comparison.get_by_role("button", name="Close the comparison").click()
    await expect(comparison).to_have_count(0)
    await expect(page).not_to_have_url(re.compile("compare"))


async def test_an_execution_says_what_it_used_and_what_was_changed_since(
    page: Page, daemon: Daemon
):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS, name="orders")
    execution = await ran(daemon, task)
    await page.goto(f"/executions/{execution}")
    told = page.locator("[data-test=configuration]")
    await told.locator("summary").click()
    await expect(told.locator("[data-test=since]")).to_contain_text("still written down like this")
    await expect(told).to_contain_text("name: orders")
    assert await violations(page) == []
    await change(daemon, task, execution, batch_rows=1_234)
    await page.reload()
    await told.locator("summary").click()
    await expect(told.locator("[data-test=since]")).to_contain_text("changed since")
    await expect(told.locator(".added")).to_have_text(re.compile(r"batch_rows: 1234"))
    await expect(told.locator(".gone")).to_have_text(re.compile(r"batch_rows: \d+"))


async def test_the_list_of_tasks_shows_the_last_runs_and_the_next_start(page: Page, daemon: Daemon):
    task = await daemon.task(
        await daemon.source(), await daemon.s3(), ORDERS, name="monthly", schedule_type="cron",
        schedule={"cron": "0 3 1 * *"},
    )  # fmt: skip
    for _ in range(2):
        await daemon.control(task, "start")
        await daemon.until_status(task, "scheduled")
    await page.goto("/tasks")
    row = page.locator(f"[data-task='{task}']")
    spark = row.get_by_role("img", name="Last 2 runs: 2 completed")
    await expect(spark.locator("span")).to_have_count(2)
    await expect(row.locator("[data-test=next-start]")).to_have_text(re.compile(r"next in \d+ "))


async def test_a_chart_is_saved_as_picture_and_as_values(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS)
    await ran(daemon, task)
    await page.goto("/")
    async with page.expect_download() as saved:
        await page.get_by_role("button", name="Save the values of Runs that ended").click()
    file = await saved.value
    assert file.suggested_filename == "Runs-that-ended.csv"
    header, *rows = list(csv.reader(StringIO(Path(await file.path()).read_text())))
    assert header == ["Time", "✓ completed", "▲ partial", "✕ failed", "■ stopped"]
    assert [row[1:] for row in rows if any(map(int, row[1:]))] == [["1", "0", "0", "0"]]
    assert all(datetime.fromisoformat(row[0]).tzinfo is not None for row in rows)
    async with page.expect_download() as saved:
        await page.get_by_role("button", name="Save Runs that ended as a picture").click()
    file = await saved.value
    assert file.suggested_filename == "Runs-that-ended.png"
    assert Path(await file.path()).read_bytes().startswith(PNG)


async def test_the_values_of_a_curve_have_whole_moments(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS)
    await page.goto(f"/tasks/{task}")
    await ran(daemon, task)
    save = page.get_by_role("button", name="Save the values of Throughput")
    await expect(save).to_be_enabled()
    async with page.expect_download() as saved:
        await save.click()
    file = await saved.value
    header, *rows = list(csv.reader(StringIO(Path(await file.path()).read_text())))
    assert header == ["Time", "Rows a second"]
    assert rows
    assert all(
        datetime.fromisoformat(at).tzinfo is not None and float(rate) >= 0 for at, rate in rows
    )
