"""Child processes of the sandbox: stopped in order, and never left behind."""

import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from subprocess import DEVNULL, STDOUT
from typing import Final

import anyio
from anyio.abc import Process

from dtaas.sandbox import bound_exec

STOP_LIMIT_S: Final = 10.0


@asynccontextmanager
async def child_process(
    argv: Sequence[str],
    *,
    log_path: Path,
    user: int | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    stop_signal: Signals = SIGTERM,
    stop_limit_s: float = STOP_LIMIT_S,
    death_signal: Signals = SIGKILL,
) -> AsyncIterator[Process]:
    """Run `argv` for the life of the context, and not a moment longer.

    Leaving sends `stop_signal` and, after `stop_limit_s`, SIGKILL. When this process dies, by
    SIGKILL too, the kernel sends the child `death_signal`. Ctrl-C on the terminal reaches only us.

    Args:
        argv: the program by its absolute path, and its arguments.
        log_path: what the program prints is added there.
        user: uid and gid to run as; None keeps ours. Changing it needs root.
        env: the whole environment of the child; None gives it ours.
        pass_fds: descriptors the child inherits.
        death_signal: for a program with children of its own, one that makes it end them too.
    """
    wrapper = [
        sys.executable,
        "-I",
        "-S",
        bound_exec.__file__,
        str(os.getpid()),
        str(int(death_signal)),
        bound_exec.KEEP_USER if user is None else str(user),
    ]
    with log_path.open("ab") as log:
        process = await anyio.open_process(
            [*wrapper, *argv],
            stdin=DEVNULL,
            stdout=log,
            stderr=STDOUT,
            cwd="/",
            env=env,
            pass_fds=pass_fds,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            await _stop(process, stop_signal, stop_limit_s)


async def _stop(process: Process, stop_signal: Signals, limit_s: float) -> None:
    for signal in (stop_signal, SIGKILL):
        if process.returncode is not None:
            break
        try:
            process.send_signal(signal)
        except ProcessLookupError:
            break  # ended since the check; the wait below takes its code
        with anyio.move_on_after(limit_s):
            await process.wait()
    await process.aclose()
