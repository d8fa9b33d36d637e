"""Transformations in the builder: their forms, the live preview, columns, problems and the plan."""

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from playwright.async_api import Locator, Page, expect

from dtaas.model.schema import TableRef
from tests.browser.accessibility import violations
from tests.browser.conftest import LIMIT_MS
from tests.system.conftest import ORDERS, Daemon

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)
NATION = TableRef("dbo", "nation")


async def typed(field: Locator, text: str) -> None:
    """Fill a field that tells of its change when it is left."""
    await field.fill(text)
    await field.press("Tab")


async def test_steps_are_formed_previewed_and_arrive(page: Page, daemon: Daemon, tmp_path: Path):
    (tmp_path / "lake").mkdir()
    task = await daemon.task(await daemon.source(), await daemon.folder(tmp_path / "lake"), NATION)
    await page.goto(f"/builder/{task}")
    preview = page.locator("[data-test=preview] tbody tr")
    await expect(preview).to_have_count(25)
    palette = page.get_by_role("region", name="Blocks")

    await palette.get_by_role("button", name="Filter rows").click()
    step = page.locator("[data-test=step]")
    await expect(page.get_by_text("Not yet:")).to_be_visible()
    condition = step.locator("#f-condition")
    await condition.press_sequentially("n_regi")
    await step.get_by_role("button", name="n_regionkey").click()
    await condition.press_sequentially(" = 1")
    await expect(page.locator("[data-test=preview-sum]")).to_contain_text("5 of 25 rows pass, 20")
    await expect(page.locator("[data-test=preview-sum]")).to_contain_text("read before")
    await expect(preview.filter(has_text="ALGERIA")).to_have_attribute("data-state", "filtered")

    await palette.get_by_role("button", name="Apply function").click()
    await typed(step.locator("#f-column"), "n_name")
    await step.locator("#f-function").select_option("left")
    await typed(step.locator("#f-count"), "3")
    await expect(preview.filter(has_text="BRAZIL")).to_contain_text("BRA")
    await expect(page.locator("[data-test=preview] th", has_text="n_name · after")).to_be_visible()
    await expect(page.locator("[data-test=costs]")).to_contain_text("apply function")

    await palette.get_by_role("button", name="Add column").click()
    await typed(step.locator("#f-column"), "twice")
    await step.locator("#f-expression").fill("n_nationkey * nobody")
    await page.locator("[data-test=tab-problems]").click()
    problem = page.locator("[data-test=problems] button", has_text="nobody")
    await expect(problem).to_be_visible()
    await (
        page.locator("[data-test=pipeline], [data-test=canvas]")
        .first.get_by_text("dbo.nation")
        .click()
    )
    await problem.click()
    await expect(step.locator("#f-expression")).to_be_focused()
    await step.locator("#f-expression").fill("n_nationkey * 2")
    await expect(page.locator("[data-test=checked]")).to_contain_text("found nothing wrong")

    await page.locator("[data-test=review]").click()
    plan = page.locator("[data-test=plan]")
    await expect(plan).to_contain_text("1 table")
    await expect(plan).to_contain_text("dbo.nation")
    await page.locator("[data-test=save-run]").click()
    await expect(page.locator("[data-table='dbo.nation']")).to_contain_text("done")
    [file] = (tmp_path / "lake").rglob("*.parquet")
    rows = pq.read_table(file).to_pylist()
    assert sorted(row["n_name"] for row in rows) == ["ARG", "BRA", "CAN", "PER", "UNI"]
    assert all(row["twice"] == 2 * row["n_nationkey"] for row in rows)


async def test_columns_are_renamed_cast_and_left_out(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), NATION, ORDERS)
    await page.goto(f"/builder/{task}?part=columns")
    columns = page.locator("[data-test=mapping] tbody tr")
    await expect(columns).to_have_count(4)
    await page.get_by_label("Take n_comment").uncheck()
    await typed(page.get_by_label("Name of n_name at the destination"), "country")
    await typed(page.get_by_label("Type of n_name at the destination"), "bigint")
    row = page.locator("[data-column=n_name]")
    await expect(row).to_contain_text("25 of 25 rows do not fit")
    await page.get_by_label("What a value of n_name does").select_option("null")
    await typed(page.get_by_label("Type of n_regionkey at the destination"), "string")
    await expect(page.locator("[data-column=n_regionkey]")).to_contain_text("string")
    await typed(page.get_by_label("Name of n_regionkey at the destination"), "COUNTRY")
    await expect(page.get_by_text("Two columns have this name.")).to_have_count(2)
    await page.get_by_role("button", name="snake_case").click()
    await typed(page.get_by_label("Name of n_regionkey at the destination"), "region")
    await expect(page.get_by_text("Two columns have this name.")).to_have_count(0)
    await page.locator("[data-test=review]").click()
    await page.locator("[data-test=save-only]").click()
    await expect(page.locator("[data-test=status]")).to_be_visible()
    [rule] = (await daemon.get(f"/api/tasks/{task}"))["transformations"]
    assert rule["tables"] == ["dbo.nation"]
    assert [step["type"] for step in rule["steps"]] == ["drop_column", *["cast_type"] * 2, *["rename_column"] * 2]  # fmt: skip
    await page.goto(f"/builder/{task}?part=columns")
    await expect(page.get_by_label("Name of n_regionkey at the destination")).to_have_value(
        "region"
    )
    await expect(page.get_by_label("Take n_comment")).not_to_be_checked()


