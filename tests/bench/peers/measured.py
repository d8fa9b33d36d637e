"""What a run took, and how a tool's process is run and measured."""

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from tests.bench.peers.lanes import Run

_SAID = 200


class Measured(Struct, frozen=True, kw_only=True):
    """One run of one contestant."""

    rows: int
    seconds: float
    cpu_s: float
    peak_mb: float

    @property
    def rows_per_second(self) -> float:
        """Rows a second, from the start to the end."""
        return self.rows / self.seconds


class DidNotRunError(Exception):
    """A tool failed or took too long; the text says how."""


def run_process(run: Run, folder: Path, *, rows: int, limit_s: float) -> Measured:
    """Run a tool to its end, as a whole process with all it starts. Blocking.

    Raises:
        DidNotRunError: it failed, or took longer than `limit_s`.
    """
    log = folder / "said.log"
    began = time.perf_counter()
    with log.open("wb") as said:
        process = subprocess.Popen(
            run.command,
            cwd=folder,
            env={**os.environ, **run.environment},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        late = threading.Timer(limit_s, _end, (process.pid,))
        late.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
        finally:
            late.cancel()
            _end(process.pid)  # what it started and left behind, too
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        if seconds >= limit_s:
            raise DidNotRunError(f"not done after {limit_s:.0f} s")
        text = log.read_bytes().decode(errors="replace").split()
        raise DidNotRunError(" ".join(text)[-_SAID:])
    return Measured(
        rows=rows,
        seconds=seconds,
        cpu_s=used.ru_utime + used.ru_stime,
        peak_mb=used.ru_maxrss / 1e3,
    )


def _end(group: int) -> None:
    """Kill a tool and every process it started."""
    with suppress(ProcessLookupError):  # all of them have ended
        os.killpg(group, signal.SIGKILL)
