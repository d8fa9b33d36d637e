"""The test of a file connector: the folder exists, can be written, and has room."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Final

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.lake.errors import from_os_error
from dtaas.model.check import CheckReport, CheckStep, OnStep, StepStatus
from dtaas.model.errors import DtaasError, FatalError

LOW_SPACE_BYTES: Final = 1024**3
Probe = Callable[[Path], str]


async def check_folder(base: Path, blocking: Blocking, on_step: OnStep) -> CheckReport:
    """Run the steps in order, up to the first that fails."""
    steps: list[CheckStep] = []
    probes: tuple[tuple[str, Probe], ...] = (("exists", _exists), ("writable", _writable))
    for name, probe in probes:
        steps.append(await blocking(_probed, name, probe, base))
        on_step(steps[-1])
        if steps[-1].status is StepStatus.FAILED:
            return CheckReport(ok=False, steps=tuple(steps))
    steps.append(await blocking(_free_space, base))
    on_step(steps[-1])
    return CheckReport(ok=True, steps=tuple(steps))


def _probed(name: str, probe: Probe, base: Path) -> CheckStep:
    started = perf_counter()
    status, fix, code = StepStatus.OK, "", None
    try:
        detail = probe(base)
    except DtaasError as error:
        status, detail, fix, code = StepStatus.FAILED, error.detail, error.hint, error.code
    took_s = perf_counter() - started
    return CheckStep(name=name, status=status, detail=detail, fix=fix, code=code, took_s=took_s)


def _exists(base: Path) -> str:
    if not base.is_absolute():
        raise FatalError(f"{base} is not an absolute path.", hint="Begin the path with `/`.")
    if not base.is_dir():
        raise FatalError(f"{base} is not an existing folder.", hint=f"Make it: mkdir -p '{base}'")
    return f"{base} is a folder"


def _writable(base: Path) -> str:
    try:
        with tempfile.NamedTemporaryFile(dir=base, prefix=".dtaas-check-") as file:
            file.write(b"check")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise from_os_error(error, f"Writing into {base}") from error
    return "a file was written, synced and deleted"


def _free_space(base: Path) -> CheckStep:
    free = shutil.disk_usage(base).free
    low = free < LOW_SPACE_BYTES
    return CheckStep(
        name="free_space",
        status=StepStatus.WARNING if low else StepStatus.OK,
        detail=f"{free / 1024**3:.1f} GiB free",
        fix="Make room before a large load." if low else "",
    )
