"""WCAG 2.2 AA on every route, light and dark, and no page wider than a phone."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from dtaas.model.schema import TableRef
from tests.browser.accessibility import violations, violations_in_both_themes
from tests.browser.conftest import LIMIT_MS
from tests.system.conftest import LINEITEM, ORDERS, Daemon

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)
NATION = TableRef("dbo", "nation")
OPENING = ".dialog-fade-enter-active, .el-drawer-fade-enter-active"
"""What is on its way in is half transparent, and then no text has contrast."""
MEANWHILE = "main h1, .login h1"


async def routes(daemon: Daemon) -> list[str]:
    """Return the address of every route, with something on it."""
    source, target = await daemon.source(), await daemon.s3()
    task = await daemon.task(source, target, ORDERS, LINEITEM)
    execution = await daemon.run(task)
    await daemon.post(f"/api/connectors/{source}/test")
    return [
        "/",
        "/connectors",
        f"/connectors/{source}",
        f"/connectors/{source}?tab=tables",
        f"/connectors/{source}?tab=capture",
        "/tasks",
        f"/tasks/{task}",
        f"/tasks/{task}?tab=runs",
        f"/tasks/{task}?tab=verify",
        f"/tasks/{task}?tab=schema",
        f"/tasks/{task}?tab=rejected",
        f"/tasks/{task}?tab=audit",
        f"/tasks/{task}?tab=logs",
        f"/tasks/{task}?tab=settings",
        f"/executions/{execution['id']}",
        f"/builder/{task}",
        f"/builder/{task}?view=list",
        f"/builder/{task}?part=columns",
        f"/builder/{task}?part=tables",
        f"/builder/{task}?part=problems",
        f"/builder/{task}?part=yaml",
        "/builder",
        "/alerts",
        "/alerts?status=all",
        "/users",
        "/tokens",
        "/audit",
        "/settings",
        "/login",
        "/nothing/here",
    ]


@pytest.mark.timeout(400)
async def test_every_route_passes_axe_in_light_and_dark(page: Page, daemon: Daemon):
    wrong: dict[str, list[str]] = {}
    await page.emulate_media(reduced_motion="reduce", color_scheme="light")
    for address in await routes(daemon):
        await page.goto(address)
        await page.locator(MEANWHILE).first.wait_for(state="attached")
        await expect(page.locator("[aria-busy=true]")).to_have_count(0)
        if found := await violations_in_both_themes(page):
            wrong[address] = found
    assert wrong == {}


async def test_every_page_of_the_router_is_among_the_routes(daemon: Daemon):
    router = (Path(__file__).parents[2] / "web" / "src" / "app" / "router.ts").read_text()
    paths = re.findall(r"path: '(/[^']*)'", router)
    assert len(paths) > 10
    visited = [address.split("?")[0] for address in await routes(daemon)]
    for path in paths:
        pattern = re.sub(r":\w+(\([^)]*\))?[?*+]?", "[^/]+", path)
        assert any(re.fullmatch(pattern, one) for one in visited), path


@pytest.mark.timeout(300)
async def test_every_dialog_passes_axe_in_light_and_dark(page: Page, daemon: Daemon):
    source, target = await daemon.source(), await daemon.s3()
    task = await daemon.task(source, target, ORDERS, NATION)
    await page.emulate_media(reduced_motion="reduce", color_scheme="light")
    wrong: dict[str, list[str]] = {}

    async def look(name: str) -> None:
        await expect(page.get_by_role("dialog")).to_be_visible()
        await expect(page.locator(OPENING)).to_have_count(0)
        await expect(page.locator("[aria-busy=true]")).to_have_count(0)
        if found := await violations_in_both_themes(page):
            wrong[name] = found
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)

    await page.goto("/tasks")
    await expect(page.locator(f"[data-task='{task}']")).to_be_visible()
    await page.keyboard.press("?")
    await look("keyboard")
    await page.keyboard.press("Control+k")
    await look("search")
    await page.locator("[data-test=import-open]").click()
    await look("import")
    await page.goto("/connectors?new=1")
    await look("kinds of connectors")
    await page.goto("/connectors")
    await page.get_by_role("button", name="Edit source").click()
    await look("connector")
    await page.goto(f"/builder/{task}")
    await page.get_by_role("button", name="Insert a step before").first.click()
    await look("insert a step")
    await page.get_by_label("Name of the task").fill("another name")
    await page.locator("[data-test=review]").click()
    await expect(page.locator("[data-test=plan]")).to_be_visible()
    await look("review")
    assert wrong == {}


async def test_settings_of_a_task_pass_axe(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS)
    await page.emulate_media(reduced_motion="reduce", color_scheme="light")
    for which in ("schedule", "options"):
        await page.goto(f"/builder/{task}?set={which}")
        await page.get_by_role("button", name="Settings", exact=True).click()
        await expect(page.locator(f"#panel-{which}")).to_be_visible()
        closed = page.locator("[data-test=options] details:not([open]) > summary")
        for _ in range(await closed.count()):
            await closed.first.click()
        assert await violations_in_both_themes(page) == []


async def test_axe_finds_what_is_wrong(page: Page):
    await page.goto("/settings")
    await page.locator(MEANWHILE).first.wait_for()
    await page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<input>')")
    assert any(found.startswith("label:") for found in await violations(page))


async def test_open_dialogs_pass_axe_and_give_the_focus_back(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS)
    await page.emulate_media(reduced_motion="reduce")
    await page.goto(f"/tasks/{task}?tab=settings")
    opener = page.get_by_role("button", name="Delete this task…")
    await opener.click()
    await expect(page.locator("[data-test=confirm-yes]")).to_be_disabled()
    assert await violations(page) == []
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(opener).to_be_focused()
    await page.goto("/connectors?new=1")
    await page.locator(".el-drawer .tile", has_text="S3").first.click()
    await expect(page.get_by_label("Bucket")).to_be_visible()
    assert await violations(page) == []


async def test_no_page_is_wider_than_the_screen_of_a_phone(chromium: Browser, daemon: Daemon):
    addresses = await routes(daemon)
    context = await chromium.new_context(base_url=str(daemon.http.base_url))
    page = await context.new_page()
    wide: list[str] = []
    for width in (320, 390):
        await page.set_viewport_size({"width": width, "height": 800})
        for address in addresses:
            await page.goto(address)
            await page.locator(MEANWHILE).first.wait_for(state="attached")
            await expect(page.locator("[aria-busy=true]")).to_have_count(0)
            needs = await page.evaluate("document.documentElement.scrollWidth")
            if needs > width:
                wide.append(f"{address} needs {needs} of {width}")
    await context.close()
    assert wide == []


async def test_who_wants_less_motion_gets_none(page: Page):
    await page.emulate_media(reduced_motion="reduce")
    await page.goto("/")
    seconds = await page.evaluate(
        "getComputedStyle(document.querySelector('.brand')).transitionDuration"
    )
    assert float(seconds.removesuffix("s")) < 0.001


async def test_the_first_visit_loads_less_than_400_kb(page: Page):
    await page.goto("/")
    await page.get_by_role("heading", name="Dashboard").wait_for()
    await expect(page.locator("canvas")).to_have_count(3)
    sizes = await page.evaluate(
        "performance.getEntriesByType('resource').filter(e => e.name.includes('/assets/'))"
        ".map(e => [e.name, e.encodedBodySize])"
    )
    assert len(sizes) > 5
    assert sum(size for _, size in sizes) < 400_000, sizes
