"""What needs somebody's attention, worst first, each with its cause and since when."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from dtaas.concurrency.blocking import Blocking
from dtaas.model.connectors import Connector, TestStatus
from dtaas.model.execution import ExecutionProgress
from dtaas.model.task import Task, TaskStatus
from dtaas.services.ports import TaskRunner
from dtaas.store.connectors import ConnectorFilter, ConnectorRepository
from dtaas.store.page import Window
from dtaas.store.schema_history import SchemaHistories, UndecidedChanges
from dtaas.store.tasks import TaskFilter, TaskRepository

LATE_S: Final = 60.0
"""Seconds behind from which a stream is late."""
FULL_PERCENT: Final = 85.0
"""Of the disk the daemon's own state is on."""
_SHOWN: Final = 50
_TROUBLED: Final = frozenset({TaskStatus.FAILED, TaskStatus.RETRYING})


class TroubleKind(StrEnum):
    """What needs attention, worst first.

    `changes_at_risk`: the source's capture stands still, or it will soon forget changes that have
    not arrived.
    """

    TASK_FAILED = "task_failed"
    CHANGES_AT_RISK = "changes_at_risk"
    TASK_RETRYING = "task_retrying"
    TASK_LAGGING = "task_lagging"
    DRIFT_UNDECIDED = "drift_undecided"
    CONNECTOR_FAILING = "connector_failing"
    DISK_FULL = "disk_full"


class Trouble(Struct, frozen=True, kw_only=True):
    """Something a person should look at.

    Attributes:
        id: of the task or connector, 0 for the machine.
        since: when it got that way; of what is measured, when that was first seen.
        code: error code of the vocabulary, or the kind again where nothing failed.
    """

    kind: TroubleKind
    id: int
    name: str
    since: datetime
    code: str
    detail: str


class TroubleFinder:
    """Looks at tasks, streams, connectors and the machine."""

    def __init__(
        self,
        *,
        tasks: TaskRepository,
        connectors: ConnectorRepository,
        drift: SchemaHistories,
        runner: TaskRunner,
        measure: Callable[[], Mapping[str, float]],
        now: Callable[[], datetime],
    ) -> None:
        """Look at what these show.

        Args:
            measure: returns how full the machine is, in percent by name; reads files.
        """
        self._tasks = tasks
        self._connectors = connectors
        self._drift = drift
        self._runner = runner
        self._measure = measure
        self._now = now
        self._blocking = Blocking(1)
        self._seen: dict[tuple[TroubleKind, int], datetime] = {}

    async def find(self) -> tuple[Trouble, ...]:
        """Return what needs attention: the worst first, the longest first among equals."""
        window = Window(limit=_SHOWN, sort="-updated_at")
        tasks = await self._tasks.list(TaskFilter(statuses=_TROUBLED), window)
        connectors = await self._connectors.list(
            ConnectorFilter(test_status=TestStatus.FAILED, is_active=True), window
        )
        found = [
            *map(_of_task, tasks.items),
            *map(_of_connector, connectors.items),
            *await self._measured(),
            *await self._undecided(),
        ]
        order = list(TroubleKind)
        return tuple(sorted(found, key=lambda t: (order.index(t.kind), t.since)))[:_SHOWN]

    async def _measured(self) -> Sequence[Trouble]:
        """Return what no row tells: it has lasted since it was first seen."""
        found = [*await self._streams(), *await self._disk()]
        here = {(one.kind, one.id) for one in found}
        self._seen = {key: at for key, at in self._seen.items() if key in here}
        since = (self._seen.setdefault((one.kind, one.id), one.since) for one in found)
        return [
            Trouble(
                kind=one.kind, id=one.id, name=one.name, since=at, code=one.code, detail=one.detail
            )
            for one, at in zip(found, since, strict=True)
        ]

    async def _streams(self) -> Sequence[Trouble]:
        bad = {p.task_id: (kind, text) for p in self._runner.running() for kind, text in _says(p)}
        names = await self._tasks.names([*bad][:_SHOWN])
        return [
            self._told(kind, task_id, names[task_id], text)
            for task_id, (kind, text) in bad.items()
            if task_id in names
        ]

    async def _disk(self) -> Sequence[Trouble]:
        percent = (await self._blocking(self._measure)).get("disk", 0.0)
        if percent <= FULL_PERCENT:
            return ()
        text = f"The disk of the data folder is {percent:.0f} % full."
        return (self._told(TroubleKind.DISK_FULL, 0, "this machine", text),)

    async def _undecided(self) -> Sequence[Trouble]:
        waiting = {one.task_id: one for one in await self._drift.undecided()}
        names = await self._tasks.names([*waiting][:_SHOWN])
        return [_of_changes(one, names[i]) for i, one in waiting.items() if i in names]

    def _told(self, kind: TroubleKind, about: int, name: str, text: str) -> Trouble:
        return Trouble(
            kind=kind, id=about, name=name, since=self._now(), code=kind.value, detail=text
        )


def _says(progress: ExecutionProgress) -> Iterable[tuple[TroubleKind, str]]:
    """Return the worst thing the tables of an execution tell, none when all is well."""
    warned = next((t for t in progress.tables if t.warning), None)
    if warned is not None:
        return ((TroubleKind.CHANGES_AT_RISK, f"{warned.table}: {warned.warning}"),)
    late = max(progress.tables, key=lambda t: t.lag_s or 0.0, default=None)
    if late is None or (late.lag_s or 0.0) <= LATE_S:
        return ()
    return ((TroubleKind.TASK_LAGGING, f"{late.table} is {late.lag_s:.0f} s behind."),)


def _of_task(task: Task) -> Trouble:
    failed = task.status is TaskStatus.FAILED
    return Trouble(
        kind=TroubleKind.TASK_FAILED if failed else TroubleKind.TASK_RETRYING,
        id=task.id,
        name=task.spec.name,
        since=task.updated_at,
        code=task.last_error_code or "internal",
        detail=task.last_error or "",
    )


def _of_changes(waiting: UndecidedChanges, name: str) -> Trouble:
    changes = "1 change" if waiting.changes == 1 else f"{waiting.changes} changes"
    tables = "1 table" if waiting.tables == 1 else f"{waiting.tables} tables"
    return Trouble(
        kind=TroubleKind.DRIFT_UNDECIDED,
        id=waiting.task_id,
        name=name,
        since=waiting.since,
        code=TroubleKind.DRIFT_UNDECIDED.value,
        detail=f"{changes} of the columns of {tables} for somebody to decide about.",
    )


def _of_connector(connector: Connector) -> Trouble:
    steps = connector.test_report.steps if connector.test_report is not None else ()
    bad = next((step for step in steps if step.code is not None), None)
    return Trouble(
        kind=TroubleKind.CONNECTOR_FAILING,
        id=connector.id,
        name=connector.name,
        since=connector.last_tested_at or connector.updated_at,
        code=(bad.code if bad else None) or "failed",
        detail=bad.detail if bad else "The last test failed.",
    )
