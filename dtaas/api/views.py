"""What leaves the API. No view has a field a secret could be in."""

from datetime import datetime
from typing import Any

from msgspec import Struct

from dtaas.model.check import CheckReport, CheckStep
from dtaas.model.connectors import (
    Connector,
    ConnectorRole,
    TestStatus,
    redacted,
    secret_fields,
    secrets_set,
)
from dtaas.model.execution import Execution, TableProgress
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.ports import Capabilities, ConnectorType
from dtaas.model.schedule import ScheduleType
from dtaas.model.schema import TableInfo, TableRef
from dtaas.model.task import (
    DesiredState,
    Task,
    TaskAction,
    TaskMode,
    TaskSpec,
    TaskStatus,
    allowed_actions,
)
from dtaas.services.revision import revision_of
from dtaas.store.execution_logs import ExecutionLogLine
from dtaas.store.executions import TaskRuns
from dtaas.store.tasks import TaskTable


class _Part(Struct, frozen=True, kw_only=True):
    """A part of a list: at most `limit` items from `offset` on, of `total`."""

    total: int
    limit: int
    offset: int


class ConnectorView(Struct, frozen=True, kw_only=True):
    """A connector without its secrets.

    Attributes:
        connection_config: every field but the secrets.
        secrets_set: names of the secrets that hold a value.
    """

    id: ConnectorId
    name: str
    description: str
    connector_type: ConnectorRole
    source_type: str | None
    destination_type: str | None
    connection_config: dict[str, Any]
    secrets_set: tuple[str, ...]
    is_active: bool
    created_at: datetime
    updated_at: datetime
    last_tested_at: datetime | None
    test_status: TestStatus
    test_report: CheckReport | None


class ConnectorList(_Part, frozen=True, kw_only=True):
    """A part of the connectors."""

    items: tuple[ConnectorView, ...]


class ConnectorTest(Struct, frozen=True, kw_only=True):
    """The result of a connector's test, its steps in order."""

    connector_id: ConnectorId
    tested_at: datetime | None
    ok: bool
    steps: tuple[CheckStep, ...]


class ConnectorTypeView(Struct, frozen=True, kw_only=True):
    """A product there can be connectors of.

    Attributes:
        config_schema: JSON Schema of its `connection_config`; secrets have `format: password`.
        secret_fields: names of the secrets.
    """

    kind: str
    connector_type: ConnectorRole
    title: str
    capabilities: Capabilities
    secret_fields: tuple[str, ...]
    config_schema: dict[str, Any]


class ConnectorTypeList(Struct, frozen=True, kw_only=True):
    """All products, sources first."""

    items: tuple[ConnectorTypeView, ...]


class TableList(_Part, frozen=True, kw_only=True):
    """A part of a source's tables."""

    items: tuple[TableInfo, ...]


class TaskView(TaskSpec, frozen=True, kw_only=True):
    """A task: what the user wrote down, and what became of it.

    Attributes:
        desired: the state the user wants it in.
        allowed_actions: what `control` would accept now.
        revision: of what the user wrote down; the ETag, for `If-Match` of a change.
    """

    id: TaskId
    status: TaskStatus
    desired: DesiredState
    allowed_actions: tuple[TaskAction, ...]
    revision: str
    current_progress_percent: float
    created_at: datetime
    updated_at: datetime
    last_run_at: datetime | None
    cdc_enabled_tables: tuple[TableRef, ...]
    last_cdc_poll_at: datetime | None
    last_error_code: str | None
    last_error: str | None


class TaskBrief(Struct, frozen=True, kw_only=True):
    """A row of a list of tasks: of the same size however many tables a task has."""

    id: TaskId
    name: str
    tags: tuple[str, ...]
    owner: str
    mode: TaskMode
    source_connector_id: ConnectorId
    destination_connector_id: ConnectorId
    table_count: int
    schedule_type: ScheduleType
    schedule_interval_seconds: int | None
    is_active: bool
    status: TaskStatus
    desired: DesiredState
    allowed_actions: tuple[TaskAction, ...]
    current_progress_percent: float
    updated_at: datetime
    last_run_at: datetime | None
    last_error_code: str | None
    last_error: str | None


