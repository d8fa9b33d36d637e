"""OpenTelemetry: executions as traces, our metrics as theirs, over OTLP and HTTP."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import structlog
from anyio import CancelScope, create_task_group, move_on_after, sleep
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, Status, StatusCode, set_span_in_context

from dtaas import __version__
from dtaas.concurrency.blocking import Blocking
from dtaas.concurrency.bus import EventBus
from dtaas.model.execution import ExecutionStatus, TablePhase, TableProgress
from dtaas.services.instruments import Instruments
from dtaas.services.telemetry.ended import Told, executions
from dtaas.store.store import Store

log = structlog.get_logger()
_METRICS_EVERY_S: Final = 15.0
_TIMEOUT_S: Final = 10
_FLUSH_LIMIT_S: Final = 12.0
_NS: Final = 1_000_000_000
_BAD: Final = frozenset({ExecutionStatus.FAILED, ExecutionStatus.PARTIAL})
_Samples = Mapping[str, list[Observation]]


class OpenTelemetry:
    """Exports to one collector. Its own threads send; a collector that is away costs nothing."""

    def __init__(
        self,
        endpoint: str,
        *,
        instruments: Instruments,
        bus: EventBus,
        store: Store,
        every_s: float = _METRICS_EVERY_S,
    ) -> None:
        """Set the exporters up.

        Args:
            endpoint: of the collector, such as http://localhost:4318.
        """
        resource = Resource.create(
            {
                "service.name": "dtaas",
                "service.version": __version__,
                "service.instance.id": store.installation,
            }
        )
        base = endpoint.rstrip("/")
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._traces.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(f"{base}/v1/traces", timeout=_TIMEOUT_S))
        )
        self._tracer = self._traces.get_tracer("dtaas", __version__)
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(f"{base}/v1/metrics", timeout=_TIMEOUT_S),
            export_interval_millis=every_s * 1000,
        )
        self._metrics = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self._instruments = instruments
        self._bus = bus
        self._store = store
        self._every_s = every_s
        self._samples: _Samples = {}
        self._blocking = Blocking(1)

    async def serve(self) -> None:
        """Export until cancelled; then send what is left."""
        self._samples = _samples(self._instruments)
        self._declare()
        try:
            async with create_task_group() as group:
                group.start_soon(self._sample, name="otel metrics")
                async for told in executions(self._bus, self._store):
                    if told.execution.completed_at is not None:
                        self._trace(told)
        finally:
            with CancelScope(shield=True), move_on_after(_FLUSH_LIMIT_S):
                await self._blocking(self._close)

    async def _sample(self) -> None:
        """Read the instruments on the event loop, where they change; the exporter has a thread."""
        while True:
            self._samples = _samples(self._instruments)
            await sleep(self._every_s / 2)

    def _declare(self) -> None:
        meter = self._metrics.get_meter("dtaas", __version__)
        for family in self._instruments.registry.collect():
            for name in _exported(family.name, family.type):
                make = (
                    meter.create_observable_gauge
                    if family.type == "gauge"
                    else meter.create_observable_counter
                )
                make(name, callbacks=[self._reader(name)], description=family.documentation)

    def _reader(self, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(_: CallbackOptions) -> Iterable[Observation]:
            return self._samples.get(name, [])

        return read

    def _trace(self, told: Told) -> None:
        execution = told.execution
        root = self._tracer.start_span(
            f"execution {told.task.spec.name}",
            start_time=_ns(execution.started_at),
            attributes={
                "dtaas.task.id": told.task.id,
                "dtaas.task.name": told.task.spec.name,
                "dtaas.execution.id": execution.id,
                "dtaas.execution.type": execution.execution_type,
                "dtaas.execution.status": execution.status,
                "dtaas.rows": execution.processed_rows,
            },
        )
        if execution.status in _BAD:
            _failed(root, execution.error_code, execution.error_message)
        for table in told.tables:
            self._trace_table(table, root)
        root.end(_ns(execution.completed_at or execution.started_at))

    def _trace_table(self, table: TableProgress, root: Span) -> None:
        if table.started_at is None:
            return
        span = self._tracer.start_span(
            f"table {table.table}",
            context=set_span_in_context(root),
            start_time=_ns(table.started_at),
            attributes={
                "dtaas.table": str(table.table),
                "dtaas.phase": table.phase,
                "dtaas.rows": table.rows_done,
                "dtaas.bytes": table.bytes,
                "dtaas.written_bytes": table.written_bytes,
                "dtaas.retries": table.retries,
            },
        )
        if table.phase is TablePhase.FAILED:
            _failed(span, table.error_code, table.error)
        span.end(_ns(table.completed_at or table.started_at))

    def _close(self) -> None:
        self._traces.shutdown()
        self._metrics.shutdown(timeout_millis=_FLUSH_LIMIT_S * 1000)


def _failed(span: Span, code: str | None, text: str | None) -> None:
    span.set_attribute("error.type", code or "internal")
    span.set_status(Status(StatusCode.ERROR, text or ""))


def _ns(moment: datetime) -> int:
    return round(moment.timestamp() * _NS)


def _exported(name: str, kind: str) -> tuple[str, ...]:
    """Return the names a family is exported by: of a histogram how many and how much."""
    match kind:
        case "gauge":
            return (name,)
        case "counter":
            return (f"{name}_total",)
        case "histogram":
            return f"{name}_count", f"{name}_sum"
        case _:
            return ()


def _samples(instruments: Instruments) -> _Samples:
    found: dict[str, list[Observation]] = {}
    for family in instruments.registry.collect():
        wanted = _exported(family.name, family.type)
        for sample in family.samples:
            if sample.name in wanted:
                labels: dict[str, Any] = dict(sample.labels)
                found.setdefault(sample.name, []).append(Observation(sample.value, labels))
    return found
