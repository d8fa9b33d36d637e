"""The parts of a file against what is stored: what they would become, and what is missing. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from dtaas.model.connectors import ConnectionConfig, Connector, ConnectorRole, secret_fields
from dtaas.model.errors import DtaasError
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.ports import ConnectorRegistry
from dtaas.model.task import Task, TaskSpec
from dtaas.services.connector_spec import ConnectorSpec, changed_connector, drafted_connector
from dtaas.services.found_tables import keep_found
from dtaas.services.refusal import refusal
from dtaas.services.taskfiles.documents import CONNECTOR, TASK, placeholder
from dtaas.services.taskfiles.reading import Part
from dtaas.services.taskfiles.references import References, reference_name
from dtaas.services.taskfiles.shapes import FileProblem, ImportRequest, problem_of
from dtaas.services.taskfiles.stock import Stock
from dtaas.store.connectors import ConnectorChange, ConnectorDraft

_NOWHERE: Final = 0
"""Stands for a connector or task that is missing while the rest of a task is looked at."""
_PATHS: Final = {
    "$.source_connector_id": "$.source",
    "$.destination_connector_id": "$.destination",
    "$.schedule.after_task_id": "$.schedule.after_task",
}


class Drafted(Struct, frozen=True, kw_only=True):
    """A part that has a meaning.

    Attributes:
        id: below zero for what is new.
        was: what is stored under the name.
        becomes: what would be.
        change: of a connector, as the store takes it.
    """

    part: Part
    id: int
    was: Connector | Task | None
    becomes: Connector | TaskSpec
    change: ConnectorDraft | ConnectorChange | None = None

    def changed(self) -> ConnectorChange:
        """Return the change of a stored connector."""
        assert isinstance(self.change, ConnectorChange)  # noqa: S101 - for stored ones only
        return self.change


class Drafter:
    """Gives the parts of one file their meaning. `problems` collects what has none."""

    def __init__(
        self,
        *,
        stock: Stock,
        registry: ConnectorRegistry,
        references: References,
        request: ImportRequest,
        now: datetime,
    ) -> None:
        self._stock = stock
        self._registry = registry
        self._references = references
        self._request = request
        self._now = now
        self._connectors = {name: one.id for name, one in stock.connectors.items()}
        self._tasks = {name: one.id for name, one in stock.tasks.items()}
        self._broken: set[str] = set()
        self.problems: list[FileProblem] = []

    def draft(self, parts: Sequence[Part]) -> Sequence[Drafted]:
        """Return the parts with a meaning, connectors first."""
        for number, part in enumerate(parts):
            if part.kind == CONNECTOR:
                self._connectors.setdefault(part.name, ConnectorId(-1 - number))
            else:
                self._tasks.setdefault(part.name, TaskId(-1 - number))
        found = [self._connector(part) for part in parts if part.kind == CONNECTOR]
        found += [self._task(part) for part in parts if part.kind == TASK]
        return [one for one in found if one is not None]

    def _connector(self, part: Part) -> Drafted | None:
        was = self._stock.connectors.get(part.name)
        try:
            spec = msgspec.convert(part.data, ConnectorSpec)
            config_type = self._registry.type_of(*spec.product()).config_type
            spec = msgspec.structs.replace(
                spec,
                connection_config=self._with_secrets(part, spec.connection_config, config_type),
            )
            change: ConnectorDraft | ConnectorChange
            if was is None:
                change = draft = drafted_connector(spec, self._registry)
                becomes = self._new(part, draft)
            else:
                change = changed_connector(was, spec, self._registry)
                assert isinstance(change.config, ConnectionConfig)  # noqa: S101 - it is given
                becomes = msgspec.structs.replace(
                    was,
                    description=spec.description,
                    config=change.config,
                    is_active=spec.is_active,
                )
        except (msgspec.ValidationError, DtaasError) as exc:
            self._refuse(part, exc)
            self._broken.add(part.name)
            return None
        return Drafted(part=part, id=becomes.id, was=was, becomes=becomes, change=change)

    def _new(self, part: Part, draft: ConnectorDraft) -> Connector:
        return Connector(
            id=self._connectors[part.name],
            name=draft.name,
            description=draft.description,
            role=draft.role,
            kind=draft.kind,
            config=draft.config,
            is_active=draft.is_active,
            created_at=self._now,
            updated_at=self._now,
        )

    def _with_secrets(
        self, part: Part, config: Mapping[str, Any], config_type: type[ConnectionConfig]
    ) -> dict[str, Any]:
        """Return a configuration with values for references, without the secrets that are kept."""
        was = self._stock.connectors.get(part.name)
        whole = dict(config)
        for secret in sorted(secret_fields(config_type) & config.keys()):
            text = config[secret]
            if not isinstance(text, str):
                continue  # its shape is wrong, which is told later
            name = reference_name(text)
            kept = was is not None and bool(getattr(was.config, secret, ""))
            ours = text == placeholder(part.name, secret)
            if kept and ours and name not in self._request.secrets:
                del whole[secret]
                continue
            value = self._references.stored(text, self._request.secrets)
            if value is None:
                del whole[secret]
                self.problems.append(
                    part.problem(
                        "secret_missing",
                        f"Connector {part.name!r} needs {secret}, but {text} leads nowhere.",
                        hint=f"Set {name} in the environment of this command or of the daemon;"
                        " connectors read no other DTAAS_ variables than DTAAS_SECRET_….",
                        field=f"$.connection_config.{secret}",
                    )
                )
            else:
                whole[secret] = value
        return whole

    def _task(self, part: Part) -> Drafted | None:
        before = len(self.problems)
        fields = dict(part.data)
        for role in ConnectorRole:
            fields[f"{role}_connector_id"] = self._connector_id(part, fields, role)
        self._name_awaited(part, fields)
        fields.setdefault("source_tables", [])
        try:
            spec = msgspec.convert(fields, TaskSpec)
        except msgspec.ValidationError as exc:
            self._refuse(part, exc)
            return None
        used = {spec.source_connector_id, spec.destination_connector_id}
        if len(self.problems) > before or used & {self._connectors[n] for n in self._broken}:
            return None  # what is wrong with it, or with its connectors, is told
        was = self._stock.tasks.get(part.name)
        becomes = keep_found(was.spec if was else None, spec)
        return Drafted(part=part, id=self._tasks[part.name], was=was, becomes=becomes)

    def _connector_id(self, part: Part, fields: dict[str, Any], role: ConnectorRole) -> int:
        wanted = fields.pop(role.value, None)
        if not isinstance(wanted, str):
            self.problems.append(
                part.problem(
                    "validation_failed",
                    f"Task {part.name!r} names no {role}.",
                    hint=f"Write {role}: and the name of a connector.",
                    field=f"$.{role}",
                )
            )
            return _NOWHERE
        name = self._request.connector_names.get(wanted, wanted)
        if name not in self._connectors:
            self.problems.append(
                part.problem(
                    "connector_missing",
                    f"There is no {role} named {name!r}.",
                    hint="Add it to the file, create it first, or name another.",
                    field=f"$.{role}",
                )
            )
            return _NOWHERE
        return self._connectors[name]

    def _name_awaited(self, part: Part, fields: dict[str, Any]) -> None:
        """Replace the name of an awaited task by its id."""
        schedule = fields.get("schedule")
        if isinstance(schedule, dict) and schedule.get("after_task_id") is not None:
            self.problems.append(
                part.problem(
                    "validation_failed",
                    "A file names the task that is waited for; ids are of one server only.",
                    hint="Write after_task: and its name.",
                    field="$.schedule.after_task_id",
                )
            )
        if not isinstance(schedule, dict) or "after_task" not in schedule:
            return
        wanted = schedule["after_task"]
        rest = {key: value for key, value in schedule.items() if key != "after_task"}
        if not isinstance(wanted, str) or wanted not in self._tasks:
            self.problems.append(
                part.problem(
                    "task_missing",
                    f"There is no task named {wanted!r} to wait for.",
                    hint="Add it to the file, or create it first.",
                    field="$.schedule.after_task",
                )
            )
            fields["schedule"] = rest
        else:
            fields["schedule"] = rest | {"after_task_id": self._tasks[wanted]}

    def _refuse(self, part: Part, exc: Exception) -> None:
        error = refusal(exc) if isinstance(exc, msgspec.ValidationError) else exc
        assert isinstance(error, DtaasError)  # noqa: S101 - the two kinds that are caught
        self.problems.append(located(part, error))


def located(part: Part, error: DtaasError) -> FileProblem:
    """Return an error about a part in the words and at the line of the file."""
    field = _PATHS.get(error.field or "", error.field)
    told = problem_of(error, line=part.document.line_of(field), kind=part.kind, name=part.name)
    if error.field == field:
        return told
    detail = told.detail.replace(str(error.field), str(field))
    return msgspec.structs.replace(told, field=field, detail=detail)
