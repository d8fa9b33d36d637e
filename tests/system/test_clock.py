"""A wall clock that is set while the daemon runs: schedules go on, and nothing runs twice."""

import json
import sys
from pathlib import Path

import anyio
import pytest

from dtaas.model.schema import TableRef
from tests.system.conftest import LIMIT_S, Daemon, Make
from tests.torture.clock import Clock, compiler

HOUR_S, DAY_S = 3600.0, 86_400.0


async def until_executions(daemon: Daemon, task_id: int, number: int) -> list[dict[str, str]]:
    with anyio.fail_after(LIMIT_S):
        while True:
            listed = await daemon.get(f"/api/tasks/{task_id}/executions?limit=100")
            done = [e for e in listed["items"] if e["status"] != "running"]
            if len(done) >= number:
                return list(done)
            await anyio.sleep(0.2)  # a schedule has no event of its own


@pytest.mark.skipif(not compiler(), reason="needs a C compiler to stand before the clock")
@pytest.mark.timeout(240)
async def test_schedules_go_on_when_the_clock_is_set(make_daemon: Make, tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    daemon = await make_daemon(**clock.environ)
    source, region = await daemon.source(), TableRef("dbo", "region")
    task_id = await daemon.task(
        source,
        await daemon.folder(tmp_path / "out"),
        region,
        schedule_type="interval",
        schedule_interval_seconds=10,
    )
    follower = await daemon.task(
        source,
        await daemon.folder(tmp_path / "after"),
        region,
        schedule_type="after_task",
        schedule={"after_task_id": task_id},
    )
    followed = await until_executions(daemon, follower, 1)
    before = await until_executions(daemon, task_id, 1)
    clock.jump(-DAY_S)
    back = await until_executions(daemon, task_id, len(before) + 1)
    followed = await until_executions(daemon, follower, len(followed) + 1)
    back = await until_executions(daemon, task_id, len(back))
    clock.jump(2 * DAY_S)
    found = await until_executions(daemon, task_id, len(back) + 1)
    await until_executions(daemon, follower, len(followed) + 1)
    assert len(found) < len(back) + 4  # two days that were jumped over are not made up for
    assert {e["status"] for e in found} == {"completed"}
    ready = await daemon.http.get("/api/health/ready")
    assert ready.status_code == 200


@pytest.mark.skipif(not compiler(), reason="needs a C compiler to stand before the clock")
@pytest.mark.timeout(240)
async def test_the_doctor_tells_of_clocks_that_differ(make_daemon: Make, tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    daemon = await make_daemon(**clock.environ)
    socket = daemon.data_dir / "admin.sock"
    await daemon.source()
    await daemon.s3()
    assert await clocks(socket) == {"sqlserver": "ok", "s3": "ok"}
    clock.jump(600)
    assert await clocks(socket) == {"sqlserver": "warning", "s3": "warning"}
    clock.jump(-HOUR_S)
    found = await findings(socket, expect=1)
    assert found["sqlserver", "clock"]["status"] == "warning"
    assert "60 min ahead of" in found["sqlserver", "clock"]["detail"]
    refused = found["s3", "bucket"]
    assert refused["status"] == "failed"
    assert "RequestTimeTooSkewed" in refused["detail"]
    assert refused["fix"].startswith("timedatectl set-ntp true")


async def clocks(socket: Path) -> dict[str, str]:
    found = await findings(socket, expect=0)
    assert all(f["fix"] for f in found.values() if f["status"] == "warning")
    return {kind: str(f["status"]) for (kind, name), f in found.items() if name == "clock"}


async def findings(socket: Path, *, expect: int) -> dict[tuple[str, str], dict[str, str]]:
    """Return what `dtaas doctor` says of connectors, by kind and step."""
    command = [sys.executable, "-m", "dtaas", "doctor", "--socket", str(socket), "--json"]
    done = await anyio.run_process(command, check=False)
    assert done.returncode == expect, done.stdout
    return {
        ("s3" if f["subject"].startswith("s3") else "sqlserver", f["name"]): f
        for f in json.loads(done.stdout)["findings"]
        if f["area"] == "connector"
    }
