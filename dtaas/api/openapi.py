"""The OpenAPI document: the framework's operations, msgspec's schemas, our one shape of errors."""

from collections.abc import Mapping
from inspect import cleandoc
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin

from dtaas.api.controllers.alerts import (
    AcknowledgeRequest,
    AlertEventList,
    AlertEventView,
    AlertRuleList,
    ChannelList,
    MuteRequest,
)
from dtaas.api.controllers.audit import AuditList, ExportFormat
from dtaas.api.controllers.auth import (
    AccessToken,
    AuthMethods,
    LoginRequest,
    Me,
    PasswordRequest,
    ResetRequest,
    ResetResult,
    SessionList,
    SetupRequest,
)
from dtaas.api.controllers.bulk import BulkRequest, BulkResults
from dtaas.api.controllers.dead_letters import DeadLetterList, ReplayList, ReplayRequest
from dtaas.api.controllers.executions import TasksAtWork
from dtaas.api.controllers.kept import KeptList, KeptRequest
from dtaas.api.controllers.logs import LogLevel, LogLines
from dtaas.api.controllers.maintenance import BackupList
from dtaas.api.controllers.positions import DecideRequest
from dtaas.api.controllers.schedules import PreviewRequest
from dtaas.api.controllers.schema_changes import (
    DecisionRequest,
    SchemaChangeList,
    SchemaVersionList,
    UndecidedList,
)
from dtaas.api.controllers.tasks import ControlRequest, TableControlRequest
from dtaas.api.controllers.tokens import TokenList
from dtaas.api.controllers.transformations import TransformationCatalogue
from dtaas.api.controllers.trials import TrialRequest
from dtaas.api.controllers.users import UserList
from dtaas.api.controllers.verifications import VerificationList, VerifyRequest
from dtaas.api.live import (
    ExecutionEvent,
    SchemaChangeEvent,
    TaskDelta,
    TasksDelta,
    TaskSnapshot,
    TasksSnapshot,
)
from dtaas.api.problems import MEDIA_TYPE, Problem
from dtaas.api.views import (
    ChangedTaskView,
    ConnectorList,
    ConnectorTest,
    ConnectorTypeList,
    ExecutionList,
    ExecutionLogList,
    ExecutionView,
    Health,
    NewestRuns,
    TableList,
    TaskList,
    TaskTableList,
    Version,
)
from dtaas.api.websocket import Empty, Fault, Message, Ping, Subscribe, Unsubscribe
from dtaas.model.alerts import AlertRuleSpec
from dtaas.model.drift import SchemaChange, SchemaDiff
from dtaas.model.plan import RunPlan
from dtaas.model.positions import PositionReview
from dtaas.model.task import TaskSpec
from dtaas.services.alerting.rehearsing import Rehearsal
from dtaas.services.alerting.service import ChannelSpec, ChannelTest
from dtaas.services.captures import Captures
from dtaas.services.charts import DashboardCharts
from dtaas.services.connector_spec import ConnectorSpec
from dtaas.services.dashboard import DashboardMetrics
from dtaas.services.dead_letter_edits import EditedRows, EditRequest
from dtaas.services.dead_letters import DeadLetterRows
from dtaas.services.history import History
from dtaas.services.identity.tokens import NewToken, TokenSpec
from dtaas.services.identity.users import UserChange, UserSpec
from dtaas.services.in_force import SettingsInForce
from dtaas.services.preview.shapes import Preview, RowPreviewRequest
from dtaas.services.samples import Sample
from dtaas.services.schedules import Agenda, NextStarts
from dtaas.services.table_steering import SteeredTables
from dtaas.services.taskfiles.shapes import ImportRequest, ImportResult
from dtaas.services.validation import Validation
from dtaas.store.audit import ChainCheck
from dtaas.store.executions import Configuration

