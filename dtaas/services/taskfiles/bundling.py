"""Drafted parts as the store takes them."""

from collections.abc import Mapping, Sequence

from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.task import TaskSpec, TaskStatus
from dtaas.services.schedules import awaited_task
from dtaas.services.task_change import resting
from dtaas.services.taskfiles.drafting import Drafted
from dtaas.store.bundle import Bundle
from dtaas.store.connectors import ConnectorChange, ConnectorDraft


def bundled(drafted: Sequence[Drafted]) -> Bundle:
    """Return the changes of a file as one."""
    fresh: dict[ConnectorId, ConnectorDraft] = {}
    changed: dict[ConnectorId, ConnectorChange] = {}
    new: dict[TaskId, TaskSpec] = {}
    replaced: dict[TaskId, TaskSpec] = {}
    for one in drafted:
        if isinstance(one.change, ConnectorDraft):
            fresh[ConnectorId(one.id)] = one.change
        elif isinstance(one.change, ConnectorChange):
            changed[ConnectorId(one.id)] = one.change
        elif isinstance(one.becomes, TaskSpec):
            (new if one.was is None else replaced)[TaskId(one.id)] = one.becomes
    return Bundle(
        new_connectors=fresh,
        changed_connectors=changed,
        new_tasks=awaited_first(new),
        changed_tasks=replaced,
    )


def awaited_first(new: Mapping[TaskId, TaskSpec]) -> Mapping[TaskId, tuple[TaskSpec, TaskStatus]]:
    """Return new tasks so that one which waits for another comes after it."""
    ordered: dict[TaskId, tuple[TaskSpec, TaskStatus]] = {}
    for task_id in new:
        chain: list[TaskId] = []
        following: TaskId | None = task_id
        while following is not None and following in new.keys() - ordered - set(chain):
            chain.append(following)
            following = awaited_task(new[following])
        for one in reversed(chain):
            ordered[one] = (new[one], resting(new[one]))
    return ordered
