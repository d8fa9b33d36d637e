"""OpenLineage: which tables went where, told when an execution begins and ends."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from openlineage.client.event_v2 import (
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
    set_producer,
)
from openlineage.client.facet_v2 import error_message_run, output_statistics_output_dataset
from openlineage.client.transport.http import HttpConfig, HttpTransport

from dtaas import __version__
from dtaas.concurrency.blocking import Blocking
from dtaas.concurrency.bus import EventBus
from dtaas.model.connectors import Connector, SqlServerConfig
from dtaas.model.execution import ExecutionStatus, TablePhase, TableProgress
from dtaas.services.telemetry.ended import Told, executions
from dtaas.store.store import Store

log = structlog.get_logger()
_TIMEOUT_S: Final = 10.0
_PRODUCER: Final = f"dtaas/{__version__}"
_RETRY: Final = {
    "total": 2,
    "backoff_factor": 0.2,
    "status_forcelist": [500, 502, 503, 504],
    "allowed_methods": ["POST"],
}
_STATES: Final[Mapping[ExecutionStatus, RunState]] = {
    ExecutionStatus.RUNNING: RunState.START,
    ExecutionStatus.COMPLETED: RunState.COMPLETE,
    ExecutionStatus.PARTIAL: RunState.FAIL,
    ExecutionStatus.FAILED: RunState.FAIL,
    ExecutionStatus.STOPPED: RunState.ABORT,
}


class Lineage:
    """Tells one lineage server. One that is away costs an event, never a task."""

    def __init__(
        self, url: str, *, token: str, namespace: str, bus: EventBus, store: Store
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._transport = HttpTransport(
            HttpConfig(url=url, timeout=_TIMEOUT_S, custom_headers=headers, retry=_RETRY)
        )
        set_producer(_PRODUCER)
        self._namespace = namespace
        self._bus = bus
        self._store = store
        self._blocking = Blocking(1)

    async def serve(self) -> None:
        """Tell until cancelled."""
        async for told in executions(self._bus, self._store):
            event = lineage_event(told, self._namespace, self._store.installation)
            try:
                await self._blocking(self._transport.emit, event)
            except Exception as exc:  # noqa: BLE001 - the client names no errors of its own
                log.warning(
                    "lineage_not_told", execution_id=told.execution.id, error=type(exc).__name__
                )


def lineage_event(told: Told, namespace: str, installation: str) -> RunEvent:
    """Return what is told of an execution."""
    execution = told.execution
    facets: dict[str, Any] = {}
    if execution.error_message:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
            message=execution.error_message, programmingLanguage="python"
        )
    moment: datetime = execution.completed_at or execution.started_at
    return RunEvent(
        eventTime=moment.isoformat(),
        eventType=_STATES[execution.status],
        producer=_PRODUCER,
        run=Run(
            runId=str(uuid.uuid5(uuid.UUID(installation), f"execution {execution.id}")),
            facets=facets,
        ),
        job=Job(namespace=namespace, name=told.task.spec.name),
        inputs=[_input(told.source, table) for table in told.tables],
        outputs=[
            _output(table)
            for table in told.tables
            if table.phase is TablePhase.COMPLETED and table.location
        ],
    )


def _input(source: Connector, table: TableProgress) -> InputDataset:
    config = source.config
    if isinstance(config, SqlServerConfig):
        return InputDataset(
            namespace=f"mssql://{config.host}:{config.port}",
            name=f"{config.database}.{table.table.schema}.{table.table.name}",
        )
    return InputDataset(namespace=f"{source.kind}://{source.name}", name=str(table.table))


def _output(table: TableProgress) -> OutputDataset:
    place = urlsplit(table.location or "")
    namespace = f"{place.scheme}://{place.netloc}" if place.scheme else "file"
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=table.rows_done, size=table.written_bytes
    )
    return OutputDataset(
        namespace=namespace,
        name=place.path.strip("/") or str(table.table),
        outputFacets={"outputStatistics": statistics},
    )
