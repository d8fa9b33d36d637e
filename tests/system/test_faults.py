"""Servers that fail under a load, and disks that fill up: a clear error, and nothing lost."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from subprocess import run

import pytest

from dtaas.sandbox.sandbox import Sandbox
from tests.system.conftest import LINEITEM, ORDERS, Daemon, Make
from tests.system.proof import compare
from tests.system.test_kills import SLOW_MB_S, moved

MIB = 1024 * 1024


async def slow_task(daemon: Daemon, prefix: str) -> int:
    source = await daemon.source(read_rate_limit_mb_s=SLOW_MB_S)
    target = await daemon.s3(prefix=prefix)
    options = {"chunk_rows": 10_000, "max_attempts": 20}
    return await daemon.task(source, target, LINEITEM, options=options, batch_rows=1_000)


@pytest.mark.timeout(240)
async def test_s3_restarted_in_mid_load(servers: Sandbox, daemon: Daemon):
    prefix = f"s3-restart-{os.getpid()}/{{table}}"
    task_id = await slow_task(daemon, prefix)
    await daemon.control(task_id, "start")
    await moved(daemon, task_id, 20_000)
    await servers.s3.restart(crash=True)
    await daemon.until_status(task_id, "idle")
    proof = await compare(servers, prefix, LINEITEM)
    assert proof.verified, proof.differs()


@pytest.mark.timeout(240)
async def test_connections_reset_in_mid_chunk(servers: Sandbox, daemon: Daemon):
    prefix = f"reset-{os.getpid()}/{{table}}"
    task_id = await slow_task(daemon, prefix)
    # Slow at the server: else a whole chunk has arrived before its connection is reset.
    servers.sqlserver.faults.rows_per_s = 5_000
    try:
        await daemon.control(task_id, "start")
        for rows in (10_000, 30_000, 60_000):
            await moved(daemon, task_id, rows)
            servers.sqlserver.tds.drop_connections()
    finally:
        servers.sqlserver.faults.rows_per_s = None
    await daemon.until_status(task_id, "idle")
    execution = await daemon.newest(task_id)
    assert execution["status"] == "completed"
    assert execution["tables"][0]["retries"] > 0
    proof = await compare(servers, prefix, LINEITEM)
    assert proof.verified, proof.differs()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of eight megabytes; needs root."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    path = tmp_path / "disk"
    path.mkdir()
    done = run(["/bin/mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", path], check=False)
    if done.returncode:
        pytest.skip("this machine does not let us mount a small disk")
    yield path
    run(["/bin/umount", "--lazy", path], check=True)


async def test_a_full_destination_disk_is_said_and_repaired(daemon: Daemon, small_disk: Path):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(8 * MIB - 200_000))
    source = await daemon.source()
    target = await daemon.folder(small_disk)
    task_id = await daemon.task(source, target, ORDERS)
    execution = await daemon.run(task_id)
    (table,) = execution["tables"]
    assert (execution["status"], table["error_code"]) == ("failed", "destination_full")
    assert "No space left on device" in table["error"]
    assert table["hint"]
    assert not list(small_disk.rglob("current.json"))
    ballast.unlink()
    execution = await daemon.run(task_id)
    assert execution["status"] == "completed", execution
    assert execution["processed_rows"] == 30_000


async def test_a_full_metadata_disk_is_said_and_repaired(
    servers: Sandbox, make_daemon: Make, small_disk: Path
):
    daemon = await make_daemon(small_disk / "daemon")
    prefix = f"full-{os.getpid()}/{{table}}"
    task_id = await slow_task(daemon, prefix)
    await daemon.control(task_id, "start")
    await moved(daemon, task_id, 5_000)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        fill(file)
    await daemon.until(
        task_id,
        lambda d: bool(d.get("task")) and d["task"]["last_error_code"] == "store_full",
    )
    ballast.unlink()
    await daemon.until_status(task_id, "idle")
    proof = await compare(servers, prefix, LINEITEM)
    assert proof.verified, proof.differs()


@pytest.mark.timeout(240)
async def test_a_locked_metadata_database_is_said_and_waited_for(
    servers: Sandbox, make_daemon: Make, tmp_path: Path
):
    daemon = await make_daemon(tmp_path / "locked")
    prefix = f"locked-{os.getpid()}/{{table}}"
    task_id = await slow_task(daemon, prefix)
    await daemon.control(task_id, "start")
    await moved(daemon, task_id, 5_000)
    with closing(sqlite3.connect(daemon.data_dir / "dtaas.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        told = await daemon.until(
            task_id,
            lambda d: bool(d.get("task")) and d["task"]["last_error_code"] == "store_unavailable",
        )
        assert "locked by another program" in told["task"]["last_error"]
        assert told["task"]["status"] == "retrying"
        other.execute("ROLLBACK")
    await daemon.until_status(task_id, "idle")
    proof = await compare(servers, prefix, LINEITEM)
    assert proof.verified, proof.differs()


def fill(file) -> None:
    """Write until the disk is full."""
    for size in (64 * 1024, 1024, 1):
        try:
            while True:
                file.write(bytes(size))
        except OSError:  # full for this size: try a smaller one
            continue
