"""`dtaas demo` as a newcomer and a script use it."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import anyio
import psutil
import pyarrow.parquet as pq
import pytest
from anyio.abc import Process

LIMIT_S = 120
SCALE = "0.01"
ROWS = 86_805


def command(data_dir: Path, *options: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "dtaas",
        "demo",
        "--scale",
        SCALE,
        "--data-dir",
        str(data_dir),
        *options,
    ]


async def demo(data_dir: Path, *options: str) -> tuple[int, str, str]:
    with anyio.fail_after(LIMIT_S):
        done = await anyio.run_process(command(data_dir, *options), check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@asynccontextmanager
async def running(data_dir: Path, *options: str) -> AsyncIterator[Process]:
    process = await anyio.open_process(
        command(data_dir, *options), stdin=None, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.aclose()


async def until_printed(process: Process, text: str) -> str:
    assert process.stdout is not None
    printed = ""
    with anyio.fail_after(LIMIT_S):
        async for piece in process.stdout:
            printed += piece.decode()
            if text in printed:
                return printed
    raise AssertionError(printed)


async def gone(pids: list[int]) -> None:
    """Return once none of these processes lives."""
    with anyio.fail_after(30):
        while any(alive(pid) for pid in pids):
            await anyio.sleep(0.05)  # other processes' ends are no event for us


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.timeout(LIMIT_S + 30)
async def test_once_to_s3_is_verified_and_left_in_a_folder(tmp_path: Path):
    out = tmp_path / "out"
    code, printed, errors = await demo(tmp_path / "demo", "--once", "--out", str(out))
    assert code == 0, errors
    (line,) = printed.splitlines()
    result = json.loads(line)
    assert (result["tables"], result["rows"], result["verified"]) == (8, ROWS, True)
    assert result["rows_per_second"] > 0
    assert result["mb"] > 0
    assert result["changes"] >= 10_000
    assert result["changes_per_second"] > 0
    assert result["lag_p99_ms"] > 0
    loaded = sorted(out.rglob("data/**/*.parquet"))
    assert sum(pq.read_metadata(file).num_rows for file in loaded) == ROWS
    changed = sorted(out.rglob("cdc/**/*.parquet"))
    assert sum(pq.read_metadata(file).num_rows for file in changed) == result["changes"]
    assert len(list(out.rglob("current.json"))) == 8


@pytest.mark.timeout(LIMIT_S + 30)
async def test_a_corrupted_row_is_found_and_named(tmp_path: Path):
    out = tmp_path / "out"
    options = ("--once", "--destination", "file", "--out", str(out), "--corrupt", "1")
    code, printed, errors = await demo(tmp_path / "demo", *options)
    assert code == 1
    assert json.loads(printed)["verified"] is False
    assert "dbo.customer differs: values of column 'c_comment'" in errors
    assert "dbo.customer c_custkey=1: changed (c_comment)" in errors


@pytest.mark.timeout(LIMIT_S + 30)
async def test_snowflake_holds_everything_but_what_was_altered(tmp_path: Path):
    options = ("--once", "--destination", "snowflake", "--corrupt", "2")
    code, printed, errors = await demo(tmp_path / "demo", *options)
    assert code == 1, errors
    result = json.loads(printed)
    assert (result["tables"], result["rows"], result["verified"]) == (8, ROWS, False)
    assert result["changes"] >= 10_000
    differing = [line for line in errors.splitlines() if " differs: " in line]
    assert len(differing) == 1, errors  # the other seven tables hold the same at both ends
    assert "dbo.customer c_custkey=1: changed (c_comment)" in errors
    assert "dbo.customer c_custkey=2: changed (c_comment)" in errors


@pytest.mark.timeout(2 * LIMIT_S + 30)
async def test_a_second_demo_says_where_the_first_runs_and_ctrl_c_leaves_nothing(tmp_path: Path):
    data_dir = tmp_path / "demo"
    async with running(data_dir) as first:
        printed = await until_printed(first, "Ctrl-C ends everything.")
        assert "source and destination hold the same" in printed
        url = next(word for word in printed.split() if word.startswith("http://"))
        code, _, errors = await demo(data_dir, "--once")
        assert code == 1
        assert url.removesuffix("/api/openapi.json") in errors
        children = [c.pid for c in psutil.Process(first.pid).children(recursive=True)]
        assert len(children) > 3
        first.send_signal(signal.SIGINT)
        with anyio.fail_after(60):
            assert await first.wait() == 0
        await gone(children)


@pytest.mark.timeout(LIMIT_S + 60)
async def test_a_killed_demo_leaves_no_process(tmp_path: Path):
    async with running(tmp_path / "demo") as first:
        await until_printed(first, "loading them")
        children = [c.pid for c in psutil.Process(first.pid).children(recursive=True)]
        os.kill(first.pid, signal.SIGKILL)
        await gone(children)
