"""DTaaS: moves tables from SQL Server to S3, exactly once, and shows it happen."""

import os

# Read when Arrow is loaded, so it must stand before anything else of this package is imported. Its
# own pool keeps for good what a load once needed: 50 MB of a daemon's 260.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

__version__ = "0.1.0"
