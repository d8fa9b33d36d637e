"""Samples of the daemon's own figures into `system_metrics`."""

import resource
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from shutil import disk_usage

import structlog
from anyio import current_time, sleep

from dtaas.model.errors import DtaasError
from dtaas.services.ports import TaskRunner
from dtaas.store.metrics import MetricSample, MetricsRepository

log = structlog.get_logger()
_EVERY_S = 10.0
_KEEP = timedelta(days=30)
_CLEAN_EVERY = 360
_KIB = 1024
_MB = 1_000_000


class Sampler:
    """Takes a sample every ten seconds and forgets those older than thirty days."""

    def __init__(
        self,
        metrics: MetricsRepository,
        runner: TaskRunner,
        *,
        data_dir: Path,
        now: Callable[[], datetime],
    ) -> None:
        self._metrics = metrics
        self._runner = runner
        self._data_dir = data_dir
        self._now = now

    async def serve(self) -> None:
        """Sample until cancelled. A store that cannot take a sample loses that sample only."""
        beat = 0
        while True:
            began = current_time()
            await sleep(_EVERY_S)
            late_s = current_time() - began - _EVERY_S
            try:
                await self._metrics.record(self._samples(late_s))
                if beat % _CLEAN_EVERY == 0:
                    await self._metrics.delete_before(self._now() - _KEEP)
            except DtaasError as error:
                log.warning("sample_lost", code=error.code, error=error.detail)
            beat += 1

    def _samples(self, late_s: float) -> list[MetricSample]:
        running = self._runner.running()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        values = {
            "running_tasks": float(len(running)),
            "rows_per_second": sum(p.rows_s for p in running),
            "mb_per_second": sum(p.mb_s for p in running),
            "memory_peak_mb": usage.ru_maxrss * _KIB / _MB,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "event_loop_lag_s": max(0.0, late_s),
            "disk_free_mb": disk_usage(self._data_dir).free / _MB,
        }
        at = self._now()
        return [MetricSample(name=name, value=value, at=at) for name, value in values.items()]
