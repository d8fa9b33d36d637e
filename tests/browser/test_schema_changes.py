"""Changes of source tables on the task's page: seen, compared, decided."""

import sqlite3
from datetime import UTC, datetime

import anyio
import msgspec
import pytest
from playwright.async_api import Page, expect

from dtaas.model.drift import (
    DetectedBy,
    DriftPolicy,
    SchemaChange,
    SchemaChangeKind,
    SchemaChangeState,
)
from dtaas.model.ids import TaskId
from dtaas.model.schema import Column
from dtaas.model.types import Integer, String
from tests.browser.conftest import LIMIT_MS
from tests.system.conftest import ORDERS, Daemon

pytestmark = pytest.mark.timeout(180)
expect.set_options(timeout=LIMIT_MS)
KEY = Column(name="o_orderkey", type=Integer(bits=32), nullable=False, native_type="int")
NEW = Column(name="o_channel", type=String(), nullable=True, native_type="nvarchar(20)")
NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)


def noted(daemon: Daemon, task: int, state: SchemaChangeState) -> None:
    """Write down what the engine notes when a column comes: two versions and a change."""
    change = SchemaChange(
        task_id=TaskId(task),
        table=ORDERS,
        detected_at=NOW,
        detected_by=DetectedBy.DDL_HISTORY,
        position="0000002a000001f80003",
        kind=SchemaChangeKind.COLUMN_ADDED,
        column="o_channel",
        after=NEW,
        ddl=("ALTER TABLE orders ADD COLUMN o_channel VARCHAR;",),
        policy=DriftPolicy.EVOLVE,
        state=state,
    )
    place = (task, ORDERS.schema, ORDERS.name)
    with sqlite3.connect(daemon.data_dir / "dtaas.db", timeout=30) as database:
        for version, columns in enumerate(((KEY,), (KEY, NEW)), 1):
            database.execute(
                "INSERT OR REPLACE INTO schema_versions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*place, version, NOW.isoformat(" "), None, msgspec.json.encode(columns).decode(), "[]"),
            )  # fmt: skip
        database.execute(
            "INSERT INTO schema_changes (task_id, table_schema, table_name, detected_at, state, body)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (*place, NOW.isoformat(" "), state.value, msgspec.json.encode(change).decode()),
        )
    database.close()


async def test_a_change_that_waits_is_compared_and_decided(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS)
    await anyio.to_thread.run_sync(noted, daemon, task, SchemaChangeState.PENDING)
    await page.goto(f"/tasks/{task}")
    tab = page.get_by_role("tab", name="Schema")
    await expect(tab).to_contain_text("1")
    await tab.click()
    change = page.locator("[data-change]")
    await expect(change).to_contain_text("Column o_channel was added")
    await expect(change).to_contain_text("nvarchar(20)")
    await expect(change).to_contain_text("ALTER TABLE orders ADD COLUMN o_channel")
    await expect(change).to_contain_text("waits for a decision")
    await expect(page.locator("[data-test=version-diff]")).to_contain_text("1 added, 0 dropped")
    await expect(page.locator("[data-test=diff]")).to_contain_text("+ o_channel nvarchar(20)")
    await change.get_by_label("Fill it in rows that arrived, too").check()
    await change.get_by_role("button", name="Approve").click()
    await expect(page.get_by_role("dialog")).to_contain_text("The target is changed")
    await page.locator("[data-test=confirm-yes]").click()
    await expect(change).to_contain_text("decided by")
    await expect(change.get_by_role("button", name="Approve")).to_have_count(0)
    await expect(tab).not_to_contain_text("1")
    [told] = (await daemon.get(f"/api/tasks/{task}/schema-changes"))["items"]
    assert told["backfill"] is True
    assert told["decided_by"]


async def test_what_is_done_about_changes_is_set_in_the_builder(page: Page, daemon: Daemon):
    task = await daemon.task(await daemon.source(), await daemon.s3(), ORDERS)
    await page.goto(f"/builder/{task}")
    await page.get_by_role("button", name="Settings").click()
    await page.locator("#b-drift").select_option("pause")
    await page.get_by_label("What would be done at the target waits").check()
    await page.locator("[data-test=review]").click()
    await expect(page.locator("[data-test=diff]")).to_contain_text("+ schema_drift_policy: pause")
    await page.locator("[data-test=save-only]").click()
    await expect(page.locator("[data-test=status]")).to_be_visible()
    stored = await daemon.get(f"/api/tasks/{task}")
    assert (stored["schema_drift_policy"], stored["schema_drift_approval"]) == ("pause", True)