_TEXT: Final = {"schema": {"type": "string"}}
_CONTENTS: Final = {"/api/audit/export": {"application/x-ndjson": _TEXT, "text/csv": _TEXT}}
"""Answers that are streams, of which the framework knows no form."""
_SHAPES: Final = (
    ConnectorSpec,
    ConnectorList,
    ConnectorTest,
    ConnectorTypeList,
    TableList,
    Captures,
    TrialRequest,
    Sample,
    BulkRequest,
    BulkResults,
    ImportRequest,
    ImportResult,
    Validation,
    RunPlan,
    RowPreviewRequest,
    Preview,
    KeptRequest,
    KeptList,
    TaskSpec,
    TaskList,
    TaskTableList,
    ChangedTaskView,
    ControlRequest,
    TableControlRequest,
    SteeredTables,
    PreviewRequest,
    NextStarts,
    Agenda,
    ExecutionList,
    ExecutionView,
    ExecutionLogList,
    NewestRuns,
    TasksAtWork,
    Configuration,
    VerifyRequest,
    VerificationList,
    PositionReview,
    DecideRequest,
    DecisionRequest,
    SchemaChangeList,
    SchemaVersionList,
    UndecidedList,
    SchemaChange,
    SchemaDiff,
    TransformationCatalogue,
    DeadLetterList,
    DeadLetterRows,
    EditRequest,
    EditedRows,
    ReplayRequest,
    ReplayList,
    LogLines,
    LogLevel,
    AlertRuleSpec,
    AlertRuleList,
    Rehearsal,
    ChannelSpec,
    ChannelList,
    ChannelTest,
    AlertEventList,
    AlertEventView,
    MuteRequest,
    AcknowledgeRequest,
    DashboardMetrics,
    DashboardCharts,
    History,
    SettingsInForce,
    BackupList,
    Health,
    Version,
    Me,
    AuthMethods,
    SetupRequest,
    LoginRequest,
    PasswordRequest,
    ResetRequest,
    ResetResult,
    SessionList,
    AccessToken,
    UserSpec,
    UserChange,
    UserList,
    TokenSpec,
    NewToken,
    TokenList,
    AuditList,
    ExportFormat,
    ChainCheck,
    Problem,
    Message,
    Subscribe,
    Unsubscribe,
    Ping,
    TasksSnapshot,
    TasksDelta,
    ExecutionEvent,
    SchemaChangeEvent,
    TaskSnapshot,
    TaskDelta,
    Fault,
    Empty,
)
"""Every shape of the API and of `/ws`; what they hold comes along."""
_REF: Final = "#/components/schemas/{name}"
_ERROR: Final = {
    "description": "What went wrong, in the one shape of errors (RFC 9457)",
    "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name=Problem.__name__)}}},
}
_EXAMPLES: Final[Mapping[str, Any]] = {
    ConnectorSpec.__name__: {
        "name": "Shop database",
        "source_type": "sqlserver",
        "connection_config": {
            "host": "sql.example.com",
            "port": 1433,
            "database": "shop",
            "username": "dtaas_reader",
        },
    },
    TaskSpec.__name__: {
        "name": "Shop to the lake",
        "source_connector_id": 1,
        "destination_connector_id": 2,
        "source_tables": [{"schema": "dbo", "name": "orders"}],
        "mode": "full_load",
        "s3_file_format": "parquet",
        "schedule_type": "interval",
        "schedule_interval_seconds": 3600,
    },
    ControlRequest.__name__: {"action": "start"},
}
_NO_CONTENT: Final = "204"


class DocumentPlugin(JsonRenderPlugin):
    """Serves the document."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the document as JSON."""
        del request
        return msgspec.json.encode(completed(openapi_schema))


def completed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the framework's document with exact schemas and the errors that really come.

    The framework knows neither msgspec's open tuples nor that every error is a problem.
    """
    _, shapes = msgspec.json.schema_components(_SHAPES, ref_template=_REF)
    for name, example in _EXAMPLES.items():
        shapes[name]["examples"] = [example]
    whole = {
        **document,
        "paths": {
            path: {
                method: _with_errors(operation, _CONTENTS.get(path))
                for method, operation in operations.items()
            }
            for path, operations in document["paths"].items()
        },
        "components": {**document["components"], "schemas": shapes},
    }
    plain: dict[str, Any] = _dedented(msgspec.json.decode(msgspec.json.encode(whole)))
    return plain


def _without_content(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer as what it is, where a handler sets its headers by a response object."""
    return {key: value for key, value in answer.items() if key != "content"}


def _with_errors(
    operation: Mapping[str, Any], contents: Mapping[str, Any] | None
) -> dict[str, Any]:
    succeeded = {
        status: _without_content(answer) if status == _NO_CONTENT else answer
        for status, answer in operation["responses"].items()
        if status.startswith("2")
    }
    if contents is not None:
        succeeded = {status: {**a, "content": contents} for status, a in succeeded.items()}
    return {**operation, "responses": {**succeeded, "default": _ERROR}}


def _dedented(node: Any) -> Any:
    """Return a document whose descriptions are not indented, as Python 3.13 keeps docstrings."""
    match node:
        case dict():
            return {
                key: cleandoc(value)
                if key == "description" and isinstance(value, str)
                else _dedented(value)
                for key, value in node.items()
            }
        case list():
            return [_dedented(value) for value in node]
        case _:
            return node
