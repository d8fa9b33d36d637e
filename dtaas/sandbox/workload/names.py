"""Names every table of a workload shares."""

from typing import Final

ID: Final = "id"
"""Names a row. Unique in its table, also where no key says so."""
VERSION: Final = "version"
"""Number of the statement that wrote the row: with `id` it names a change for ever."""
PART: Final = "part"
"""First column of the key of some tables."""
REFERENCE: Final = "reference"
"""Column of a unique index of some tables."""
NUMBERS: Final = "workload_numbers"
"""Untracked table of the numbers from 0, which large statements read."""
