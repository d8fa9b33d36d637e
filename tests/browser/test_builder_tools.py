"""The builder beyond single steps: several at once, options, tables of their own, what comes after."""

import anyio
import pytest
from playwright.async_api import Page, Route, expect

from dtaas.model.schema import TableRef
from tests.browser.conftest import LIMIT_MS
from tests.browser.test_builder import typed
from tests.system.conftest import ORDERS, Daemon

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)
NATION = TableRef("dbo", "nation")
STEPS = [
    {"type": "filter_rows", "condition": "n_nationkey > 1"},
    {"type": "rename_column", "column": "n_name", "to": "country"},
    {"type": "replace_value", "column": "n_comment", "find": "x", "replacement": "y"},
]


async def made(daemon: Daemon, **spec: object) -> int:
    rules = [{"steps": STEPS}]
    return await daemon.task(
        await daemon.source(), await daemon.s3(), NATION, transformations=rules, **spec
    )


async def stored_types(page: Page, daemon: Daemon, task: int) -> list[str]:
    """Save, and return the types of the steps there are then."""
    await page.locator("[data-test=review]").click()
    await page.locator("[data-test=save-only]").click()
    await expect(page.locator("[data-test=status]")).to_be_visible()
    [rule] = (await daemon.get(f"/api/tasks/{task}"))["transformations"]
    return [step["type"] for step in rule["steps"]]


async def test_a_step_is_inserted_on_an_arrow(page: Page, daemon: Daemon):
    task = await made(daemon)
    await page.goto(f"/builder/{task}")
    nodes = page.locator(".vue-flow__node")
    await expect(nodes).to_have_count(5)
    await page.get_by_role("button", name="Insert a step before 2 rename column").click()
    await page.locator("[data-test=insert]").get_by_role("button", name="Replace value").click()
    await expect(nodes).to_have_count(6)
    await expect(page.locator("[data-test=step] h2")).to_have_text("Replace value")
    await typed(page.locator("#f-column"), "n_name")
    await page.get_by_role("tab", name="YAML").click()
    text = await page.locator("#b-yaml").input_value()
    places = [text.index(word) for word in ("filter_rows", "replace_value", "rename_column")]
    assert places == sorted(places)


async def test_several_steps_are_picked_copied_pasted_and_removed(page: Page, daemon: Daemon):
    task = await made(daemon)
    await page.goto(f"/builder/{task}")
    nodes = page.locator(".vue-flow__node")
    await page.locator(".vue-flow__node", has_text="1 filter rows").click()
    await page.locator(".vue-flow__node", has_text="3 replace value").click(modifiers=["Control"])
    await expect(page.locator("[data-test=remove-steps]")).to_have_text("Remove 2")
    await page.keyboard.press("Control+c")
    await page.keyboard.press("Control+v")
    await expect(nodes).to_have_count(7)
    await expect(page.locator("[data-test=remove-steps]")).to_have_text("Remove 2")
    # The pasted ones are picked now, and go together; what was there stays.
    await page.locator(".vue-flow__node", has_text="4 filter rows").focus()
    await page.keyboard.press("Delete")
    await expect(nodes).to_have_count(5)
    await page.get_by_role("button", name="Undo").click()
    await expect(nodes).to_have_count(7)
    assert await stored_types(page, daemon, task) == [
        *("filter_rows", "rename_column", "replace_value"),
        *("filter_rows", "replace_value"),
    ]


async def test_the_list_does_the_same_with_the_keyboard_alone(page: Page, daemon: Daemon):
    task = await made(daemon)
    await page.goto(f"/builder/{task}?view=list")
    steps = page.locator("[data-test=pipeline] li.transform")
    for title in ("1 filter rows", "2 rename column"):
        await page.get_by_label(f"Pick {title}").focus()
        await page.keyboard.press("Space")
    await page.locator("[data-test=copy-steps]").press("Enter")
    await page.locator("[data-test=paste-steps]").press("Enter")
    await expect(steps).to_have_count(5)
    await page.locator("[data-test=remove-steps]").press("Enter")
    await expect(steps).to_have_count(3)
    await page.get_by_role("button", name="Insert a step before 1 filter rows").press("Enter")
    await page.get_by_role("dialog").get_by_role("button", name="Drop column").press("Enter")
    await expect(steps).to_have_count(4)
    await expect(steps.first).to_contain_text("1 Drop column")


