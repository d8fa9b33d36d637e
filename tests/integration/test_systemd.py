"""The unit as systemd reads it, and the daemon's words to systemd."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "dtaas.service"
ANALYZE = shutil.which("systemd-analyze")
MOST_EXPOSURE = 1.5
needs_systemd = pytest.mark.skipif(
    ANALYZE is None, reason="systemd-analyze is missing; on Debian: apt-get install systemd"
)


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    assert ANALYZE is not None
    return subprocess.run(
        [ANALYZE, *arguments], capture_output=True, text=True, check=False, timeout=50
    )


@needs_systemd
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    built = Path(sys.executable).parent
    assert (built / "dtaas").exists()
    copy = tmp_path / "dtaas.service"
    text = UNIT.read_text()
    assert text.count("/opt/dtaas/bin") == 2
    copy.write_text(text.replace("/opt/dtaas/bin", str(built)))
    done = analyze("verify", copy)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_the_service_may_do_little() -> None:
    done = analyze("security", "--offline=true", "--no-pager", UNIT)
    found = re.search(r"exposure level for dtaas.service: ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSURE


def test_limits_are_in_order() -> None:
    unit = dict(re.findall(r"^(\w+)=(\S+)$", UNIT.read_text(), re.MULTILINE))
    grace_s = 30  # the default of [daemon] shutdown_grace_s
    assert grace_s < int(unit["TimeoutStopSec"])
    assert unit["Type"] == "notify"
    assert int(unit["WatchdogSec"]) >= 30
