"""Arrow gives memory back soon: its C++ code takes it from jemalloc too, not only Python's."""

import json
import os
import subprocess
import sys

_PROGRAM = """
import dtaas.cli.main
import json, threading, time
import psutil, pyarrow as pa
from dtaas.allocator import return_freed_memory

return_freed_memory()
rss = psutil.Process().memory_info
before = rss().rss
held = [pa.array(range(100_000), pa.int64()).take(pa.array(range(100_000))) for _ in range(100)]
most = rss().rss
del held
late = time.monotonic() + 20
while rss().rss > before + (most - before) / 2 and time.monotonic() < late:
    threading.Event().wait(0.02)
print(json.dumps([pa.default_memory_pool().backend_name, most - before, rss().rss - before]))
"""


def test_the_daemon_has_no_pool_that_keeps_what_it_freed() -> None:
    own = {"ARROW_DEFAULT_MEMORY_POOL", "JE_ARROW_MALLOC_CONF"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env={k: v for k, v in os.environ.items() if k not in own},
        capture_output=True,
        text=True,
        check=True,
    )
    backend, taken, kept = json.loads(done.stdout)
    assert backend == "jemalloc"
    assert taken > 50_000_000
    assert kept < taken / 2
