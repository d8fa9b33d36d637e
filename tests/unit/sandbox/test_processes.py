"""Children end with their context and with their parent."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from dtaas.sandbox.processes import child_process

SLEEP = "/bin/sleep"
PARENT = """
import anyio, sys
from pathlib import Path
from dtaas.sandbox.processes import child_process

async def main():
    async with child_process(["/bin/sleep", "60"], log_path=Path(sys.argv[1])) as child:
        print(child.pid, flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


async def test_stops_with_its_context(tmp_path: Path) -> None:
    async with child_process([SLEEP, "60"], log_path=tmp_path / "log") as child:
        assert child.returncode is None
    assert child.returncode == -signal.SIGTERM


async def test_is_killed_when_it_ignores_the_stop_signal(tmp_path: Path) -> None:
    script = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    log = tmp_path / "log"
    with anyio.fail_after(10):
        async with child_process(
            [sys.executable, "-c", script], log_path=log, stop_limit_s=0.2
        ) as child:
            while "up" not in log.read_text():
                await anyio.lowlevel.checkpoint()
    assert child.returncode == -signal.SIGKILL


async def test_stops_when_cancelled(tmp_path: Path) -> None:
    with anyio.CancelScope() as scope:
        async with child_process([SLEEP, "60"], log_path=tmp_path / "log") as child:
            scope.cancel()
            await anyio.sleep_forever()
    assert child.returncode == -signal.SIGTERM


@pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")
async def test_runs_as_another_user(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with child_process(["/usr/bin/id", "-u"], log_path=log, user=65534) as child:
        await child.wait()
    assert log.read_text() == "65534\n"


def test_dies_with_a_killed_parent(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child_pid = int(parent.stdout.readline())
        child = os.pidfd_open(child_pid)
        try:
            parent.kill()
            ended, _, _ = select.select([child], [], [], 10)  # a pidfd is readable at the end
            assert ended
        finally:
            os.close(child)
