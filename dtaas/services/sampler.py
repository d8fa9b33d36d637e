"""Samples of the daemon's own figures into `system_metrics`."""

import resource
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from shutil import disk_usage

import structlog
from anyio import sleep

from dtaas.model.errors import DtaasError
from dtaas.model.execution import ExecutionProgress
from dtaas.model.ids import TaskId
from dtaas.services.charts import TASK_SAMPLE_S
from dtaas.services.history import SAMPLE_S
from dtaas.services.instruments import resident_bytes
from dtaas.services.machine import HostCpu
from dtaas.services.ports import TaskRunner
from dtaas.store.charts import TASK_MB, TASK_ROWS
from dtaas.store.metrics import MetricSample, MetricsRepository

log = structlog.get_logger()
_KIB = 1024
_LOOKS = TASK_SAMPLE_S // SAMPLE_S
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
        self._moved: dict[TaskId, tuple[float, float]] = {}
        self._looks = 0

    async def serve(self) -> None:
        """Sample until cancelled. A store that cannot take a sample loses that sample only."""
        while True:
            await sleep(SAMPLE_S)
            try:
                await self._metrics.record(self.samples(self._take_lag_s()))
            except DtaasError as error:
                log.warning("sample_lost", code=error.code, error=error.detail)

    def samples(self, late_s: float) -> list[MetricSample]:
        """Return one sample of each figure; `late_s` is how late the event loop was since."""
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
        return [*whole, *self._of_tasks(running, at)]

    def _of_tasks(self, running: Sequence[ExecutionProgress], at: datetime) -> list[MetricSample]:
        """Tell every half minute what each task moved in it, and nothing of those that rested.

        A chart of a week reads them all.
        """
        for one in running:
            if one.rows_s > 0:
                rows, mb = self._moved.get(one.task_id, (0.0, 0.0))
                self._moved[one.task_id] = (rows + one.rows_s, mb + one.mb_s)
        self._looks += 1
        if self._looks < _LOOKS:
            return []
        found = [
            MetricSample(name=name, value=total / _LOOKS, at=at, task_id=task_id)
            for task_id, totals in self._moved.items()
            for name, total in zip((TASK_ROWS, TASK_MB), totals, strict=True)
        ]
        self._moved.clear()
        self._looks = 0
        return found
