"""What testing a connector reports: a list of steps, each with cause and fix."""

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct


class StepStatus(StrEnum):
    """Outcome of one step. A warning does not make the connector unusable."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class CheckStep(Struct, frozen=True, kw_only=True):
    """One step of a connector's test.

    Attributes:
        name: stable label such as `resolve`, `tcp`, `tls`, `login`, `version`, `rights`.
        detail: what was found.
        fix: statement or action to paste, empty when none is needed.
        code: error code of the vocabulary when the step failed.
        took_s: seconds.
    """

    name: str
    status: StepStatus
    detail: str
    fix: str = ""
    code: str | None = None
    took_s: float = 0.0


class CheckReport(Struct, frozen=True, kw_only=True):
    """All steps in order. `ok` is false when any step failed."""

    ok: bool
    steps: tuple[CheckStep, ...]


OnStep = Callable[[CheckStep], None]
"""Called for each step as it ends; must not block."""
