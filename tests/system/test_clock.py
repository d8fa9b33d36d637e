"""A wall clock that is set while the daemon runs: schedules go on, and nothing runs twice."""

from pathlib import Path

import anyio
import pytest

from dtaas.model.schema import TableRef
from tests.system.conftest import LIMIT_S, Daemon, Make
from tests.torture.clock import Clock, compiler

DAY_S = 86_400.0


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
    task_id = await daemon.task(
        await daemon.source(),
        await daemon.folder(tmp_path / "out"),
        TableRef("dbo", "region"),
        schedule_type="interval",
        schedule_interval_seconds=10,
    )
    await until_executions(daemon, task_id, 1)
    clock.jump(-DAY_S)
    back = await until_executions(daemon, task_id, 2)
    clock.jump(2 * DAY_S)
    found = await until_executions(daemon, task_id, len(back) + 1)
    assert len(found) < len(back) + 4  # two days that were jumped over are not made up for
    assert {e["status"] for e in found} == {"completed"}
    ready = await daemon.http.get("/api/health/ready")
    assert ready.status_code == 200
