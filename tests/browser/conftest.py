"""The page in a real Chromium, before a real daemon between a simulated SQL Server and S3."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from tests.system.conftest import Daemon, make_daemon, servers

__all__ = ["make_daemon", "servers"]

LIMIT_MS = 30_000
BUILT = Path(__file__).parents[2] / "dtaas" / "web_dist" / "index.html"


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """One browser for all tests."""
    assert BUILT.exists(), "the page is not built: make setup"
    found = shutil.which("chromium") or shutil.which("google-chrome")
    assert found, "there is no Chromium: .ci/chromium installs it"
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=found, args=["--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        await browser.close()


@pytest.fixture
async def daemon(make_daemon) -> Daemon:
    """A running daemon that keeps its port over its lives."""
    running = await make_daemon()
    running.port = running.http.base_url.port
    return running


@pytest.fixture
async def page(chromium: Browser, daemon: Daemon) -> AsyncIterator[Page]:
    """A tab of its own; it must end without a script error and without a refusal of the policy."""
    context = await chromium.new_context(
        base_url=str(daemon.http.base_url), viewport={"width": 1440, "height": 900}
    )
    context.set_default_timeout(LIMIT_MS)
    wrong: list[str] = []

    def note(message: ConsoleMessage) -> None:
        network = "Failed to load resource" in message.text or "WebSocket" in message.text
        if message.type in {"error", "warning"} and not network:
            wrong.append(message.text)

    tab = await context.new_page()
    tab.on("console", note)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    yield tab
    await context.close()
    assert wrong == []


def unique(name: str) -> str:
    """Return a name nobody else has."""
    return f"{name} {os.urandom(3).hex()}"
