"""The demo as a newcomer sees it: the page it names is opened, and a bar moves."""

import re
import signal
from pathlib import Path
from typing import Final

import anyio
import psutil
import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import LIMIT_MS
from tests.system.test_demo import LIMIT_S, gone, running, until_printed

pytestmark = pytest.mark.timeout(3 * LIMIT_S)
expect.set_options(timeout=LIMIT_MS)
LOAD_MS: Final = 90_000
"""The whole load and the changes after it, on a machine with other work."""
RECORD: Final = """
  window.bars = []
  new MutationObserver(() => {
    const bar = document.querySelector('progress')
    if (!bar || bar.value === window.bars.at(-1)) return
    window.bars.push(bar.value)
    document.documentElement.dataset.moved = String(window.bars.length > 2)
  }).observe(document, { subtree: true, childList: true, attributes: true })
"""
"""Notes every value the first bar of the page takes, and whether it moved."""


async def test_the_page_of_the_demo_shows_a_bar_that_moves(chromium: Browser, tmp_path: Path):
    async with running(tmp_path / "demo", "--scale", "0.1") as demo:
        printed = await until_printed(demo, "Watch it in a browser: http://")
        url = re.search(r"http://\S+", printed)
        assert url is not None
        demo.send_signal(signal.SIGSTOP)  # it begins to load when somebody looks
        children = [c.pid for c in psutil.Process(demo.pid).children(recursive=True)]
        context = await chromium.new_context(base_url=url[0])
        await context.add_init_script(RECORD)
        page = await context.new_page()
        await page.goto("/")
        await expect(page.get_by_role("heading", name="First steps")).to_be_visible()
        await expect(page.locator("[data-test=pill]")).to_contain_text("Live")
        demo.send_signal(signal.SIGCONT)
        now = page.get_by_role("region", name="Running now")
        await expect(now.get_by_role("progressbar").first).to_be_visible(timeout=LOAD_MS)
        await expect(page.locator("html")).to_have_attribute("data-moved", "true", timeout=LOAD_MS)
        bars = [float(value) for value in await page.evaluate("window.bars")]
        assert bars == sorted(bars), bars
        await now.get_by_role("link").first.click()
        rows = page.locator("[data-test=live-tables] tbody tr[data-table]")
        await expect(rows).to_have_count(8)
        streaming = rows.filter(has_text="streaming")
        await expect(streaming).to_have_count(8, timeout=LOAD_MS)
        changed = rows.filter(has_text="dbo.orders").locator("td").nth(5)
        await expect(changed).to_have_text(re.compile(r"\d"), timeout=LOAD_MS)
        await expect(page.get_by_text("Changes are kept for")).to_be_visible()
        demo.send_signal(signal.SIGINT)
        await expect(page.locator("[data-test=pill]")).to_contain_text("Reconnecting")
        with anyio.fail_after(LIMIT_S):
            await demo.wait()
        await context.close()
        await gone(children)