async def test_a_long_pipeline_has_a_map(page: Page, daemon: Daemon):
    task = await made(daemon)
    await page.goto(f"/builder/{task}")
    await expect(page.locator(".vue-flow__node")).to_have_count(5)
    await expect(page.locator("[data-test=minimap]")).to_have_count(0)
    await page.locator("[data-test=copy-steps]").wait_for()
    await page.locator(".vue-flow__node", has_text="3 replace value").click()
    await page.locator("[data-test=copy-steps]").click()
    for _ in range(4):
        await page.locator("[data-test=paste-steps]").click()
    await expect(page.locator(".vue-flow__node")).to_have_count(9)
    await expect(page.locator("[data-test=minimap]")).to_be_visible()


async def test_options_are_written_with_their_limits_and_come_back(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS)
    await page.goto(f"/builder/{task}?set=options")
    await page.get_by_role("button", name="Settings", exact=True).click()
    form = page.locator("[data-test=options]")
    await expect(form.get_by_label("Rows of a chunk")).to_have_attribute("placeholder", "500,000")
    await typed(form.get_by_label("Rows of a chunk"), "12")
    await expect(form.get_by_role("alert")).to_contain_text("from 1000 to 100000000")
    await typed(form.get_by_label("Rows of a chunk"), "20,000")
    await expect(form.get_by_role("alert")).to_have_count(0)
    await typed(form.get_by_label("Rows of a batch"), "5000")
    await expect(form).to_contain_text("2 changed")
    for group in ("Changes", "When something goes wrong"):
        await form.get_by_text(group, exact=True).click()
    await form.get_by_label("Switch capture on where it is missing").uncheck()
    await form.get_by_label("A table whose changes are lost").select_option("is loaded anew")
    await page.locator("[data-test=review]").click()
    await page.locator("[data-test=save-only]").click()
    await expect(page.locator("[data-test=status]")).to_be_visible()
    stored = await daemon.get(f"/api/tasks/{task}")
    assert stored["batch_rows"] == 5000
    options = stored["options"]
    assert (options["chunk_rows"], options["enable_capture"]) == (20_000, False)
    assert (options["on_gap"], options["max_attempts"]) == ("reload", 5)
    await page.goto(f"/tasks/{task}?tab=settings")
    await expect(page.locator("#panel-settings .changed").first).to_contain_text("20,000")
    await page.locator("a[href$='set=options']").click()
    await expect(form.get_by_label("Rows of a chunk")).to_have_value("20000")
    await typed(form.get_by_label("Rows of a chunk"), "")
    await expect(page.locator("[data-test=kept]")).to_contain_text("Draft")
    await page.get_by_role("tab", name="YAML").click()
    assert "chunk_rows" not in await page.locator("#b-yaml").input_value()


async def test_a_table_has_settings_of_its_own_beside_rules_for_all(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS, NATION)
    await page.goto(f"/builder/{task}?part=tables")
    panel = page.locator("[data-test=table-settings]")
    await typed(panel.get_by_label("Where tables go"), "raw/{schema:lower}/{table:snake}")
    await panel.get_by_role("button", name="Add a type rule").first.click()
    await typed(panel.get_by_label("Source types of rule 1"), "decimal(*)")
    await typed(panel.get_by_label("New type of rule 1"), "double")
    await panel.locator("[data-test=table-to-set]").select_option("dbo.nation")
    await expect(panel).to_contain_text("It follows the task in everything.")
    await typed(panel.get_by_label("But not the columns"), "n_comment")
    await typed(panel.get_by_label("Rejected rows of a table"), "7")
    await panel.get_by_label("Rows already there are").select_option("kept")
    await expect(panel).to_contain_text("Says for itself: columns, rejected rows of a table")
    await page.locator("[data-test=review]").click()
    await page.locator("[data-test=save-only]").click()
    await expect(page.locator("[data-test=status]")).to_be_visible()
    stored = await daemon.get(f"/api/tasks/{task}")
    assert stored["table_rules"]["target"] == "raw/{schema:lower}/{table:snake}"
    [rule] = stored["table_rules"]["types"]
    assert (rule["source_types"], rule["data_type"]) == (["decimal(*)"], "double")
    [mapping] = stored["table_mappings"]
    assert mapping["source"] == {"schema": "dbo", "name": "nation"}
    assert (mapping["exclude_columns"], mapping["max_rejected_rows"]) == (["n_comment"], 7)
    assert mapping["write_mode"] == "append"


