"""Child processes that never outlive their parent, not even one that is killed."""

import shutil
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT

import anyio
from anyio import CancelScope, move_on_after
from anyio.abc import Process

from dtaas.model.errors import DriverMissingError

STOP_LIMIT_S = 10.0


@asynccontextmanager
async def child_process(
    argv: Sequence[str],
    *,
    log_path: Path,
    output: bool = False,
    user: int | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | str = "/",
    pass_fds: Sequence[int] = (),
    stop_signal: signal.Signals = signal.SIGTERM,
    stop_limit_s: float = STOP_LIMIT_S,
) -> AsyncIterator[Process]:
    """Run a program until the context is left; the kernel kills it when this process dies.

    Must be entered on the main thread: the kernel watches the thread that starts the child
    (prctl(2), PR_SET_PDEATHSIG).

    Args:
        log_path: gets standard error, and standard output too unless `output` pipes it.
        user: uid and gid to run as, None for our own.
        stop_signal: asks the program to end; after `stop_limit_s` it is killed.

    Raises:
        DriverMissingError: `setpriv` of util-linux is not installed.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise DriverMissingError(
            "The program setpriv is missing.", hint="Install it: apt-get install util-linux"
        )
    with log_path.open("ab") as log:
        process = await anyio.open_process(
            [setpriv, "--pdeathsig", "KILL", "--", *argv],
            stdin=DEVNULL,
            stdout=PIPE if output else log,
            stderr=log if output else STDOUT,
            cwd=cwd,
            env=env,
            pass_fds=pass_fds,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            start_new_session=True,  # a Ctrl-C of the terminal reaches us only
        )
    try:
        yield process
    finally:
        await _stop(process, stop_signal, stop_limit_s)


async def _stop(process: Process, stop_signal: signal.Signals, limit_s: float) -> None:
    with CancelScope(shield=True):
        if process.returncode is None:
            process.send_signal(stop_signal)
            with move_on_after(limit_s):
                await process.wait()
        if process.returncode is None:
            process.kill()
            with move_on_after(limit_s):
                await process.wait()
        await process.aclose()
