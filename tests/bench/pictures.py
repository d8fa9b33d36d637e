"""Pictures of every page, light and dark, with something on each: to be looked at.

Usage: python -m tests.bench.pictures [part of an address …]
They land in .pictures/all/, which git ignores; those of the README are chosen from them by hand.
"""

import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from dtaas.sandbox import tpch
from dtaas.sandbox.sandbox import BUCKET, DATABASE, Sandbox, fill_with_tpch, sandbox
from tests.system.conftest import SCALE, Daemon

FOLDER: Final = Path(__file__).parents[2] / ".pictures" / "all"
LIMIT_MS: Final = 60_000
WIDE: Final = ViewportSize(width=1440, height=900)
PHONE: Final = ViewportSize(width=390, height=844)
OPENED: Final = {
    "tasks-menu": "[data-test=tasks] button[aria-label^='More for']",
    "tasks-import": "[data-test=import-open]",
    "task-stop": "main button:has-text('Stop')",
    "alert-rule": "[data-test=new-rule]",
    "alert-channel": "[data-test=new-channel]",
    "task-rejected": "button[aria-label^='Rows of']",
    "task-menu": "button[aria-label^='Actions for']",
    "builder-schedule": "button:has-text('Settings')",
    "builder-options": "button:has-text('Settings')",
    "builder-review": "[data-test=review]",
    "builder-insert": "button[aria-label^='Insert a step before']",
}
"""What is clicked before the picture is taken."""
DRAWN: Final = (
    "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
)
QUIET_MS: Final = 1500
"""Charts and debounced previews come after the page."""
CHANGES: Final = "UPDATE dbo.orders SET o_comment = 'changed' WHERE o_orderkey % 7 = 0"
MASKED: Final = [
    {"type": "filter_rows", "condition": "c_acctbal > 0"},
    {"type": "apply_function", "column": "c_phone", "function": "mask", "arguments": {"keep_last": 4}},
    {
        "type": "add_column", "column": "share", "expression": "c_acctbal / (c_nationkey - 3)",
        "on_error": "reject",
    },
]  # fmt: skip


@asynccontextmanager
async def staged() -> AsyncIterator[tuple[Daemon, Sandbox]]:
    """A daemon before a simulated SQL Server and S3 with TPC-H tables."""
    folder = Path(tempfile.mkdtemp(prefix="pictures"))
    try:
        async with sandbox(folder) as servers:
            await servers.s3.create_bucket(BUCKET)
            await anyio.to_thread.run_sync(tpch.generate, folder / "tpch", SCALE)
            await fill_with_tpch(servers.sqlserver, folder / "tpch")
            daemon = Daemon(folder / "data", servers, {})
            await daemon.start()
            try:
                yield daemon, servers
            finally:
                await daemon.aclose()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def named(daemon: Daemon, connector: int, name: str) -> int:
    """Give a connector a name people would give it."""
    one = await daemon.get(f"/api/connectors/{connector}")
    kept = {key: one[key] for key in ("description", "connection_config", "is_active")}
    kind = {key: one[key] for key in ("source_type", "destination_type") if one[key]}
    answer = await daemon.http.put(
        f"/api/connectors/{connector}", json={"name": name, **kind, **kept}
    )
    assert answer.is_success, answer.text
    await daemon.post(f"/api/connectors/{connector}/test")
    return connector


def tables(*names: str) -> list[dict[str, str]]:
    return [{"schema": "dbo", "name": name} for name in names]


async def made(daemon: Daemon, source: int, target: int, **spec: Any) -> int:
    body = {"source_connector_id": source, "destination_connector_id": target, **spec}
    return int((await daemon.post("/api/tasks/", body))["id"])


