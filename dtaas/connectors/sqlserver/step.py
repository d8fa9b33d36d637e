"""The steps of a connector's test: run in order, and after a failure the rest are skipped."""

from collections.abc import Awaitable, Callable

import anyio
from msgspec import Struct

from dtaas.model.check import CheckReport, CheckStep, OnStep, StepStatus
from dtaas.model.errors import DtaasError


class Finding(Struct, frozen=True, kw_only=True):
    """What a step found, when it did not fail."""

    detail: str
    status: StepStatus = StepStatus.OK
    fix: str = ""


class Checker:
    """Runs steps in order; after a failure the rest are skipped."""

    def __init__(self, on_step: OnStep) -> None:
        self._on_step = on_step
        self._steps: list[CheckStep] = []
        self._failed = False

    async def step(self, name: str, run: Callable[[], Awaitable[Finding]]) -> None:
        """Run one step, unless an earlier one failed."""
        if self._failed:
            self._end(CheckStep(name=name, status=StepStatus.SKIPPED, detail="Not tried."))
            return
        began_s = anyio.current_time()
        try:
            found = await run()
        except DtaasError as exc:
            self.fail(name, exc, took_s=anyio.current_time() - began_s)
            return
        self._end(
            CheckStep(
                name=name,
                status=found.status,
                detail=found.detail,
                fix=found.fix,
                took_s=anyio.current_time() - began_s,
            )
        )

    def fail(self, name: str, error: DtaasError, *, took_s: float) -> None:
        """Record a failed step."""
        self._failed = True
        self._end(
            CheckStep(
                name=name,
                status=StepStatus.FAILED,
                detail=error.detail,
                fix=error.hint,
                code=error.code,
                took_s=took_s,
            )
        )

    @property
    def failed(self) -> bool:
        """Whether a step failed."""
        return self._failed

    def report(self) -> CheckReport:
        """Return the steps so far."""
        return CheckReport(ok=not self._failed, steps=tuple(self._steps))

    def _end(self, step: CheckStep) -> None:
        self._steps.append(step)
        self._on_step(step)
