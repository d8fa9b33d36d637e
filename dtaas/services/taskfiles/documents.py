"""Tasks and connectors as documents of a file: by name, without ids, defaults left out.

The order of the keys is that of the fields, so two exports of one thing are the same bytes.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import NODEFAULT, Struct

from dtaas.model.connectors import (
    ConnectionConfig,
    Connector,
    ConnectorRole,
    secret_fields,
    secret_references,
)
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.task import TaskSpec

API_VERSION: Final = "dtaas/v1"
TASK: Final = "task"
CONNECTOR: Final = "connector"
_HEAD: Final = ("apiVersion", "kind", "name", "description", "source", "destination")


class Names(Struct, frozen=True):
    """What connectors and tasks are called."""

    connectors: Mapping[ConnectorId, str]
    tasks: Mapping[TaskId, str]


def task_document(spec: TaskSpec, names: Names) -> dict[str, Any]:
    """Return a task as a document.

    A connector or awaited task that is not among the names is shown by its number.
    """
    fields = without_defaults(spec)
    if spec.table_rules.include:
        fields.pop("source_tables", None)  # found, not written down
    source = fields.pop("source_connector_id")
    destination = fields.pop("destination_connector_id")
    awaited = fields.get("schedule", {}).get("after_task_id")
    if awaited is not None:
        fields["schedule"] = {
            ("after_task" if key == "after_task_id" else key): (
                names.tasks.get(awaited, str(awaited)) if key == "after_task_id" else value
            )
            for key, value in fields["schedule"].items()
        }
    whole = {
        "apiVersion": API_VERSION,
        "kind": TASK,
        "source": names.connectors.get(source, str(source)),
        "destination": names.connectors.get(destination, str(destination)),
        **fields,
    }
    return _ordered(whole)


def connector_document(connector: Connector) -> dict[str, Any]:
    """Return a connector as a document; a secret is a reference, never its value."""
    kind = "source_type" if connector.role is ConnectorRole.SOURCE else "destination_type"
    whole: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": CONNECTOR,
        "name": connector.name,
        "description": connector.description,
        kind: connector.kind,
        "connection_config": _config(connector.name, connector.config),
    }
    if not connector.description:
        del whole["description"]
    if not connector.is_active:
        whole["is_active"] = False
    return whole


def placeholder(connector: str, secret: str) -> str:
    """Return the reference that stands for a stored secret in a file."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", connector).strip("_").upper() or "CONNECTOR"
    return f"${{env:DTAAS_SECRET_{name}_{secret.upper()}}}"


def without_defaults(value: Struct) -> dict[str, Any]:
    """Return a Struct as plain data without the fields that have their default."""
    shown: dict[str, Any] = {}
    config = value.__struct_config__
    if config.tag is not None and config.tag_field is not None:
        shown[config.tag_field] = config.tag
    for field in msgspec.structs.fields(type(value)):
        given = getattr(value, field.name)
        if field.default is not NODEFAULT:
            usual = field.default
        else:
            usual = NODEFAULT if field.default_factory is NODEFAULT else field.default_factory()
        if given != usual:
            shown[field.encode_name] = _plain(given)
    return shown


def _plain(value: Any) -> Any:
    match value:
        case Struct():
            return without_defaults(value)
        case tuple() | list():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case _:
            return msgspec.to_builtins(value)


def _config(name: str, config: ConnectionConfig) -> dict[str, Any]:
    hidden = secret_fields(type(config)) - secret_references(config).keys()
    return {
        key: placeholder(name, key) if key in hidden else value
        for key, value in without_defaults(config).items()
    }


def _ordered(whole: Mapping[str, Any]) -> dict[str, Any]:
    head = {key: whole[key] for key in _HEAD if key in whole}
    return head | {key: value for key, value in whole.items() if key not in head}
