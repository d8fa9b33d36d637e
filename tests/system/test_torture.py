"""The short profile of `make torture`, and the proof that it finds what it looks for.

More of it: `make torture SEED= SECONDS=`.
"""

import json
import os
import sys
from typing import Any

import anyio
import pytest

SEED = int(os.environ.get("DTAAS_TEST_SEED", "1"))


async def torture(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run it; return the exit code, its last line, and what it says of findings."""
    command = [sys.executable, "-m", "tests.torture.run", *arguments]
    done = await anyio.run_process(command, check=False)
    said = done.stderr.decode()
    lines = done.stdout.splitlines()
    assert lines, said[-2_000:]
    return done.returncode, json.loads(lines[-1]), said


@pytest.mark.timeout(300)
async def test_histories_under_faults_and_kills_arrive_whole() -> None:
    weather = ("--storms", "1", "--histories", "3", "--kills", "2", "--snowflake", "0")
    code, tally, said = await torture("--seed", str(SEED), *weather)
    assert code == 0, said
    assert tally["seed"] == SEED
    assert (tally["histories"], tally["kills"]) == (3, 2)
    assert (tally["lost"], tally["doubled"]) == (0, 0)
    if SEED == 1:
        assert tally["alterations"] > 0


@pytest.mark.timeout(300)
async def test_histories_into_snowflake_arrive_whole() -> None:
    """Merged by key, so that rows are compared; what is doubled is seen in histories of versions."""
    weather = ("--storms", "1", "--histories", "2", "--kills", "2", "--snowflake", "1")
    code, tally, said = await torture("--seed", str(SEED), *weather)
    assert code == 0, said
    assert (tally["histories"], tally["kills"]) == (2, 2)
    assert (tally["lost"], tally["doubled"], tally["wrong"]) == (0, 0, 0)
    if SEED == 1:  # one history only grows, the other one keeps versions
        assert tally["copied"] > 0
        assert tally["merged"] > 0


@pytest.mark.timeout(300)
async def test_a_planted_loss_and_a_planted_double_are_found() -> None:
    weather = ("--storms", "1", "--histories", "1", "--kills", "1", "--snowflake", "0")
    code, tally, said = await torture("--seed", "3", "--plant", *weather)
    assert code == 1, said
    assert tally["lost"] > 0, said
    assert tally["doubled"] > 0, said
    assert "again: make torture SEED=3" in said
