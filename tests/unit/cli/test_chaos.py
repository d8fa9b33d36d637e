"""What `dtaas chaos` prints, and its exit code."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from anyio import to_thread
from click.testing import CliRunner, Result

from dtaas.cli.main import cli
from dtaas.sandbox.chaos import crashes
from dtaas.sandbox.chaos.crashes import Crash

CLEAN = Crash(
    at_s=1.5, fault="kill", recovery_s=2.25, changes=1_200, lost=0, doubled=0, wrong=0, disordered=0
)
LOSING = Crash(
    at_s=4.0, fault="s3_reset", recovery_s=3.0, changes=7, lost=2, doubled=1, wrong=0, disordered=0,
    note="w1: row 7 is missing",
)  # fmt: skip
STUCK = Crash(
    at_s=9.0, fault="kill", recovery_s=None, changes=7, lost=0, doubled=0, wrong=0, disordered=0
)


async def chaos(monkeypatch: pytest.MonkeyPatch, found: list[Crash], *options: str) -> Result:
    async def crash_test(
        folder: Path, *, seconds: float, seed: int, tell: Callable[[Crash], None]
    ) -> list[Crash]:
        assert folder.is_dir()
        assert (seconds, seed) == (7.0, 11)
        for crash in found:
            tell(crash)
        return found

    monkeypatch.setattr(crashes, "crash_test", crash_test)

    def told() -> Result:
        return CliRunner().invoke(cli, ["chaos", "--seconds", "7", "--seed", "11", *options])

    # In a thread, for it starts an event loop, and this one may hold the loop of async fixtures.
    return await to_thread.run_sync(told)


async def test_the_table_of_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    result = await chaos(monkeypatch, [CLEAN])
    assert result.exit_code == 0
    assert "1 crashes, seed 11" in result.output
    (row,) = [line for line in result.output.splitlines() if "1,200" in line]
    assert [cell.strip() for cell in row.strip("│ ").split("│")] == [
        "1.50", "kill", "2.25", "1,200", "0", "0", "0",
    ]  # fmt: skip


@pytest.mark.parametrize("broken", [LOSING, STUCK])
async def test_what_is_lost_or_stuck_fails(monkeypatch: pytest.MonkeyPatch, broken: Crash) -> None:
    result = await chaos(monkeypatch, [CLEAN, broken])
    assert result.exit_code == 1
    assert broken.note in result.output


async def test_json_is_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    result = await chaos(monkeypatch, [CLEAN, LOSING], "--json")
    assert result.exit_code == 1
    (line,) = result.stdout.splitlines()
    told = json.loads(line)
    assert (told["kills"], told["lost"], told["doubled"]) == (1, 2, 1)
    assert told["slowest_recovery_s"] == 3.0
    assert [crash["fault"] for crash in told["crashes"]] == ["kill", "s3_reset"]
