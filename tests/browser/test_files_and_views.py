"""Tasks as files in the page: exported, imported, cloned; and views of the list that are kept."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import LIMIT_MS, unique
from tests.system.conftest import LINEITEM, ORDERS, Daemon

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)


async def test_a_task_is_exported_and_another_made_of_its_file(
    page: Page, daemon: Daemon, tmp_path: Path
):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS, name="nightly")
    (tmp_path / "lake").mkdir()
    await daemon.folder(tmp_path / "lake")
    await page.goto(f"/tasks/{task}?tab=settings")
    async with page.expect_download() as getting:
        await page.locator("[data-test=export]").click()
    got = await getting.value
    assert got.suggested_filename == "nightly.yaml"
    exported = (await got.path()).read_text()
    assert "${env:DTAAS_" in exported
    assert "kind: connector" in exported

    await page.goto("/tasks")
    await page.locator("[data-test=import-open]").click()
    await page.locator("[data-test=import-file]").set_input_files(
        {"name": "same.yaml", "mimeType": "application/yaml", "buffer": exported.encode()}
    )
    await page.locator("[data-test=import-compare]").click()
    await expect(page.get_by_text("There is nothing to do.")).to_be_visible()
    await expect(page.locator("[data-test=import-apply]")).to_be_disabled()

    alone = exported[exported.index("kind: task") :]
    changed = "apiVersion: dtaas/v1\n" + alone.replace("nightly", "weekly")
    changed = re.sub("destination: .*", "destination: elsewhere", changed)
    await page.locator("#i-text").fill(changed)
    await page.locator("[data-test=import-compare]").click()
    await expect(page.locator("[data-test=import-problems]")).to_contain_text("'elsewhere'")
    folder = (await daemon.get("/api/connectors/?product=file"))["items"][0]["name"]
    await page.get_by_label("destination elsewhere is here called").select_option(folder)
    await page.locator("[data-test=import-compare]").click()
    await expect(page.locator("[data-test=import-changes]")).to_contain_text("weekly")
    await page.locator("[data-test=import-apply]").click()
    await expect(page.locator("[data-test=toast]")).to_contain_text("1 created, 0 changed")
    await expect(page.locator("[data-test=tasks]")).to_contain_text("weekly")


async def test_a_secret_a_file_refers_to_is_asked_for_and_never_shown(page: Page, daemon: Daemon):
    text = (
        "apiVersion: dtaas/v1\nkind: connector\nname: imported\nsource_type: sqlserver\n"
        "connection_config:\n  host: db.example\n  database: shop\n  username: reader\n"
        "  password: ${env:DTAAS_IMPORTED_PASSWORD}\n"
    )
    await page.goto("/tasks")
    await page.locator("[data-test=import-open]").click()
    await page.locator("#i-text").fill(text)
    await page.locator("[data-test=import-compare]").click()
    await page.get_by_label("Value of DTAAS_IMPORTED_PASSWORD").fill("s3cret-word")
    await page.locator("[data-test=import-compare]").click()
    await expect(page.locator("[data-test=import-changes]")).to_contain_text("imported")
    await page.locator("[data-test=import-apply]").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    made = (await daemon.get("/api/connectors/?q=imported"))["items"][0]
    assert made["secrets_set"] == ["password"]
    await page.locator("[data-test=import-open]").click()
    await expect(page.locator("#i-text")).to_have_value("")
    assert "s3cret-word" not in await page.content()


async def test_what_changed_meanwhile_is_not_overwritten_by_an_import(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS, name="shared")
    text = (await daemon.http.get(f"/api/tasks/{task}/export")).text
    await page.goto("/tasks")
    await page.locator("[data-test=import-open]").click()
    await page.locator("#i-text").fill(text + "description: mine\n")
    await page.locator("[data-test=import-compare]").click()
    await expect(page.locator("[data-test=import-changes]")).to_contain_text("+description: mine")
    answer = await daemon.http.post(
        "/api/tasks/import", json={"document": text + "description: theirs\n"}
    )
    assert answer.is_success, answer.text
    await page.locator("[data-test=import-apply]").click()
    await expect(page.locator("[data-test=import]")).to_contain_text("changed meanwhile")
    await expect(page.locator("[data-test=import-changes]")).to_contain_text("-description: theirs")
    assert (await daemon.get(f"/api/tasks/{task}"))["description"] == "theirs"


async def test_a_clone_begins_with_everything_but_the_name(page: Page, daemon: Daemon):
    task = await daemon.task(
        await daemon.source(), await daemon.s3(), ORDERS, LINEITEM, name="first",
        description="as it was",
    )  # fmt: skip
    await page.goto(f"/tasks/{task}?tab=settings")
    await page.get_by_role("link", name="Clone…").click()
    await expect(page.get_by_label("Name of the task")).to_have_value("first copy")
    await expect(page).to_have_url(re.compile("/builder$"))
    await expect(page.locator("[data-test=kept]")).to_contain_text("Draft · kept")
    await page.get_by_label("Name of the task").fill("second")
    await page.get_by_role("tab", name="YAML").click()
    text = await page.locator("#b-yaml").input_value()
    assert "description: as it was" in text
    assert "lineitem" in text
    assert (await daemon.get("/api/tasks/"))["total"] == 1


async def test_a_view_is_saved_for_everybody_used_and_deleted(page: Page, daemon: Daemon):
    name = unique("broken ones")
    await daemon.task(await daemon.source(), await daemon.s3(), ORDERS, name="idle one")
    await page.goto("/tasks")
    await expect(page.locator("[data-test=count]")).to_have_text("1 of 1")
    await expect(page.locator("[data-test=views]")).to_have_count(0)
    await page.get_by_role("combobox", name="State").select_option("failed")
    await page.get_by_role("button", name="Save this view…").click()
    await page.get_by_label("Name of the view").fill("a/b")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("A name has no slash.")).to_be_visible()
    await page.get_by_label("Name of the view").fill(name)
    await page.keyboard.press("Enter")
    view = page.locator("[data-test=views]").get_by_role("button", name=name, exact=True)
    await expect(view).to_have_attribute("aria-pressed", "true")
    await page.goto("/tasks")
    await expect(page.locator("[data-test=count]")).to_have_text("1 of 1")
    await view.click()
    await expect(page.locator("[data-test=count]")).to_have_text("0 of 1")
    await expect(page).to_have_url(re.compile(r"status=failed"))
    await page.get_by_role("button", name=f"Delete the view {name}").click()
    await expect(view).to_have_count(0)
    await page.locator("[data-test=toast]").get_by_role("button", name="Undo").click()
    await expect(view).to_be_visible()