class ChangedTaskView(TaskView, frozen=True, kw_only=True):
    """A changed task. `applies` is `now`, or `next_start` when the present execution goes on."""

    applies: str


class TaskList(_Part, frozen=True, kw_only=True):
    """A part of the tasks."""

    items: tuple[TaskView, ...]


class TaskTableList(Struct, frozen=True, kw_only=True):
    """Source tables and the tasks that move them."""

    items: tuple[TaskTable, ...]


class ExecutionList(_Part, frozen=True, kw_only=True):
    """A part of a task's executions."""

    items: tuple[Execution, ...]


class ExecutionLogList(_Part, frozen=True, kw_only=True):
    """A part of an execution's log."""

    items: tuple[ExecutionLogLine, ...]


class ExecutionView(Execution, frozen=True, kw_only=True):
    """An execution and its tables, live while it runs."""

    tables: tuple[TableProgress, ...]


class NewestRuns(Struct, frozen=True, kw_only=True):
    """The newest executions of every task that ever ran."""

    tasks: tuple[TaskRuns, ...]


class Health(Struct, frozen=True, kw_only=True):
    """The daemon can answer."""

    status: str


class Version(Struct, frozen=True, kw_only=True):
    """What runs here."""

    name: str
    version: str
    python: str


def connector_view(connector: Connector) -> ConnectorView:
    """Return a connector as it may be seen."""
    is_source = connector.role is ConnectorRole.SOURCE
    return ConnectorView(
        id=connector.id,
        name=connector.name,
        description=connector.description,
        connector_type=connector.role,
        source_type=connector.kind if is_source else None,
        destination_type=None if is_source else connector.kind,
        connection_config=redacted(connector.config),
        secrets_set=secrets_set(connector.config),
        is_active=connector.is_active,
        created_at=connector.created_at,
        updated_at=connector.updated_at,
        last_tested_at=connector.last_tested_at,
        test_status=connector.test_status,
        test_report=connector.test_report,
    )


def connector_test(connector: Connector) -> ConnectorTest:
    """Return the result of a connector's last test."""
    report = connector.test_report or CheckReport(ok=False, steps=())
    return ConnectorTest(
        connector_id=connector.id,
        tested_at=connector.last_tested_at,
        ok=report.ok,
        steps=report.steps,
    )


def connector_type_view(kind: ConnectorType, config_schema: dict[str, Any]) -> ConnectorTypeView:
    """Return a product as it may be seen."""
    return ConnectorTypeView(
        kind=kind.kind,
        connector_type=kind.role,
        title=kind.title,
        capabilities=kind.capabilities,
        secret_fields=tuple(sorted(secret_fields(kind.config_type))),
        config_schema=config_schema,
    )


def task_view(task: Task) -> TaskView:
    """Return a task as it may be seen."""
    return TaskView(**_task_fields(task))


def task_brief(task: Task) -> TaskBrief:
    """Return a task as a row of a list."""
    fields: dict[str, Any] = _task_fields(task) | {"table_count": len(task.spec.source_tables)}
    return TaskBrief(**{name: fields[name] for name in TaskBrief.__struct_fields__})


def changed_task_view(task: Task, applies: str) -> ChangedTaskView:
    """Return a task that was changed."""
    return ChangedTaskView(**_task_fields(task), applies=applies)


def execution_view(execution: Execution, tables: tuple[TableProgress, ...]) -> ExecutionView:
    """Return an execution with its tables."""
    return ExecutionView(
        **{name: getattr(execution, name) for name in execution.__struct_fields__}, tables=tables
    )


def _task_fields(task: Task) -> dict[str, Any]:
    written = {name: getattr(task.spec, name) for name in task.spec.__struct_fields__}
    became = {name: getattr(task, name) for name in task.__struct_fields__ if name != "spec"}
    return {
        **written,
        **became,
        "allowed_actions": allowed_actions(task.status),
        "revision": revision_of(task.spec),
    }
