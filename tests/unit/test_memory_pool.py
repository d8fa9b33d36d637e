"""Arrow gives memory back: its C++ code takes the system's allocator too, not only Python's."""

import os
import subprocess
import sys

_PROGRAM = "import dtaas.cli.main, pyarrow; print(pyarrow.default_memory_pool().backend_name)"


def test_the_daemon_has_no_pool_that_keeps_what_it_freed() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "ARROW_DEFAULT_MEMORY_POOL"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "system"
