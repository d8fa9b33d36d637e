from pathlib import Path

import pytest

from dtaas.services.machine import HostCpu, group_memory, machine_memory, resources_percent


def test_memory_of_the_machine(tmp_path: Path) -> None:
    file = tmp_path / "meminfo"
    file.write_text(
        "MemTotal:  1000 kB\nMemFree:  10 kB\nMemAvailable:  250 kB\nHugePages_Total: 0\n"
    )
    assert machine_memory(file) == 75.0
    assert machine_memory(tmp_path / "none") is None


def test_memory_of_a_control_group_without_what_can_be_given_back(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("900\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 400\n")
    assert group_memory(tmp_path) == 50.0
    (tmp_path / "memory.max").write_text("max\n")
    assert group_memory(tmp_path) is None


def test_processors_are_busy_by_the_time_since_the_last_look(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 100 700 100 0 0 0 40 0\ncpu0 1 2 3\n")
    cpu = HostCpu(stat)
    assert cpu.take_percent() is None  # no time passed
    stat.write_text("cpu  150 0 110 820 120 0 0 0 90 0\ncpu0 1 2 3\n")
    assert cpu.take_percent() == pytest.approx(100 * 60 / 200)
    stat.unlink()
    assert cpu.take_percent() is None
    assert HostCpu(stat).take_percent() is None


def test_this_machine(tmp_path: Path) -> None:
    found = resources_percent(tmp_path)
    assert set(found) == {"disk", "memory"}
    assert all(0 < percent <= 100 for percent in found.values())