async def test_pasted_rows_and_rows_by_key_are_previewed(page: Page, daemon: Daemon):
    steps = [{"type": "filter_rows", "condition": "n_name LIKE 'X%'"}]
    source, target = await daemon.source(), await daemon.s3()
    task = await daemon.task(source, target, NATION, transformations=[{"steps": steps}])
    await page.goto(f"/builder/{task}")
    await page.locator("#p-show").select_option("keys")
    await page.locator("#p-keys").fill("3\n24")
    preview = page.locator("[data-test=preview] tbody tr")
    await expect(preview).to_have_count(2)
    await expect(preview.filter(has_text="CANADA")).to_have_attribute("data-state", "filtered")
    await page.locator("#p-show").select_option("json")
    await page.locator("#p-json").fill('{"n_name": ')
    await expect(page.locator("#p-json-wrong")).not_to_be_empty()
    await page.locator("#p-json").fill('{"n_name": "XANADU"}\n{"n_name": "PERU"}')
    await expect(page.locator("[data-test=preview-sum]")).to_contain_text("1 of 2 rows pass")
    await page.locator("#p-after").select_option("0")
    await expect(page.locator("[data-test=preview-sum]")).to_contain_text("2 of 2 rows pass")


async def test_an_expression_shows_where_it_is_wrong_and_what_it_gives(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), NATION)
    await page.goto(f"/builder/{task}")
    palette = page.get_by_role("region", name="Blocks")
    await palette.get_by_role("button", name="Add column").click()
    step = page.locator("[data-test=step]")
    await typed(step.locator("#f-column"), "twice")
    field = step.locator("#f-expression")
    await field.fill("n_nationkey * nobody")
    await expect(step.locator("mark")).to_have_text("nobody")
    await step.get_by_role("button", name="Go to the mistake").click()
    await expect(field).to_be_focused()
    picked = "document.activeElement.value.slice({}.selectionStart, {}.selectionEnd)"
    picked = picked.replace("{}", "document.activeElement")
    assert await page.evaluate(picked) == "nobody"
    await page.keyboard.type("2")
    await expect(step.locator("mark")).to_have_count(0)
    await expect(step.locator("[data-test=result-type]")).to_have_text(
        re.compile(r"Result: twice is \w+")
    )


async def test_both_changes_are_shown_when_somebody_else_was_faster(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), NATION, name="shared")
    await page.goto(f"/builder/{task}")
    await page.get_by_label("Name of the task").fill("mine")
    stored = await daemon.get(f"/api/tasks/{task}")
    theirs = {
        name: stored[name]
        for name in ("name", "source_connector_id", "destination_connector_id", "source_tables")
    }
    answer = await daemon.http.put(f"/api/tasks/{task}", json={**theirs, "batch_rows": 4321})
    assert answer.is_success, answer.text
    await page.locator("[data-test=review]").click()
    await page.locator("[data-test=save-only]").click()
    conflict = page.locator("[data-test=conflict]")
    await expect(conflict.locator("[data-test=diff]").first).to_contain_text("+ batch_rows: 4321")
    await expect(conflict.locator("[data-test=diff]").nth(1)).to_contain_text("+ name: mine")
    assert await violations(page) == []
    await page.get_by_role("button", name="Back to my draft").click()
    await expect(page.get_by_label("Name of the task")).to_have_value("mine")
    await page.locator("[data-test=review]").click()
    await page.locator("[data-test=save-only]").click()  # it is known by now what it undoes
    await page.wait_for_url(f"**/tasks/{task}")
    assert (await daemon.get(f"/api/tasks/{task}"))["name"] == "mine"
