"""Looks at the machine and at the daemon's own files. Runs without a daemon, too."""

import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path
from shutil import disk_usage
from typing import Final

from msgspec import Struct

from dtaas.model.check import StepStatus
from dtaas.model.clock_skew import SET_THIS_CLOCK
from dtaas.services.clock_check import ClockState, clock_state
from dtaas.services.machine import group_memory, machine_memory
from dtaas.store.key_place import KeyPlace

_OPEN_FILES: Final = 4096
_WARN_PERCENT: Final = 85
_FAIL_PERCENT: Final = 97
_FEWEST_BYTES: Final = 500_000_000
_MOST_CLOCK_ERROR_S: Final = 1.0
_GB: Final = 1e9


class Finding(Struct, frozen=True, kw_only=True):
    """One thing the doctor looked at.

    Attributes:
        area: host, state, connector or task.
        subject: which one, such as a connector's name.
        fix: what to paste or to do; empty when nothing is wrong.
    """

    area: str
    subject: str
    name: str
    status: StepStatus
    detail: str
    fix: str = ""


class Places(Struct, frozen=True, kw_only=True):
    """Where the daemon keeps what. `database` is None for PostgreSQL."""

    data_dir: Path
    database: Path | None
    key: KeyPlace
    admin_socket: Path


def check_host(places: Places) -> list[Finding]:
    """Return what was found; takes milliseconds, but reads files: not for the event loop."""
    return [*_host(places), *_state(places)]


def _host(places: Places) -> Iterator[Finding]:
    folder = next(p for p in (places.data_dir, *places.data_dir.parents) if p.exists())
    usage = disk_usage(folder)
    percent = 100 * usage.used / (usage.used + usage.free)
    yield _found(
        "host",
        "disk",
        _grade(percent, bad=usage.free < _FEWEST_BYTES),
        f"{usage.free / _GB:.1f} GB are free at {folder} ({percent:.0f} % used).",
        f"Free space there, or move the data folder: du -xh {folder} | sort -h | tail",
    )
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = soft == resource.RLIM_INFINITY or soft >= _OPEN_FILES
    yield _found(
        "host",
        "open_files",
        StepStatus.OK if enough else StepStatus.WARNING,
        f"A process may open {soft} files.",
        f"ulimit -n {_OPEN_FILES * 16}   # systemd: LimitNOFILE={_OPEN_FILES * 16}",
    )
    yield _clock(clock_state())
    memory = [m for m in (machine_memory(), group_memory()) if m is not None]
    if memory:
        yield _found(
            "host",
            "memory",
            _grade(max(memory), bad=False),
            f"{max(memory):.0f} % of the memory is in use.",
            "Lower options.in_flight_mb and concurrent_chunks of the tasks, or add memory.",
        )


def _clock(state: ClockState) -> Finding:
    if state.synchronised is None:
        said = "The daemon may not ask the kernel (ProtectClock). Run dtaas doctor as a user."
        return _found("host", "clock", StepStatus.SKIPPED, said, "timedatectl status")
    if not state.synchronised:
        said = "Nothing keeps this machine's clock right, so it may be off by any time."
        return _found("host", "clock", StepStatus.WARNING, said, SET_THIS_CLOCK)
    if state.off_by_s is not None and state.off_by_s > _MOST_CLOCK_ERROR_S:
        said = f"This machine's clock may be off by {state.off_by_s:.1f} s."
        return _found("host", "clock", StepStatus.WARNING, said, SET_THIS_CLOCK)
    return _found("host", "clock", StepStatus.OK, "This machine's clock is synchronised.", "")


def _grade(percent: float, *, bad: bool) -> StepStatus:
    if bad or percent >= _FAIL_PERCENT:
        return StepStatus.FAILED
    return StepStatus.WARNING if percent >= _WARN_PERCENT else StepStatus.OK


def _state(places: Places) -> Iterator[Finding]:
    yield _folder(places.data_dir)
    if places.key.value:
        said = "The key of the secrets comes from the environment."
        yield _found("state", "key_file", StepStatus.OK, said, "")
    else:
        yield _private(
            "key_file",
            places.key.file,
            "Put it back from a backup: without it the connectors' secrets are lost.",
            0o037 if places.key.in_credentials else 0o077,
        )
    if places.database is not None:
        yield _private("database", places.database, "It is made at the first start.")
    yield _socket(places.admin_socket)


def _folder(folder: Path) -> Finding:
    if not folder.is_dir():
        return _found(
            "state", "data_folder", StepStatus.WARNING, f"{folder} does not exist yet.", ""
        )
    mode = stat.S_IMODE(folder.stat().st_mode)
    if not os.access(folder, os.W_OK | os.X_OK):
        return _found(
            "state",
            "data_folder",
            StepStatus.FAILED,
            f"{folder} may not be written.",
            f"chown dtaas: {folder}",
        )
    return _found(
        "state",
        "data_folder",
        StepStatus.WARNING if mode & 0o027 else StepStatus.OK,
        f"{folder} has mode {mode:04o}.",
        f"chmod 700 {folder}",
    )


def _private(name: str, path: Path, missing: str, open_bits: int = 0o077) -> Finding:
    try:
        found = path.stat()
    except FileNotFoundError:
        return _found("state", name, StepStatus.WARNING, f"{path} does not exist.", missing)
    except OSError as exc:
        said = f"{path} cannot be looked at: {exc.strerror}."
        return _found("state", name, StepStatus.FAILED, said, f"ls -ld {path.parent} {path}")
    mode = stat.S_IMODE(found.st_mode)
    return _found(
        "state",
        name,
        StepStatus.FAILED if mode & open_bits else StepStatus.OK,
        f"{path} has mode {mode:04o}.",
        f"chmod 600 {path}",
    )


def _socket(path: Path) -> Finding:
    try:
        mode = path.stat().st_mode
    except OSError as exc:
        return _found(
            "state",
            "admin_socket",
            StepStatus.WARNING,
            f"{path}: {exc.strerror}.",
            "Start the daemon: systemctl start dtaas",
        )
    good = stat.S_ISSOCK(mode) and not mode & 0o007
    return _found(
        "state",
        "admin_socket",
        StepStatus.OK if good else StepStatus.FAILED,
        f"{path} has mode {stat.S_IMODE(mode):04o}.",
        f"chmod 660 {path}",
    )


def _found(area: str, name: str, status: StepStatus, detail: str, fix: str) -> Finding:
    return Finding(
        area=area,
        subject="",
        name=name,
        status=status,
        detail=detail,
        fix="" if status is StepStatus.OK else fix,
    )
