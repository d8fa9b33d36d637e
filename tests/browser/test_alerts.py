"""Alert rules and channels, written and tried in the page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from playwright.async_api import Page, expect

from tests.browser.accessibility import violations_in_both_themes
from tests.browser.conftest import LIMIT_MS, unique
from tests.system.conftest import ORDERS, Daemon

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)


@asynccontextmanager
async def webhook(told: list[bytes]) -> AsyncIterator[str]:
    """Listen for one message at a time and give the address."""

    async def take(stream: SocketStream) -> None:
        async with stream:
            whole = b""
            while b"X-DTaaS" not in whole and b"x-dtaas" not in whole:
                whole += await stream.receive()
            told.append(whole)
            await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, take)
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - not Django's
        yield f"http://127.0.0.1:{port}/hook"
        group.cancel_scope.cancel()


async def test_a_rule_is_rehearsed_written_changed_muted_and_deleted(page: Page, daemon: Daemon):
    source, target = await daemon.source(database="nowhere"), await daemon.s3()
    task = await daemon.task(source, target, ORDERS, name="breaks")
    await daemon.control(task, "start")
    await daemon.until_status(task, "failed")
    name = unique("late")
    await page.goto("/alerts")
    await page.locator("[data-test=new-rule]").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Condition").select_option("The latest execution failed")
    past = dialog.locator("[data-test=rehearsal]")
    await expect(past).to_contain_text("In the last 7 days it would have fired once.")
    await expect(past).to_contain_text("breaks: The latest execution failed")
    await dialog.get_by_label("Notify after").select_option("an hour")
    await expect(past).to_contain_text("it would not have fired")
    await dialog.get_by_label("Condition").select_option("Too many changes wait")
    await expect(past).to_contain_text("is not kept")
    await dialog.get_by_label("Condition").select_option("Changes arrive late")
    save = page.locator("[data-test=save-rule]")
    await expect(save).to_be_disabled()
    await dialog.get_by_label("Name", exact=True).fill(name)
    await dialog.get_by_label("Limit, in seconds").fill("soon")
    await expect(save).to_be_disabled()
    await dialog.get_by_label("Limit, in seconds").fill("90")
    await dialog.get_by_label("Scope").select_option("breaks")
    await dialog.get_by_label("Severity").select_option("critical")
    await save.click()
    row = page.locator("[data-test=rules] tr", has_text=name)
    await expect(row).to_contain_text("90 seconds")
    await expect(row).to_contain_text("critical")
    await expect(row).to_contain_text("breaks")
    await row.get_by_role("button", name=f"Edit the rule {name}").click()
    await expect(dialog.get_by_label("Notify after")).to_have_value("3600")
    await dialog.get_by_label("Limit, in seconds").fill("")
    await dialog.get_by_label("Enabled").uncheck()
    await save.click()
    await expect(row).to_contain_text("300 seconds")
    await expect(row).to_contain_text("switched off")
    await row.get_by_role("button", name="Mute for an hour").click()
    await expect(row).to_contain_text("muted until")
    await row.get_by_role("button", name="Unmute").click()
    await expect(row).not_to_contain_text("muted until")
    await row.get_by_role("button", name=f"Delete the rule {name}").click()
    await page.locator("[data-test=confirm-yes]").click()
    await expect(row).to_have_count(0)


async def test_a_channel_is_made_tried_changed_and_deleted(page: Page, daemon: Daemon):
    told: list[bytes] = []
    async with webhook(told) as address:
        await page.goto("/alerts")
        await page.locator("[data-test=new-channel]").click()
        dialog = page.get_by_role("dialog")
        await page.locator("[data-test=save-channel]").click()
        await expect(dialog).to_contain_text("Name is required.")
        await dialog.get_by_label("Name", exact=True).fill("hook")
        await dialog.locator("#f-url").fill("ftp://wrong")
        await page.locator("[data-test=save-channel]").click()
        await expect(dialog.get_by_role("alert")).not_to_be_empty()
        await dialog.locator("#f-url").fill(address)
        await dialog.locator("#f-secret").fill("s3cret-word")
        await page.locator("[data-test=save-channel]").click()
        hook = page.locator("[data-test=channels] li", has_text="hook")
        await hook.get_by_role("button", name="Send a test to hook").click()
        await expect(page.get_by_text("The test message was taken.")).to_be_visible()
        assert len(told) == 1
        await hook.get_by_role("button", name="Edit the channel hook").click()
        await expect(dialog.locator("#f-secret")).to_have_attribute(
            "placeholder", "kept; type to replace it"
        )
        assert "s3cret-word" not in await page.content()
        await dialog.get_by_label("Name", exact=True).fill("pager")
        await page.locator("[data-test=save-channel]").click()
    pager = page.locator("[data-test=channels] li", has_text="pager")
    await pager.get_by_role("button", name="Send a test to pager").click()
    await expect(page.get_by_text("The test message was not taken")).to_be_visible()
    await pager.get_by_role("button", name="Delete the channel pager").click()
    await page.locator("[data-test=confirm-yes]").click()
    await expect(pager).to_have_count(0)
    assert (await daemon.get("/api/alerts/channels"))["items"] == []


async def test_a_list_of_addresses_is_typed_as_people_type(page: Page, daemon: Daemon):
    await page.goto("/alerts")
    await page.locator("[data-test=new-channel]").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name", exact=True).fill("mail")
    await dialog.get_by_label("Send by").select_option("Mail")
    await dialog.locator("#f-host").fill("mail.example")
    await dialog.locator("#f-sender").fill("dtaas@mail.example")
    await dialog.locator("#f-recipients").press_sequentially("ann@mail.example, bob@mail.example")
    await page.locator("[data-test=save-channel]").click()
    await expect(page.locator("[data-test=channels] li", has_text="mail")).to_be_visible()
    [channel] = (await daemon.get("/api/alerts/channels"))["items"]
    assert channel["config"]["recipients"] == ["ann@mail.example", "bob@mail.example"]


async def test_the_dialogs_of_alerts_pass_axe(page: Page):
    await page.emulate_media(reduced_motion="reduce")
    await page.goto("/alerts")
    for opener in ("[data-test=new-rule]", "[data-test=new-channel]"):
        await page.locator(opener).click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        await expect(page.locator("[aria-busy=true]")).to_have_count(0)
        assert await violations_in_both_themes(page) == []
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
