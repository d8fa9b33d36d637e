"""Killed at any instant, a load ends with every row exactly once."""

import os
import random
import signal

import anyio
import pytest

from dtaas.sandbox.sandbox import Sandbox
from tests.system.conftest import LINEITEM, ORDERS, Daemon, Make
from tests.system.proof import compare

KILLS = int(os.environ.get("DTAAS_TEST_KILLS", "20"))
SEED = int(os.environ.get("DTAAS_TEST_SEED", "1"))
SLOW_MB_S = 3.0
"""Read rate that makes a load of 120,000 rows last some ten seconds."""


async def moved(daemon: Daemon, task_id: int, rows: int) -> None:
    """Return once a running execution has read so many rows, or ended."""

    def told(data: dict) -> bool:
        progress = data.get("progress") or {}
        status = (data.get("task") or {}).get("status")
        return progress.get("rows_done", 0) >= rows or status in ("idle", "failed")

    await daemon.until(task_id, told)


@pytest.mark.timeout(600)
async def test_kill_at_random_instants(servers: Sandbox, make_daemon: Make):
    luck = random.Random(SEED)
    prefix = f"kills-{SEED}-{os.getpid()}/{{schema}}/{{table}}"
    daemon = await make_daemon()
    source = await daemon.source(read_rate_limit_mb_s=SLOW_MB_S)
    target = await daemon.s3(prefix=prefix)
    task_id = await daemon.task(
        source, target, LINEITEM, ORDERS, options={"chunk_rows": 5_000}, batch_rows=1_000
    )
    await daemon.control(task_id, "start")
    kills = 0
    rows = 0
    for _ in range(KILLS):
        task = await daemon.get(f"/api/tasks/{task_id}")
        if task["status"] == "idle":  # it was faster than the kills: another round
            await daemon.control(task_id, "start")
            rows = 0
        rows += luck.randrange(0, 15_000)
        await moved(daemon, task_id, rows)
        await daemon.kill()
        kills += 1
        await daemon.start()
    await daemon.until_status(task_id, "idle")
    execution = await daemon.newest(task_id)
    assert execution["status"] == "completed"
    proof = await compare(servers, prefix, LINEITEM, ORDERS)
    assert proof.verified, f"seed {SEED}: {proof.differs()}"
    assert kills == KILLS


async def test_sigterm_drains_and_the_next_start_goes_on(servers: Sandbox, make_daemon: Make):
    prefix = f"drain-{os.getpid()}/{{schema}}/{{table}}"
    daemon = await make_daemon(DTAAS_DAEMON__SHUTDOWN_GRACE_S="10")
    source = await daemon.source(read_rate_limit_mb_s=SLOW_MB_S)
    target = await daemon.s3(prefix=prefix)
    task_id = await daemon.task(
        source, target, LINEITEM, options={"chunk_rows": 5_000}, batch_rows=1_000
    )
    await daemon.control(task_id, "start")
    await moved(daemon, task_id, 20_000)
    with anyio.fail_after(15):
        assert await daemon.end(signal.SIGTERM) == 0
    await daemon.start()
    execution = await daemon.newest(task_id)
    assert execution["status"] == "running"
    assert execution["processed_rows"] > 0
    await daemon.until_status(task_id, "idle")
    proof = await compare(servers, prefix, LINEITEM)
    assert proof.verified, proof.differs()
    listed = await daemon.get(f"/api/tasks/{task_id}/executions")
    assert listed["total"] == 1  # the same execution went on
    (table,) = (await daemon.newest(task_id))["tables"]
    assert (table["reader"], table["reader_reason"]) == ("native", None)
