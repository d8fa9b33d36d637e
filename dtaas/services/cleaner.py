"""Forgets old samples, log lines and executions."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog
from anyio import sleep

from dtaas.model.errors import DtaasError
from dtaas.settings import RetentionSettings
from dtaas.store.alert_events import AlertEventRepository
from dtaas.store.metrics import MetricsRepository
from dtaas.store.retention import Retention

log = structlog.get_logger()
_EVERY_S: Final = 3600.0
_SOON_S: Final = 60.0


class Cleaner:
    """Cleans soon after the start and then every hour."""

    def __init__(
        self,
        *,
        metrics: MetricsRepository,
        retention: Retention,
        alerts: AlertEventRepository,
        settings: Callable[[], RetentionSettings],
        now: Callable[[], datetime],
    ) -> None:
        self._metrics = metrics
        self._retention = retention
        self._alerts = alerts
        self._settings = settings
        self._now = now

    async def serve(self) -> None:
        """Clean until cancelled. What cannot be forgotten now is next time."""
        await sleep(_SOON_S)
        while True:
            try:
                await self.clean()
            except DtaasError as error:
                log.warning("not_cleaned", code=error.code, error=error.detail)
            await sleep(_EVERY_S)

    async def clean(self) -> None:
        """Forget everything that is older than it is kept.

        Raises:
            StoreUnavailableError: the metadata database cannot be written.
        """
        now, kept = self._now(), self._settings()
        samples = await self._metrics.delete_before(now - timedelta(days=kept.metrics_days))
        lines = await self._retention.forget_logs(now - timedelta(days=kept.logs_days))
        executions = await self._retention.forget_executions(
            now - timedelta(days=kept.executions_days), keep=kept.executions_per_task
        )
        alerts = await self._alerts.forget_before(now - timedelta(days=kept.alerts_days))
        log.info("cleaned", samples=samples, log_lines=lines, executions=executions, alerts=alerts)
