"""Several daemons on one PostgreSQL: one dies or sleeps, another takes its task."""

import signal
from typing import Any

import anyio
import pytest

from tests.system.conftest import LIMIT_S, LINEITEM, Daemon, Make

TAKEN_WITHIN_S = 15.0
RATE_MB_S = 3.0
"""Slow enough to be in the middle of it when others come."""
SLOW = {"options": {"chunk_rows": 2_000, "concurrent_chunks": 1}}


async def running(daemon: Daemon, task_id: int) -> dict[str, Any]:
    """Wait until some of the task has arrived."""
    return await daemon.until(
        task_id, lambda d: bool(d.get("progress")) and d["progress"]["rows_done"] > 0
    )


async def logged(daemon: Daemon, *events: str, **fields: object) -> None:
    """Wait until one of the events is told."""
    with anyio.fail_after(LIMIT_S):
        while True:
            for line in daemon.events():
                if line.get("event") in events and fields.items() <= line.items():
                    return
            await anyio.sleep(0.02)


async def final(daemon: Daemon, task_id: int) -> dict[str, Any]:
    with anyio.fail_after(LIMIT_S):
        while True:
            execution = await daemon.newest(task_id)
            if execution["status"] != "running":
                return execution
            await anyio.sleep(0.1)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_another_daemon_takes_the_task_within_15_s(
    make_daemon: Make, shared: dict[str, str], how: signal.Signals
) -> None:
    first, second = await make_daemon(**shared), await make_daemon(**shared)
    source, target = await first.source(read_rate_limit_mb_s=RATE_MB_S), await first.s3()
    task_id = await first.task(source, target, LINEITEM, **SLOW)
    await first.control(task_id, "start")
    await running(first, task_id)
    first.signal(how)
    began = anyio.current_time()
    await logged(second, "task_taken", task_id=task_id)
    assert anyio.current_time() - began < TAKEN_WITHIN_S
    await running(second, task_id)
    if how is signal.SIGSTOP:  # the sleeper wakes up into a world that went on
        first.signal(signal.SIGCONT)
        # Who was put to sleep in the middle of a beat finds that it came too late for it.
        await logged(first, "lease_lost", "lease_not_kept")
    execution = await final(second, task_id)
    assert execution["status"] == "completed", execution
    (table,) = execution["tables"]
    assert table["rows_done"] == table["rows_total"] or not table["total_is_estimate"]
    assert (await second.get(f"/api/tasks/{task_id}/executions"))["total"] == 1


@pytest.mark.timeout(180)
async def test_any_daemon_steers_a_task_of_another(
    make_daemon: Make, shared: dict[str, str]
) -> None:
    first, second = await make_daemon(**shared), await make_daemon(**shared)
    source, target = await first.source(read_rate_limit_mb_s=RATE_MB_S), await first.s3()
    task_id = await first.task(source, target, LINEITEM, **SLOW)
    await first.control(task_id, "start")
    await running(first, task_id)
    await second.control(task_id, "stop")
    execution = await final(second, task_id)
    assert execution["status"] == "stopped"
    await second.control(task_id, "start")
    await running(second, task_id)
    await second.end(signal.SIGTERM)  # gives its tasks free at once
    await logged(first, "task_taken", task_id=task_id)
    assert (await final(first, task_id))["status"] == "completed"
