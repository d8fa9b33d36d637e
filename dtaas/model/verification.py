"""Proof of arrival: what comparing source and destination found."""

from datetime import datetime
from enum import StrEnum
from typing import NewType

from msgspec import Struct

from dtaas.model.ids import TaskId
from dtaas.model.schema import TableRef

VerificationId = NewType("VerificationId", int)


class VerificationStatus(StrEnum):
    """State of a verification."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class Verdict(StrEnum):
    """What is known of one table.

    `unsettled`: rows differ that kept changing at the source while they were looked at, or whose
    changes are still on their way; look again.
    """

    WAITING = "waiting"
    RUNNING = "running"
    EQUAL = "equal"
    DIFFERENT = "different"
    UNSETTLED = "unsettled"
    FAILED = "failed"


class Difference(StrEnum):
    """How a row differs, seen from the destination."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"
    DOUBLED = "doubled"


class KeyDifference(Struct, frozen=True, kw_only=True):
    """One row that differs.

    Attributes:
        key: values of the key's columns as text, by name.
        columns: names of the columns whose values differ, for a changed row.
    """

    key: dict[str, str | None]
    difference: Difference
    columns: tuple[str, ...] = ()


class TableVerification(Struct, frozen=True, kw_only=True):
    """What comparing one table found.

    Attributes:
        differences: in words, empty when both hold the same.
        keys: rows that differ, the first ones when `different_rows` is more.
        different_rows: how many rows differ; None when rows cannot be told apart.
        unsettled_rows: rows that kept changing at the source meanwhile.
        fence: position of the source, in hex, that the comparison stands at; None without a stream.
        verified_through: every change up to this position is proved to have arrived.
    """

    table: TableRef
    verdict: Verdict = Verdict.WAITING
    source_rows: int | None = None
    destination_rows: int | None = None
    differences: tuple[str, ...] = ()
    keys: tuple[KeyDifference, ...] = ()
    different_rows: int | None = None
    unsettled_rows: int = 0
    fence: str | None = None
    verified_through: str | None = None
    seconds: float = 0.0
    error_code: str | None = None
    error: str | None = None
    hint: str | None = None


class Verification(Struct, frozen=True, kw_only=True):
    """One look at both ends of a task.

    Attributes:
        repaired_at: when a repair of what it found was ordered.
    """

    id: VerificationId
    task_id: TaskId
    status: VerificationStatus
    created_at: datetime
    tables: tuple[TableVerification, ...]
    completed_at: datetime | None = None
    error_code: str | None = None
    error: str | None = None
    repaired_at: datetime | None = None

    @property
    def proved(self) -> bool:
        """Return whether every table holds the same at both ends."""
        return self.status is VerificationStatus.COMPLETED and all(
            t.verdict is Verdict.EQUAL for t in self.tables
        )
