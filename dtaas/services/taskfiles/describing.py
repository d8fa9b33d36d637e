"""What a file changes, as people read it."""

from collections.abc import Mapping, Sequence
from difflib import unified_diff
from typing import Any

from dtaas.model.connectors import Connector, secret_fields
from dtaas.model.task import Task, TaskSpec
from dtaas.services.taskfiles.documents import Names, connector_document, task_document
from dtaas.services.taskfiles.drafting import Drafted
from dtaas.services.taskfiles.shapes import FileAction, FileChange
from dtaas.services.taskfiles.stock import Stock
from dtaas.services.taskfiles.yaml_text import write_yaml


def described(stock: Stock, drafted: Sequence[Drafted]) -> Sequence[FileChange]:
    """Return what becomes of each part, in their order."""
    now = stock.names()
    then = Names(
        connectors={**now.connectors, **_names(drafted, Connector)},
        tasks={**now.tasks, **_names(drafted, TaskSpec)},
    )
    return [_described(one, now, then) for one in drafted]


def differs(one: Drafted) -> bool:
    """Return whether a part is not yet what is stored."""
    return action_of(one) is not FileAction.UNCHANGED


def action_of(one: Drafted) -> FileAction:
    """Return what becomes of a part."""
    was, becomes = one.was, one.becomes
    if was is None:
        return FileAction.CREATE
    same = was.spec == becomes if isinstance(was, Task) else was == becomes
    return FileAction.UNCHANGED if same else FileAction.UPDATE


def _described(one: Drafted, now: Names, then: Names) -> FileChange:
    was = [] if one.was is None else [_document(one.was, now)]
    return FileChange(
        kind=one.part.kind,
        name=one.part.name,
        action=action_of(one),
        id=one.id if one.id > 0 else None,
        diff=_diff(one.part.name, was, [_document(one.becomes, then)]),
        secrets=_changed_secrets(one),
    )


def _document(thing: Connector | Task | TaskSpec, names: Names) -> dict[str, Any]:
    if isinstance(thing, Connector):
        return connector_document(thing)
    return task_document(thing.spec if isinstance(thing, Task) else thing, names)


def _diff(name: str, was: Sequence[dict[str, Any]], becomes: Sequence[dict[str, Any]]) -> str:
    old = write_yaml(was).splitlines(keepends=True)
    new = write_yaml(becomes).splitlines(keepends=True)
    return "".join(unified_diff(old, new, f"{name} (here)", f"{name} (file)"))


def _changed_secrets(one: Drafted) -> tuple[str, ...]:
    if not isinstance(one.becomes, Connector):
        return ()
    config = one.becomes.config
    old = one.was.config if isinstance(one.was, Connector) else None
    return tuple(
        sorted(
            name
            for name in secret_fields(type(config))
            if getattr(config, name) != getattr(old, name, "")
        )
    )


def _names(drafted: Sequence[Drafted], kind: type) -> Mapping[Any, str]:
    return {one.id: one.part.name for one in drafted if isinstance(one.becomes, kind)}
