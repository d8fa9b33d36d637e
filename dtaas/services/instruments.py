"""What Prometheus is told: counters that follow the event bus, and figures read when asked."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from dtaas import __version__
from dtaas.concurrency.blocking import threads_at_work
from dtaas.concurrency.figures import FIGURES, Figure
from dtaas.model.execution import Execution, ExecutionProgress, TablePhase, TableProgress
from dtaas.model.ids import ExecutionId
from dtaas.model.schema import TableRef
from dtaas.services.ports import TaskRunner
from dtaas.store.dashboard import DashboardFigures

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_MOST_TABLES: Final = 5_000
"""Tables with a series of their own; the rest share one, so that the page stays readable."""
_REST: Final = "(other)"
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LAG_SECONDS: Final = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5)
_LONG_SECONDS: Final = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
_MB: Final = 1_000_000
_FIGURE_TEXTS: Final[Mapping[Figure, str]] = {
    Figure.LAG_S: "Age of the oldest change that is not at the destination yet",
    Figure.RETENTION_MARGIN_S: "How long the source still keeps the next change needed",
    Figure.BACKLOG_ROWS: "Changes known at the source that are not at the destination yet",
}


class Instruments:
    """All metrics of one daemon, in a registry of its own."""

    def __init__(self, runner: TaskRunner) -> None:
        self.registry: Final = CollectorRegistry()
        self._known: dict[tuple[ExecutionId, TableRef], tuple[float, ...]] = {}
        self._tables: set[tuple[str, str]] = set()
        self._counts: DashboardFigures | None = None
        registry = self.registry
        self._ended = Counter(
            "dtaas_executions", "Executions that ended", ["task", "status"], registry=registry
        )
        self._duration = Histogram(
            "dtaas_execution_duration_seconds",
            "Length of executions",
            ["status"],
            buckets=_LONG_SECONDS,
            registry=registry,
        )
        self._rows = Counter(
            "dtaas_table_rows", "Rows read of a table", ["task", "table"], registry=registry
        )
        self._bytes = Counter(
            "dtaas_table_bytes",
            "Bytes of Arrow data read of a table",
            ["task", "table"],
            registry=registry,
        )
        self._written = Counter(
            "dtaas_table_written_bytes",
            "Bytes made durable at the destination",
            ["task", "table"],
            registry=registry,
        )
        self._queries = Counter(
            "dtaas_table_queries",
            "Statements run at a destination that bills them",
            ["task", "table"],
            registry=registry,
        )
        self._credits = Counter(
            "dtaas_table_credits",
            "Estimated credits those statements cost",
            ["task", "table"],
            registry=registry,
        )
        self._windows = Counter(
            "dtaas_table_windows",
            "Windows of changes that went into such a table, as new rows alone or by MERGE",
            ["task", "table", "way"],
            registry=registry,
        )
        self._failures = Counter(
            "dtaas_table_failures", "Tables given up", ["task", "code"], registry=registry
        )
        self._requests = Histogram(
            "dtaas_http_request_duration_seconds",
            "Time until an answer begins",
            ["method", "route", "status"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._loop_lag = Histogram(
            "dtaas_event_loop_lag_seconds",
            "How late the event loop is",
            buckets=_LAG_SECONDS,
            registry=registry,
        )
        self._stored = Gauge(
            "dtaas_store_up", "Whether the metadata database answered last", registry=registry
        )
        Gauge("dtaas_build_info", "Version", ["version"], registry=registry).labels(
            __version__
        ).set(1)
        ProcessCollector(registry=self.registry)
        self.registry.register(_Present(runner, self.counts))

    def counts(self) -> DashboardFigures | None:
        """Return the store's counts as last read."""
        return self._counts

    def page(self, counts: DashboardFigures | None) -> bytes:
        """Return the page in Prometheus' text format.

        Args:
            counts: the store's counts, None when it did not answer.
        """
        self._counts = counts
        self._stored.set(counts is not None)
        return generate_latest(self.registry)

    def loop_was_late(self, seconds: float) -> None:
        """Note how late the event loop came back."""
        self._loop_lag.observe(seconds)

    def request_served(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note an answer. `route` is the template, never a path somebody made up."""
        self._requests.labels(method, route, str(status)).observe(seconds)

    def progress(self, progress: ExecutionProgress) -> None:
        """Count what a running execution moved since the last time."""
        for table in progress.tables:
            self._count(progress.execution_id, str(progress.task_id), table)

    def ended(self, execution: Execution, tables: tuple[TableProgress, ...]) -> None:
        """Count an execution that ended, with the final figures of its tables."""
        task = str(execution.task_id)
        for table in tables:
            self._count(execution.id, task, table)
            self._known.pop((execution.id, table.table), None)
            if table.phase is TablePhase.FAILED:
                self._failures.labels(task, table.error_code or "internal").inc()
        self._ended.labels(task, execution.status).inc()
        self._duration.labels(execution.status).observe(execution.duration_seconds or 0.0)

    def _count(self, execution: ExecutionId, task: str, table: TableProgress) -> None:
        now = (
            table.rows_done,
            table.bytes,
            table.written_bytes,
            table.queries,
            table.credits or 0.0,
            table.appended_windows,
            table.merged_windows,
        )
        before = self._known.get((execution, table.table), (0,) * len(now))
        self._known[execution, table.table] = now
        more = [max(0, new - old) for new, old in zip(now, before, strict=True)]
        if not any(more):
            return  # a table that began anew moved nothing more yet
        labels = (task, str(table.table))
        if labels not in self._tables:
            if len(self._tables) >= _MOST_TABLES:
                labels = (task, _REST)
            self._tables.add(labels)
        counters: tuple[tuple[Counter, tuple[str, ...]], ...] = (
            (self._rows, ()),
            (self._bytes, ()),
            (self._written, ()),
            (self._queries, ()),
            (self._credits, ()),
            (self._windows, ("append",)),
            (self._windows, ("merge",)),
        )
        for (counter, way), amount in zip(counters, more, strict=True):
            if amount:
                counter.labels(*labels, *way).inc(amount)


class _Present(Collector):
    """Figures that are what they are when somebody asks."""

    def __init__(self, runner: TaskRunner, counts: Callable[[], DashboardFigures | None]) -> None:
        self._runner = runner
        self._counts = counts

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every family."""
        running = self._runner.running()
        yield GaugeMetricFamily(
            "dtaas_executions_running", "Executions under way", value=len(running)
        )
        yield GaugeMetricFamily(
            "dtaas_rows_per_second", "Rows read now", value=sum(p.rows_s for p in running)
        )
        yield GaugeMetricFamily(
            "dtaas_bytes_per_second",
            "Bytes of Arrow data read now",
            value=sum(p.mb_s for p in running) * _MB,
        )
        phases = GaugeMetricFamily(
            "dtaas_tables", "Tables of running executions by phase", labels=["phase"]
        )
        for phase in TablePhase:
            count = sum(t.phase is phase for p in running for t in p.tables)
            phases.add_metric([phase], count)
        yield phases
        yield GaugeMetricFamily(
            "dtaas_worker_threads_busy", "Threads at work for drivers and files", threads_at_work()
        )
        yield GaugeMetricFamily("dtaas_memory_bytes", "Resident memory", value=resident_bytes())
        yield from self._stored()
        for figure, text in _FIGURE_TEXTS.items():
            family = GaugeMetricFamily(f"dtaas_{figure}", text, labels=["task", "table"])
            for reading in FIGURES.readings():
                if reading.figure is figure:
                    family.add_metric([str(reading.task_id), reading.table], reading.value)
            yield family

    def _stored(self) -> Iterator[GaugeMetricFamily]:
        counts = self._counts()
        if counts is None:
            return
        by_status = GaugeMetricFamily("dtaas_tasks", "Tasks by state", labels=["status"])
        for status, count in counts.tasks_by_status.items():
            by_status.add_metric([status], count)
        yield by_status
        yield GaugeMetricFamily(
            "dtaas_connectors_failing",
            "Active connectors whose last test failed",
            value=counts.connectors_failing,
        )


def resident_bytes() -> int:
    """Return how much memory the process holds, 0 where the kernel does not say."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
