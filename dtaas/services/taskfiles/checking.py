"""Whether the parts of a file could work, all of them together."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from dtaas.model.connectors import Connector
from dtaas.model.errors import DtaasError
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.task import DesiredState, Task, TaskSpec
from dtaas.services.connectors import ConnectorService
from dtaas.services.targets import Places
from dtaas.services.task_change import TaskChange, refuse_at_work, resting
from dtaas.services.task_checks import TaskChecks
from dtaas.services.taskfiles.describing import differs
from dtaas.services.taskfiles.drafting import Drafted, located
from dtaas.services.taskfiles.shapes import FileProblem
from dtaas.services.taskfiles.stock import Stock
from dtaas.services.world import ImaginedWorld

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class FileChecks:
    """Asks of every part what is asked of one that is stored alone."""

    def __init__(self, connectors: ConnectorService, checks: TaskChecks) -> None:
        self._connectors = connectors
        self._checks = checks

    async def check(
        self, stock: Stock, drafted: Sequence[Drafted]
    ) -> tuple[Sequence[FileProblem], Mapping[int, TaskChange]]:
        """Return what is wrong, and the changes of stored tasks, by id."""
        problems: list[FileProblem] = []
        changes: dict[int, TaskChange] = {}
        before, after = _world(stock, ()), _world(stock, drafted)
        written = await self._written(after)
        for one in filter(differs, drafted):
            try:
                if isinstance(one.was, Connector):
                    await self._connectors.refuse_at_work(one.was, one.changed())
                elif isinstance(one.becomes, TaskSpec):
                    places = await self._place(one, one.becomes, after, written)
                    if isinstance(one.was, Task):
                        changes[one.id] = TaskChange(
                            old=one.was,
                            spec=one.becomes,
                            before=await self._checks.places(one.was.spec, before),
                            after=places,
                        )
            except DtaasError as error:
                problems.append(located(one.part, error))
        return problems, changes

    async def _place(
        self,
        one: Drafted,
        spec: TaskSpec,
        world: ImaginedWorld,
        written: Sequence[tuple[Task, Places]],
    ) -> Places:
        if isinstance(one.was, Task):
            refuse_at_work(one.was, spec)
        return await self._checks.check(TaskId(one.id), spec, world, written)

    async def _written(self, world: ImaginedWorld) -> Sequence[tuple[Task, Places]]:
        """Return where every task would write, but those whose own check will say why it cannot."""
        found: list[tuple[Task, Places]] = []
        for task in await world.tasks():
            try:
                found.append((task, await self._checks.places(task.spec, world)))
            except DtaasError:
                continue
        return found


def _world(stock: Stock, drafted: Sequence[Drafted]) -> ImaginedWorld:
    connectors = {one.id: one for one in stock.connectors.values()}
    tasks = {task.id: task for task in stock.tasks.values()}
    for one in drafted:
        if isinstance(one.becomes, Connector):
            connectors[ConnectorId(one.id)] = one.becomes
        elif isinstance(one.becomes, TaskSpec):
            tasks[TaskId(one.id)] = _imagined(one, one.becomes)
    return ImaginedWorld(connectors, tasks)


def _imagined(one: Drafted, spec: TaskSpec) -> Task:
    if isinstance(one.was, Task):
        return replace(one.was, spec=spec)
    return Task(
        id=TaskId(one.id),
        spec=spec,
        status=resting(spec),
        desired=DesiredState.STOPPED,
        current_progress_percent=0.0,
        created_at=_NEVER,
        updated_at=_NEVER,
    )
