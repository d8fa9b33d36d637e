"""A program that becomes another one which dies with its parent, however the parent dies.

Run by path as `python -I -S bound_exec.py PARENT_PID SIGNAL UID PROGRAM [ARGUMENT …]`, UID `-` to
keep the user. It changes the user itself, because its own interpreter may lie where only root
can read, and binds itself afterwards, because a change of user clears the binding: prctl(2),
PR_SET_PDEATHSIG.
"""

import ctypes
import os
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
EXIT_ORPHAN: Final = 3
KEEP_USER: Final = "-"


def main() -> None:
    """Become the program, or leave with `EXIT_ORPHAN` when the parent is already gone."""
    parent_pid, signal, uid, *argv = sys.argv[1:]
    if uid != KEEP_USER:
        os.setgroups([])
        os.setgid(int(uid))
        os.setuid(int(uid))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(signal), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != int(parent_pid):  # died before the binding took hold
        sys.exit(EXIT_ORPHAN)
    os.execv(argv[0], argv)  # noqa: S606 - our own argument list, no shell


if __name__ == "__main__":
    main()
