"""How memory that a load no longer needs goes back to the operating system.

Arrow batches and what encoders make of them are large and short-lived. Left alone, glibc raises the
size from which it maps blocks of their own, keeps them in an arena per thread, and Arrow's default
pool keeps what it freed: a daemon that holds 200 MB of batches then shows three times as much, for
good. (Measured on a load of 4 million rows: 640 MB against 400.) Given back at once, on the other
hand, every page costs a fault when it is taken again: a fifth of the processor time of a load.

So Arrow takes memory from jemalloc, which keeps it for a moment (`dtaas/__init__.py` chooses it),
and glibc maps large blocks only. (Measured on a load of 10 million rows: 280 MB at the peak, 0.85 s
of CPU a million rows, against 288 MB and 1.4 s when all went back at once.)
"""

import ctypes
import gc
import sys
from typing import Final

import pyarrow as pa

# malloc.h of glibc
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_KIB: Final = 1024
_MAP_FROM_BYTES: Final = 1024 * _KIB
"""Larger than what a codec works in: a block of that size is taken for every page of a column."""
_TRIM_FROM_BYTES: Final = 4096 * _KIB
_ARENAS: Final = 1
_KEPT_MS: Final = 200


def return_freed_memory() -> None:
    """Let freed batches go back soon. Call once, before the first thread starts.

    Elsewhere than on Linux with glibc only Arrow's pool is changed.
    """
    try:
        pa.jemalloc_set_decay_ms(_KEPT_MS)
    except NotImplementedError:  # Arrow was built without it
        pa.set_memory_pool(pa.system_memory_pool())
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, _MAP_FROM_BYTES)
            mallopt(_M_TRIM_THRESHOLD, _TRIM_FROM_BYTES)
            mallopt(_M_ARENA_MAX, _ARENAS)


def trim() -> None:
    """Give the pages back that lie free between used blocks. Takes milliseconds."""
    if sys.platform == "linux":
        malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if malloc_trim is not None:
            malloc_trim(0)


def spare_the_collector() -> None:
    """Take what start-up made out of the garbage collector's sight: it stays for good anyway."""
    gc.collect()
    gc.freeze()
    gc.enable()
    trim()
