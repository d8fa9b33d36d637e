"""Tells how far one table is behind: its figures, its lag in the page, its warnings."""

from typing import Final

import structlog

from dtaas.concurrency.figures import FIGURES, Figure
from dtaas.engine.lag import Lag, margin_warning
from dtaas.engine.progress import TableMeter
from dtaas.model.changes import SourceState
from dtaas.model.ids import TaskId
from dtaas.model.schema import TableRef

log = structlog.get_logger()
_HOUR_S: Final = 3600.0


class LagMeter:
    """Tells the lag of one table, and once that the source soon forgets what it needs."""

    def __init__(self, task_id: TaskId, table: TableRef, meter: TableMeter) -> None:
        self._task_id = task_id
        self._table = str(table)
        self._meter = meter
        self._warned: str | None = None

    def tell(self, lag: Lag, source: SourceState, *warnings: str) -> None:
        """Tell a lag, with what else there is to warn of."""
        FIGURES.set(Figure.LAG_S, lag.total_s, task_id=self._task_id, table=self._table)
        if lag.margin_h is not None:
            margin_s = lag.margin_h * _HOUR_S
            FIGURES.set(
                Figure.RETENTION_MARGIN_S, margin_s, task_id=self._task_id, table=self._table
            )
        warning = margin_warning(lag, source.retention_s, before=self._warned)
        if warning and not self._warned:
            log.warning("retention_runs_out", table=self._table, detail=warning)
        self._warned = warning
        self._meter.lags(lag, " ".join(filter(None, (warning, source.trouble, *warnings))))
