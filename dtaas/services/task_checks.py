"""Everything that must be right before a task is stored, asked of one world."""

from collections.abc import Iterable, Sequence

from dtaas.model.connectors import Connector, ConnectorRole
from dtaas.model.errors import DestinationInUseError, NotFoundError, ValidationFailedError
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.ports import ConnectorRegistry
from dtaas.model.table_rules import overlap
from dtaas.model.task import Task, TaskSpec
from dtaas.services.schedules import check_chain
from dtaas.services.targets import Places, TargetKeeper
from dtaas.services.task_rules import check_spec
from dtaas.services.world import World


class TaskChecks:
    """Refuses tasks that could not work."""

    def __init__(self, registry: ConnectorRegistry, keeper: TargetKeeper) -> None:
        self._registry = registry
        self._keeper = keeper

    async def check(
        self,
        task_id: TaskId,
        spec: TaskSpec,
        world: World,
        written: Sequence[tuple[Task, Places]] | None = None,
    ) -> Places:
        """Return where a task would write, or raise.

        Args:
            task_id: any that no task has when it is a new one.
            written: where the tasks write, when that is known.

        Raises:
            ValidationFailedError: it could not work; with the path of the first mistake.
            TargetCollisionError: two of its tables go to one place.
            DestinationInUseError: another task writes to one of its targets.
        """
        source = await connector_of(world, ConnectorRole.SOURCE, spec.source_connector_id)
        destination = await connector_of(
            world, ConnectorRole.DESTINATION, spec.destination_connector_id
        )
        check_spec(
            spec,
            self._registry.type_of(ConnectorRole.SOURCE, source.kind).capabilities,
            self._registry.type_of(ConnectorRole.DESTINATION, destination.kind).capabilities,
        )
        others = await world.tasks()
        check_chain(task_id, spec, others)
        places = await self._keeper.places(spec, source, destination)
        if not spec.options.take_over:
            if written is None:
                written = await written_beside(self._keeper, others, places, world)
            refuse_taken(task_id, places, written)
        return places

    async def places(self, spec: TaskSpec, world: World) -> Places:
        """Return where a stored task writes."""
        return await places_of(self._keeper, spec, world)


async def written_beside(
    keeper: TargetKeeper, tasks: Sequence[Task], places: Places, world: World
) -> Sequence[tuple[Task, Places]]:
    """Return where tasks of the same destination write."""
    beside = [t for t in tasks if t.spec.destination_connector_id == places.destination.id]
    # Each is read once: a thousand tasks mostly share a handful of sources.
    sources = {i: await world.connector(i) for i in {t.spec.source_connector_id for t in beside}}
    return [
        (
            task,
            await keeper.places(
                task.spec, sources[task.spec.source_connector_id], places.destination
            ),
        )
        for task in beside
    ]


async def places_of(keeper: TargetKeeper, spec: TaskSpec, world: World) -> Places:
    """Return where a stored task writes."""
    return await keeper.places(
        spec,
        await world.connector(spec.source_connector_id),
        await world.connector(spec.destination_connector_id),
    )


def refuse_taken(task_id: TaskId, places: Places, others: Iterable[tuple[Task, Places]]) -> None:
    """Refuse targets that another task of this daemon writes; the mark there tells others.

    Raises:
        DestinationInUseError: names the other task.
    """
    writers = {
        target: other
        for other, theirs in others
        if other.id != task_id and theirs.destination.id == places.destination.id
        for target in theirs.tables.values()
    }
    taken = overlap(places.tables.values(), writers)
    if taken is not None:
        other = writers[taken]
        raise DestinationInUseError(
            f"Task {other.spec.name!r}{_number(other)} already writes to {taken}.",
            hint="Choose another target in table_mappings, or set options.take_over.",
            field="$.destination_connector_id",
        )


def _number(task: Task) -> str:
    return f" (id {task.id})" if task.id > 0 else ""


async def connector_of(world: World, role: ConnectorRole, connector_id: ConnectorId) -> Connector:
    """Return the connector a task names.

    Raises:
        ValidationFailedError: it does not exist or is of the other role.
    """
    field = f"$.{role}_connector_id"
    try:
        connector = await world.connector(connector_id)
    except NotFoundError as exc:
        raise ValidationFailedError(
            exc.detail, hint="List the connectors to see their ids.", field=field
        ) from exc
    if connector.role is not role:
        raise ValidationFailedError(
            f"Connector {connector.name!r} is a {connector.role}, not a {role}.", field=field
        )
    return connector
