"""After a restore the target knows more than the metadata: the daemon asks before it goes on."""

from pathlib import Path

import pytest

from dtaas.model.schema import TableRef
from dtaas.sandbox.sandbox import Sandbox
from tests.system.conftest import Daemon, Make
from tests.system.restored import Restored, cli


@pytest.mark.timeout(240)
async def test_restored_metadata_waits_for_a_choice(
    servers: Sandbox, make_daemon: Make, tmp_path: Path
) -> None:
    restored = Restored(servers, TableRef("dbo", "restored"), tmp_path)
    daemon = await make_daemon()
    task_id = await restored.begin(daemon)
    await waits(daemon, task_id)
    await cli(daemon, "positions", str(task_id), "--continue-from", "store")
    await daemon.control(task_id, "resume")
    await daemon.until_status(task_id, "streaming")
    await restored.insert(5)
    await restored.until_ids(1, 2, 3, 4, 5)
    review = await daemon.get(f"/api/tasks/{task_id}/positions")
    assert (review["state"], review["reason"]) == ("settled", "restored")
    assert review["tables"][0]["choice"] == "store"


async def waits(daemon: Daemon, task_id: int) -> None:
    """Start the task, and see it wait where it can be seen."""
    assert (await daemon.get(f"/api/tasks/{task_id}"))["last_error_code"] == "restored_from_backup"
    await daemon.control(task_id, "start")
    waiting = await daemon.until_status(task_id, "paused", "streaming", "failed")
    assert (waiting["status"], waiting["last_error_code"]) == ("paused", "positions_differ")
    refused = await daemon.http.post(f"/api/tasks/{task_id}/control", json={"action": "resume"})
    assert (refused.status_code, refused.json()["code"]) == (409, "positions_differ")
    assert "positions_differ" in await cli(daemon, "doctor")
