"""The doctor: machine, own state, every connector and every task, with the fix to paste."""

from collections.abc import Awaitable, Callable
from typing import Final

from anyio import CapacityLimiter, create_task_group, move_on_after
from msgspec import Struct

from dtaas.concurrency.blocking import Blocking
from dtaas.concurrency.figures import FIGURES, Figure
from dtaas.model.check import StepStatus
from dtaas.model.connectors import Connector
from dtaas.model.errors import DtaasError
from dtaas.model.positions import PositionsDifferError
from dtaas.model.task import TaskStatus
from dtaas.services.connectors import ConnectorService
from dtaas.services.host_check import Finding, Places, check_host
from dtaas.services.tasks import TaskService
from dtaas.store.connectors import ConnectorFilter
from dtaas.store.page import MAX_LIMIT, Window

_AT_ONCE: Final = 4
_LIMIT_S: Final = 60.0
_HOUR_S: Final = 3600
_MARGIN_H: Final = 12
_INTEGRITY_ROWS: Final = 5


class Report(Struct, frozen=True, kw_only=True):
    """All findings, the host first. `ok` is false when any failed."""

    ok: bool
    findings: tuple[Finding, ...]


def report_of(findings: list[Finding]) -> Report:
    """Return the findings as a report."""
    return Report(
        ok=all(f.status is not StepStatus.FAILED for f in findings), findings=tuple(findings)
    )


class Doctor:
    """Examines everything the daemon depends on."""

    def __init__(
        self,
        *,
        places: Places,
        integrity: Callable[[], Awaitable[list[str]]],
        connectors: ConnectorService,
        tasks: TaskService,
    ) -> None:
        self._places = places
        self._integrity = integrity
        self._connectors = connectors
        self._tasks = tasks
        self._blocking = Blocking(1)

    async def examine(self) -> Report:
        """Look at everything, for a minute at most."""
        found = await self._blocking(check_host, self._places)
        found.append(await self._store())
        found.extend(await self._all_connectors())
        found.extend(await self._all_tasks())
        return report_of(found)

    async def _store(self) -> Finding:
        try:
            wrong = await self._integrity()
        except DtaasError as error:
            wrong = [error.detail]
        return Finding(
            area="state",
            subject="",
            name="integrity",
            status=StepStatus.FAILED if wrong else StepStatus.OK,
            detail="; ".join(wrong[:_INTEGRITY_ROWS]) or "The metadata database is sound.",
            fix="Stop the daemon and restore a backup: dtaas restore FILE" if wrong else "",
        )

    async def _all_connectors(self) -> list[Finding]:
        page = await self._connectors.list(
            ConnectorFilter(is_active=True), Window(limit=MAX_LIMIT, sort="id")
        )
        limiter = CapacityLimiter(_AT_ONCE)
        found: dict[int, list[Finding]] = {
            connector.id: [_finding(connector, "test", StepStatus.SKIPPED, "Not tried in time.")]
            for connector in page.items
        }

        async def look(connector: Connector) -> None:
            async with limiter:
                found[connector.id] = await self._connector(connector)

        with move_on_after(_LIMIT_S):
            async with create_task_group() as group:
                for connector in page.items:
                    group.start_soon(look, connector, name=f"examine connector {connector.id}")
        return [finding for findings in found.values() for finding in findings]

    async def _connector(self, connector: Connector) -> list[Finding]:
        try:
            tested = await self._connectors.test(connector.id)
        except DtaasError as error:
            return [_finding(connector, "test", StepStatus.FAILED, error.detail, error.hint)]
        steps = tested.test_report.steps if tested.test_report else ()
        return [_finding(connector, s.name, s.status, s.detail, s.fix) for s in steps]

    async def _all_tasks(self) -> list[Finding]:
        found = []
        names = {}
        for task in await self._tasks.every():
            names[task.id] = task.spec.name
            if task.last_error_code == PositionsDifferError.code:
                found.append(
                    Finding(
                        area="task",
                        subject=task.spec.name,
                        name=PositionsDifferError.code,
                        status=StepStatus.WARNING,
                        detail=task.last_error or "Metadata and target differ.",
                        fix=f"dtaas positions {task.id}",
                    )
                )
            elif task.status is TaskStatus.FAILED:
                found.append(
                    Finding(
                        area="task",
                        subject=task.spec.name,
                        name=task.last_error_code or "failed",
                        status=StepStatus.FAILED,
                        detail=task.last_error or "Its latest execution failed.",
                        fix=f"dtaas executions {task.id}; when mended: dtaas start {task.id}",
                    )
                )
        for reading in FIGURES.readings():
            short = reading.value < _MARGIN_H * _HOUR_S
            if reading.figure is Figure.RETENTION_MARGIN_S and short:
                found.append(
                    Finding(
                        area="task",
                        subject=names.get(reading.task_id, str(reading.task_id)),
                        name="retention",
                        status=StepStatus.WARNING,
                        detail=f"The source keeps changes of {reading.table} that are needed for"
                        f" only {reading.value / _HOUR_S:.1f} more hours.",
                        fix="EXEC sys.sp_cdc_change_job @job_type = N'cleanup',"
                        " @retention = 10080;  -- minutes",
                    )
                )
        return found


def _finding(
    connector: Connector, name: str, status: StepStatus, detail: str, fix: str = ""
) -> Finding:
    return Finding(
        area="connector",
        subject=connector.name,
        name=name,
        status=status,
        detail=detail,
        fix=fix,
    )
