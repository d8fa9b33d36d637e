"""The dashboard and the alert rules in config/ against promtool and against our metrics page."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dtaas.services.instruments import Instruments
from dtaas.store.dashboard import DashboardFigures

CONFIG = Path(__file__).parents[2] / "config"
RULES = CONFIG / "prometheus-rules.yml"
PROMTOOL = shutil.which("promtool")
NAME = re.compile(r"\bdtaas_[a-z_]+\b")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is missing; on Debian: apt-get install prometheus"
)


class Idle:
    def running(self) -> list[object]:
        return []


def page() -> bytes:
    figures = DashboardFigures(
        tasks=0,
        tasks_by_status={},
        connectors=0,
        connectors_failing=0,
        running=0,
        completed_24h=0,
        partial_24h=0,
        failed_24h=0,
        stopped_24h=0,
        rows_24h=0,
        data_mb_24h=0.0,
    )
    return Instruments(Idle()).page(figures)  # type: ignore[arg-type]


def exported() -> set[str]:
    """Return every name there can be, by the types the page declares."""
    names = set()
    for kind, name in re.findall(r"^# TYPE (dtaas_\w+) (\w+)$", page().decode(), re.MULTILINE):
        ends = ("_bucket", "_sum", "_count") if name == "histogram" else ("",)
        names |= {kind + end for end in ends}
    return names


def promtool(*arguments: str | Path, stdin: bytes = b"") -> None:
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, *arguments], input=stdin, capture_output=True, check=False, timeout=30
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


@needs_promtool
def test_the_rules_are_valid_and_fire_when_they_should() -> None:
    promtool("check", "rules", RULES)
    promtool("test", "rules", CONFIG / "prometheus-rules-test.yml")


@needs_promtool
def test_the_page_is_what_prometheus_reads() -> None:
    promtool("check", "metrics", stdin=page())


@pytest.mark.parametrize("file", [RULES, CONFIG / "grafana-dashboard.json"])
def test_rules_and_dashboard_name_only_metrics_there_are(file: Path) -> None:
    named = set(NAME.findall(file.read_text()))
    assert len(named) >= 5
    assert named <= exported()


def test_every_panel_asks_something() -> None:
    panels = json.loads((CONFIG / "grafana-dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(target["expr"] for panel in panels for target in panel["targets"])
