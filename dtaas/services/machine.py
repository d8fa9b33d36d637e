"""How full the machine is."""

from collections.abc import Mapping
from pathlib import Path
from shutil import disk_usage
from typing import Final

_MEMINFO: Final = Path("/proc/meminfo")
_STAT: Final = Path("/proc/stat")
_CGROUP: Final = Path("/sys/fs/cgroup")


def resources_percent(data_dir: Path) -> Mapping[str, float]:
    """Return how much of disk and memory is in use, in percent; quick, but reads files.

    Memory is the tighter of the machine's and of the control group's, the limit of a container.
    """
    folder = next(p for p in (data_dir.absolute(), *data_dir.absolute().parents) if p.exists())
    usage = disk_usage(folder)
    found = {"disk": 100 * usage.used / (usage.used + usage.free)}
    memory = [value for value in (machine_memory(), group_memory()) if value is not None]
    if memory:
        found["memory"] = max(memory)
    return found


class HostCpu:
    """How busy the machine's processors are, all of them together."""

    def __init__(self, stat: Path = _STAT) -> None:
        self._stat = stat
        self._before = self._read()

    def take_percent(self) -> float | None:
        """Return the part of the time since the last call in which they worked, in percent.

        None where the kernel does not say.
        """
        before, now = self._before, self._read()
        self._before = now
        if before is None or now is None:
            return None
        whole = now[0] - before[0]
        return 100 * (1 - (now[1] - before[1]) / whole) if whole > 0 else None

    def _read(self) -> tuple[int, int] | None:
        """Return the time that passed and the time spent idle, over all processors, in ticks."""
        try:
            name, *fields = self._stat.read_text(encoding="ascii").split("\n", 1)[0].split()
        except (OSError, ValueError):
            return None
        if name != "cpu":
            return None
        # proc_stat(5): user nice system idle iowait irq softirq steal; guest is within user.
        ticks = [int(field) for field in fields[:8]]
        return sum(ticks), sum(ticks[3:5])


def machine_memory(meminfo: Path = _MEMINFO) -> float | None:
    """Return how much of the machine's memory cannot be given to anybody, in percent."""
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    kib = {name: int(rest.split()[0]) for name, _, rest in (x.partition(":") for x in lines)}
    total, available = kib.get("MemTotal", 0), kib.get("MemAvailable", 0)
    return 100 * (total - available) / total if total else None


def group_memory(folder: Path = _CGROUP) -> float | None:
    """Return how much of the control group's limit is in use, in percent; None without one."""
    try:
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        stat = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    if not limit.isdigit() or not int(limit):
        return None
    # What the page cache holds is given back when somebody needs it.
    cached = sum(int(x.split()[1]) for x in stat if x.split()[0] == "inactive_file")
    return 100 * max(0, used - cached) / int(limit)
