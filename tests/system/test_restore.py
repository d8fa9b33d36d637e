"""After a restore the target knows more than the metadata: the daemon asks before it goes on."""

import signal
import sys
from pathlib import Path

import anyio
import pytest

from dtaas.model.schema import TableRef
from dtaas.sandbox.chaos.lake_reader import LakeReader
from dtaas.sandbox.chaos.lake_reader import folder as files_of
from dtaas.sandbox.sandbox import DATABASE, Sandbox
from tests.fakes.lake_reader import ORDER
from tests.system.conftest import LIMIT_S, Daemon, Make

TABLE = TableRef("dbo", "restored")


async def sql(servers: Sandbox, text: str) -> None:
    await servers.sqlserver.run_script(text, database=DATABASE)


def ids(folder: Path) -> list[int]:
    lake = LakeReader(files_of(folder), f"dbo/{TABLE.name}")
    places = [tuple(change[name] for name in ORDER) for change in lake.changes()]
    assert len(places) == len(set(places))  # none counts twice
    return sorted(row["id"] for row in lake.state(("id",)).values())


async def until_ids(folder: Path, *wanted: int) -> None:
    with anyio.fail_after(LIMIT_S):
        while ids(folder) != sorted(wanted):
            await anyio.sleep(0.05)  # a folder has no event to wait for


async def dtaas(*arguments: str, expect: int = 0) -> str:
    done = await anyio.run_process([sys.executable, "-m", "dtaas", *arguments], check=False)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == expect, text
    return text


async def cli(daemon: Daemon, *arguments: str, expect: int = 0) -> str:
    return await dtaas(*arguments, "--socket", str(daemon.data_dir / "admin.sock"), expect=expect)


@pytest.mark.timeout(240)
async def test_restored_metadata_waits_for_a_choice(
    servers: Sandbox, make_daemon: Make, tmp_path: Path
) -> None:
    folder, backup = tmp_path / "out", tmp_path / "backup.tar.gz"
    await sql(servers, f"CREATE TABLE {TABLE} (id int NOT NULL PRIMARY KEY)")
    await sql(servers, f"INSERT INTO {TABLE} VALUES (1), (2)")
    daemon = await make_daemon()
    task_id = await daemon.task(
        await daemon.source(),
        await daemon.folder(folder),
        TABLE,
        mode="full_load_then_cdc",
        options={"poll_interval_ms": 50},
    )
    await daemon.control(task_id, "start")
    await daemon.until_status(task_id, "streaming")
    await sql(servers, f"INSERT INTO {TABLE} VALUES (3)")
    await until_ids(folder, 1, 2, 3)
    await cli(daemon, "backup", str(backup))
    await sql(servers, f"INSERT INTO {TABLE} VALUES (4)")
    await until_ids(folder, 1, 2, 3, 4)
    await daemon.end(signal.SIGTERM)
    told = await dtaas("restore", str(backup), "--data-dir", str(daemon.data_dir))
    assert "waits for your choice" in told
    await daemon.start()
    await waits(daemon, task_id)
    await cli(daemon, "positions", str(task_id), "--continue-from", "store")
    await daemon.control(task_id, "resume")
    await daemon.until_status(task_id, "streaming")
    await sql(servers, f"INSERT INTO {TABLE} VALUES (5)")
    await until_ids(folder, 1, 2, 3, 4, 5)
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
