"""What a source records of its changes, for people to look at."""

from datetime import datetime

from msgspec import Struct

from dtaas.model.schema import TableRef


class CaptureInstance(Struct, frozen=True, kw_only=True):
    """What records the changes of one table; a table has two at most.

    Attributes:
        identity: tells it from a later one of the same name.
        columns: captured ones, in the order of their ordinals.
        missing: columns of the table that it does not capture.
        start: lowest position from which changes are kept, '' until the capture process came to it.
        made_by_us: whether a task of ours enabled it, so that it may be disabled again.
        role: the gating role a reader must be a member of, None without.
    """

    table: TableRef
    name: str
    identity: str
    columns: tuple[str, ...]
    missing: tuple[str, ...]
    start: str
    created_at: datetime
    made_by_us: bool
    role: str | None = None


class CaptureSurvey(Struct, frozen=True, kw_only=True):
    """How a source captures changes at one moment.

    Attributes:
        enabled: whether the database captures changes at all.
        position: everything up to here is captured, '' before the first scan of its log.
        committed_at: commit time of `position`.
        scanned_at: when the log was last scanned, None where the login may not see that.
        retention_s: seconds changes are kept, None where the login may not see that.
        trouble: why nothing is captured, in words; '' while it works.
        fix: the statement that mends it, or that lets the login see more.
    """

    enabled: bool
    instances: tuple[CaptureInstance, ...] = ()
    position: str = ""
    committed_at: datetime | None = None
    scanned_at: datetime | None = None
    retention_s: float | None = None
    trouble: str = ""
    fix: str = ""