async def test_the_review_names_the_task_that_is_waited_for(page: Page, daemon: Daemon):
    source, target = await daemon.source(), await daemon.s3()
    await daemon.task(source, target, ORDERS, name="the first of two")
    second = await daemon.task(source, target, NATION, name="the second")
    await page.goto(f"/builder/{second}?set=schedule")
    await page.get_by_role("button", name="Settings", exact=True).click()
    await page.locator("#b-when").select_option("after_task")
    await page.locator("#b-after").select_option("the first of two")
    for field, text in (("tags", "nightly, lake"), ("owner", "team lake"), ("about", "Why")):
        await page.locator(f"#b-{field}").press_sequentially(text)
        await page.keyboard.press("Tab")
    await page.locator("[data-test=review]").click()
    review = page.get_by_role("dialog")
    await expect(review).to_contain_text("after_task: the first of two")
    await expect(review).not_to_contain_text("after_task_id")
    await page.locator("[data-test=save-only]").click()
    await expect(page.locator("[data-test=status]")).to_be_visible()
    stored = await daemon.get(f"/api/tasks/{second}")
    assert (stored["tags"], stored["owner"]) == (["nightly", "lake"], "team lake")
    assert stored["description"] == "Why"


async def test_what_is_typed_stays_while_the_page_is_drawn_anew(page: Page, daemon: Daemon):
    task = await daemon.task(
        await daemon.source(), await daemon.s3(), ORDERS, schedule_type="cron",
        schedule={"cron": "0 3 * * *"},
    )  # fmt: skip
    typing = anyio.Event()

    async def when_typed(route: Route) -> None:
        await typing.wait()
        await route.continue_()

    await page.route("**/api/schedules/preview", when_typed)
    await page.goto(f"/builder/{task}")
    await page.get_by_role("button", name="Settings", exact=True).click()
    zone, cron = page.locator("#b-zone"), page.locator("#b-cron")
    await zone.fill("Europe/Ber")
    typing.set()
    await expect(page.get_by_role("heading", name="Next starts")).to_be_visible()
    await expect(zone).to_have_value("Europe/Ber")
    await zone.press_sequentially("lin")
    await cron.fill("30 4 * * *")
    await page.get_by_label("Name of the task").click()
    await expect(page.get_by_text(" 04:30 ").first).to_be_visible()
    await expect(page.locator("[data-test=kept]")).to_contain_text("Draft · kept")
    await page.reload()
    await page.get_by_role("button", name="Settings", exact=True).click()
    await expect(zone).to_have_value("Europe/Berlin")
    await expect(cron).to_have_value("30 4 * * *")


async def test_what_was_written_a_moment_ago_is_kept_when_the_builder_is_left(
    page: Page, daemon: Daemon
):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS)
    await page.goto(f"/builder/{task}")
    await page.get_by_label("Name of the task").fill("first")
    await expect(page.locator("[data-test=kept]")).to_contain_text("Draft · kept")
    await page.get_by_label("Name of the task").fill("second")
    await page.get_by_role("link", name="Connectors").click()
    await expect(page.get_by_role("heading", name="Connectors")).to_be_visible()
    await page.goto(f"/builder/{task}")
    await expect(page.get_by_label("Name of the task")).to_have_value("second")
