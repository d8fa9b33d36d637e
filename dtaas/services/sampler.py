"""Samples of the daemon's own figures into `system_metrics`."""

import resource
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from shutil import disk_usage

import structlog
from anyio import sleep

from dtaas.model.errors import DtaasError
from dtaas.model.execution import ExecutionProgress
from dtaas.services.history import SAMPLE_S
from dtaas.services.instruments import resident_bytes
from dtaas.services.machine import HostCpu
from dtaas.services.ports import TaskRunner
from dtaas.store.charts import TASK_MB, TASK_ROWS
from dtaas.store.metrics import MetricSample, MetricsRepository

log = structlog.get_logger()
_KIB = 1024
_MB = 1_000_000


class Sampler:
    """Takes a sample every ten seconds."""

    def __init__(
        self,
        metrics: MetricsRepository,
        runner: TaskRunner,
        *,
        data_dir: Path,
        now: Callable[[], datetime],
        take_lag_s: Callable[[], float],
    ) -> None:
        self._metrics = metrics
        self._runner = runner
        self._data_dir = data_dir
        self._now = now
        self._take_lag_s = take_lag_s
        self._cpu = HostCpu()

    async def serve(self) -> None:
        """Sample until cancelled. A store that cannot take a sample loses that sample only."""
        while True:
            await sleep(SAMPLE_S)
            try:
                await self._metrics.record(self._samples(self._take_lag_s()))
            except DtaasError as error:
                log.warning("sample_lost", code=error.code, error=error.detail)

    def _samples(self, late_s: float) -> list[MetricSample]:
        running = self._runner.running()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        values = {
            "running_tasks": float(len(running)),
            "rows_per_second": sum(p.rows_s for p in running),
            "mb_per_second": sum(p.mb_s for p in running),
            "memory_mb": resident_bytes() / _MB,
            "memory_peak_mb": usage.ru_maxrss * _KIB / _MB,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "event_loop_lag_s": late_s,
            "disk_free_mb": disk_usage(self._data_dir).free / _MB,
        }
        if (busy := self._cpu.take_percent()) is not None:
            values["host_cpu_percent"] = busy
        streams = [t for p in running for t in p.tables if t.lag_s is not None]
        if streams:
            values["replication_lag_s"] = max(t.lag_s or 0.0 for t in streams)
            values["capture_lag_s"] = max(t.source_lag_s or 0.0 for t in streams)
        spent = [t.credits for p in running for t in p.tables if t.credits is not None]
        if spent:
            values["credits"] = sum(spent)
        margins = [t.retention_margin_h for t in streams if t.retention_margin_h is not None]
        if margins:
            values["retention_margin_h"] = min(margins)
        at = self._now()
        whole = [MetricSample(name=name, value=value, at=at) for name, value in values.items()]
        return [*whole, *_of_tasks(running, at)]


def _of_tasks(running: Sequence[ExecutionProgress], at: datetime) -> Iterator[MetricSample]:
    """Tell what moves something: a stream that waits for changes would fill the database."""
    for one in running:
        if one.rows_s > 0:
            for name, value in ((TASK_ROWS, one.rows_s), (TASK_MB, one.mb_s)):
                yield MetricSample(name=name, value=value, at=at, task_id=one.task_id)
