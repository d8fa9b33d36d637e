"""DTaaS: moves tables from SQL Server to S3, exactly once, and shows it happen."""

import os

# Read when Arrow is loaded, so it must stand before anything else of this package is imported. Its
# own choice keeps for good what a load once needed: 50 MB of a daemon's 260. See `allocator.py`.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
# One arena instead of four a core, each of which keeps pages: 12 MB of a load's peak on two cores.
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "narenas:1")

__version__ = "0.1.0"