async def scene(daemon: Daemon, servers: Sandbox) -> dict[str, str]:
    """Make connectors and tasks in every state; return the addresses by name."""
    shop = await named(daemon, await daemon.source(), "shop")
    slow = await named(daemon, await daemon.source(read_rate_limit_mb_s=0.2), "shop, gently")
    lake = await named(daemon, await daemon.s3(), "lake")
    nightly = await made(
        daemon, shop, lake, name="shop to the lake", source_tables=tables("nation", "part", "supplier"),
        tags=["nightly", "lake"], owner="Ann",
        schedule_type="cron", schedule={"cron": "0 3 * * *", "timezone": "Europe/Berlin"},
    )  # fmt: skip
    masked = await made(
        daemon, shop, lake, name="customers, masked", source_tables=tables("customer"),
        transformations=[{"steps": MASKED}], options={"max_rejected_rows": 1_000_000},
    )  # fmt: skip
    stream = await made(
        daemon, shop, lake, name="orders as they change", source_tables=tables("orders", "region"), tags=["lake"],
        mode="full_load_then_cdc",
    )  # fmt: skip
    busy = await made(
        daemon, slow, lake, name="order lines", source_tables=tables("lineitem", "partsupp"),
    )  # fmt: skip
    broken = await made(
        daemon, shop, lake, name="a table that is gone", source_tables=tables("nowhere"),
    )  # fmt: skip
    for task in (nightly, masked, nightly, broken):
        await daemon.control(task, "start")
        await daemon.until_status(task, "idle", "scheduled", "failed")
    await daemon.post(f"/api/tasks/{nightly}/verify", {})
    await daemon.control(stream, "start")
    await daemon.until_status(stream, "streaming")
    await servers.sqlserver.run_script(CHANGES, database=DATABASE)
    await daemon.control(busy, "start")
    await daemon.until_status(busy, "running")
    second, first = (await daemon.get(f"/api/tasks/{nightly}/executions"))["items"][:2]
    execution = second["id"]
    return {
        "dashboard": "/",
        "connectors": "/connectors",
        "connector-new": "/connectors?new=1",
        "connector": f"/connectors/{shop}",
        "connector-tables": f"/connectors/{shop}?table=dbo.orders",
        "connector-capture": f"/connectors/{shop}?tab=capture",
        "tasks": "/tasks",
        "tasks-menu": "/tasks",
        "tasks-import": "/tasks",
        "task-stop": f"/tasks/{stream}",
        "task-live": f"/tasks/{busy}",
        "task-stream": f"/tasks/{stream}",
        "task-menu": f"/tasks/{stream}",
        "task-schema": f"/tasks/{stream}?tab=schema",
        "task-runs": f"/tasks/{nightly}?tab=runs",
        "task-run": f"/tasks/{nightly}?tab=runs&span=1&run={execution}",
        "task-compare": f"/tasks/{nightly}?tab=runs&compare={first['id']},{execution}",
        "task-verify": f"/tasks/{nightly}?tab=verify",
        "task-rejected": f"/tasks/{masked}?tab=rejected",
        "task-logs": f"/tasks/{nightly}?tab=logs",
        "task-settings": f"/tasks/{nightly}?tab=settings",
        "task-audit": f"/tasks/{nightly}?tab=audit",
        "execution": f"/executions/{execution}",
        "builder": f"/builder/{masked}",
        "builder-columns": f"/builder/{masked}?part=columns",
        "builder-problems": f"/builder/{broken}?part=problems",
        "builder-tables": f"/builder/{masked}?part=tables",
        "builder-schedule": f"/builder/{nightly}?set=schedule",
        "builder-options": f"/builder/{masked}?set=options",
        "builder-review": f"/builder/{masked}?part=preview",
        "builder-insert": f"/builder/{masked}?part=yaml",
        "builder-yaml": f"/builder/{masked}?part=yaml",
        "builder-list": f"/builder/{masked}?view=list",
        "builder-new": "/builder",
        "alerts": "/alerts?status=all",
        "alert-rule": "/alerts?status=firing",
        "alert-channel": "/alerts?status=resolved",
        "users": "/users",
        "tokens": "/tokens",
        "audit": "/audit",
        "settings": "/settings",
        "login": "/login",
        "nothing": "/nothing/here",
    }


async def shoot(browser: Browser, url: str, addresses: dict[str, str]) -> None:
    """Take each page in both themes, and light on a phone."""
    for theme, size in (("light", WIDE), ("dark", WIDE), ("phone", PHONE)):
        context = await browser.new_context(
            base_url=url, viewport=size, reduced_motion="reduce",
            color_scheme="dark" if theme == "dark" else "light",
        )  # fmt: skip
        page = await context.new_page()
        page.set_default_timeout(LIMIT_MS)
        for name, address in addresses.items():
            await settled(page, address)
            if name in OPENED:
                await page.locator(OPENED[name]).first.click()
                await page.wait_for_timeout(QUIET_MS)
            whole = ViewportSize(width=size["width"], height=await height(page, size["height"]))
            await page.set_viewport_size(whole)
            await page.evaluate(DRAWN)
            await page.screenshot(path=FOLDER / f"{name}-{theme}.png")
            await page.set_viewport_size(size)
        await context.close()


async def height(page: Page, least: int) -> int:
    """Return how high the page is: all of it is drawn on a window of that height.

    Chromium's own picture of a whole page lacks what moves on layers of its own, as blocks do.
    """
    whole = await page.evaluate("() => document.documentElement.scrollHeight")
    return max(least, int(whole))


async def settled(page: Page, address: str) -> None:
    """Open a page and wait until it shows what it has."""
    await page.goto(address)
    await page.locator("main h1, .login h1").first.wait_for(state="attached")
    await page.locator("[aria-busy=true]").first.wait_for(state="detached")
    await page.wait_for_timeout(QUIET_MS)


async def main(wanted: Sequence[str]) -> int:
    """Set the scene and take the pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    found = shutil.which("chromium") or shutil.which("google-chrome")
    assert found, "there is no Chromium: .ci/chromium installs it"
    async with staged() as (daemon, servers), async_playwright() as driver:
        addresses = await scene(daemon, servers)
        chosen = {
            name: address
            for name, address in addresses.items()
            if not wanted or any(part in name for part in wanted)
        }
        browser = await driver.chromium.launch(
            executable_path=found, args=["--disable-gpu", "--disable-dev-shm-usage"]
        )
        await shoot(browser, str(daemon.http.base_url), chosen)
        await browser.close()
    print(f"{3 * len(chosen)} pictures in {FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(anyio.run(main, sys.argv[1:]))
