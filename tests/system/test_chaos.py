"""`dtaas chaos` as a user runs it."""

import json
import sys

import anyio
import pytest


@pytest.mark.timeout(300)
async def test_chaos_proves_that_crashes_lose_nothing() -> None:
    command = [sys.executable, "-m", "dtaas", "chaos", "--seconds", "5", "--seed", "3", "--json"]
    done = await anyio.run_process(command, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2_000:]
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert (told["seed"], told["lost"], told["doubled"]) == (3, 0, 0)
    assert told["kills"] >= 1
    assert told["changes"] > 0
    assert told["crashes"][0]["fault"] == "kill"
    assert all(crash["recovery_s"] > 0 for crash in told["crashes"])
