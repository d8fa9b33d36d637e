"""A wall clock of the daemon's that can be set while it runs."""

import mmap
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")


class Clock:
    """Compiles the clock into a folder; `environ` puts it before the real one in a process."""

    def __init__(self, folder: Path) -> None:
        """Build it.

        Raises:
            subprocess.CalledProcessError: the compiler refused.
        """
        library, path = folder / "clock.so", folder / "clock"
        command = [compiler(), "-O2", "-Wall", "-Werror", "-shared", "-fPIC", str(SOURCE)]
        subprocess.run([*command, "-o", str(library), "-ldl", "-lm"], check=True)
        path.write_bytes(struct.pack("d", 0.0))
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), 8)
        self.environ: Mapping[str, str] = {
            "LD_PRELOAD": str(library), "TORTURE_CLOCK": str(path)
        }  # fmt: skip

    @property
    def jump(self) -> Callable[[float], None]:
        """Return what sets the clock so many seconds off."""
        return self._jump

    def _jump(self, seconds: float) -> None:
        self._page[:] = struct.pack("d", seconds)


def compiler() -> str:
    """Return the C compiler, '' without one."""
    names = (os.environ.get("CC", ""), "gcc", "clang", "cc")
    return next((name for name in names if name and shutil.which(name)), "")
