"""The isolation level of reads: the best the database offers without taking locks.

Never READ UNCOMMITTED: a scan during page splits skips or repeats rows nobody changed, which no
later change capture repairs.
"""

from enum import StrEnum
from typing import assert_never

_SNAPSHOT_ON = 1
"""`sys.databases.snapshot_isolation_state`: 0 off, 1 on, 2 and 3 in transition."""


class Isolation(StrEnum):
    """How consistent one chunk is."""

    ROW_VERSIONS = "read_committed_snapshot"
    """READ COMMITTED over row versions: each statement sees one instant, without locks."""

    SNAPSHOT = "snapshot"
    """The same, switched on by the session."""

    LOCKING = "read_committed"
    """Short row locks: it can wait for writers, and a chunk is not of one instant."""


def choose_isolation(*, rcsi: bool, snapshot_state: int) -> Isolation:
    """Return the level for a database.

    Args:
        rcsi: `is_read_committed_snapshot_on`.
        snapshot_state: `snapshot_isolation_state`.
    """
    if rcsi:
        return Isolation.ROW_VERSIONS
    return Isolation.SNAPSHOT if snapshot_state == _SNAPSHOT_ON else Isolation.LOCKING


def isolation_statement(isolation: Isolation) -> str:
    """Return the statement that sets the level; ODBC's own attribute does not know SNAPSHOT."""
    match isolation:
        case Isolation.ROW_VERSIONS | Isolation.LOCKING:
            return "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;"
        case Isolation.SNAPSHOT:
            return "SET TRANSACTION ISOLATION LEVEL SNAPSHOT;"
        case _:
            assert_never(isolation)


def in_isolation(isolation: Isolation, sql: str) -> str:
    """Return a batch that runs `sql` at a level and leaves the session at its own again."""
    back = isolation_statement(Isolation.LOCKING)  # catalog views do not stand SNAPSHOT and DDL
    return f"{isolation_statement(isolation)} {sql}; {back}"
