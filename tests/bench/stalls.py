"""`python -m tests.bench.stalls serve ...`: the daemon, which notes how long its event loop stood still.

Every callback that held the loop for 10 ms or more is a line in `STALLS_FILE`: when it began
(seconds of the system clock) and how long it took (ms).
"""

import asyncio
import os
import time
from typing import Any

from dtaas.cli.main import main

_NOTED_S = 0.01


def watch(path: str) -> None:
    """Time every callback of every event loop of this process."""
    plain = asyncio.Handle._run  # type: ignore[attr-defined] # there is no hook

    def timed(self: Any) -> None:
        began = time.perf_counter()
        plain(self)
        seconds = time.perf_counter() - began
        if seconds >= _NOTED_S:
            with open(path, "a", encoding="ascii") as file:  # noqa: PTH123 - on the loop: quick
                file.write(f"{time.time() - seconds} {seconds * 1000}\n")

    asyncio.Handle._run = timed  # type: ignore[method-assign]


if __name__ == "__main__":
    watch(os.environ["STALLS_FILE"])
    main()
