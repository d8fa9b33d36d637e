"""Tables on their way to stream: captured and loaded, and tried again, while the others stream."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import structlog
from anyio import Event, current_time, move_on_after

from dtaas.engine.backoff import RestartPolicy, Restarts
from dtaas.engine.drain import Drain
from dtaas.engine.failures import explain
from dtaas.engine.progress import ExecutionMeter
from dtaas.engine.stream_table import STORE_ERRORS
from dtaas.model.changes import StreamState
from dtaas.model.errors import Action, DtaasError, TablesFailedError
from dtaas.model.execution import TablePhase
from dtaas.model.schema import TableRef

log = structlog.get_logger()
_RESTARTS: Final = RestartPolicy(base_s=1.0, cap_s=60.0, most=None)
Joined = Callable[[StreamState], Awaitable[None]]
Bring = Callable[[Sequence[TableRef], Joined], Awaitable[None]]
"""Captures and loads tables; calls back with the stream of each that is ready."""


class News:
    """Wakes those who wait for something to have changed."""

    def __init__(self, drain: Drain) -> None:
        self._drain = drain
        self._told = Event()

    def tell(self) -> None:
        """Wake them."""
        self._told.set()
        self._told = Event()

    async def wait(self) -> None:
        """Return when there is news, or the drain is asked for."""
        with self._drain.extraction():
            await self._told.wait()


class Arrivals:
    """Brings the tables that are wanted, all at once; those wanted meanwhile come after them.

    Attributes:
        bringing: whether tables are being captured and loaded now.
    """

    def __init__(
        self,
        *,
        drain: Drain,
        news: News,
        meter: ExecutionMeter,
        errors: dict[TableRef, DtaasError],
        uniform: Callable[[float, float], float],
    ) -> None:
        """Share what a stream knows of its tables.

        Args:
            errors: why tables need a person; those that are given up are added.
        """
        self.bringing = False
        self._drain = drain
        self._news = news
        self._meter = meter
        self._errors = errors
        self._uniform = uniform
        self._wanted: dict[TableRef, None] = {}
        self._coming: set[TableRef] = set()

    def want(self, tables: Iterable[TableRef]) -> None:
        """Have tables brought, as soon as those that come now are there."""
        self._wanted.update(dict.fromkeys(tables))
        self._news.tell()

    def drop(self, table: TableRef) -> None:
        """Want a table no more. One that comes already comes all the same."""
        self._wanted.pop(table, None)

    def came(self, table: TableRef) -> None:
        """Note that a table has come."""
        self._coming.discard(table)

    def comes(self, table: TableRef) -> bool:
        """Return whether a table is being captured or loaded."""
        return table in self._coming

    def awaits(self, table: TableRef) -> bool:
        """Return whether a table is wanted or comes."""
        return table in self._wanted or table in self._coming

    @property
    def pending(self) -> bool:
        """Return whether any table is wanted or comes."""
        return bool(self._wanted) or self.bringing

    async def serve(self, bring: Bring, joined: Joined, goes_on: Callable[[], bool]) -> None:
        """Bring what is wanted, again and again, until drained.

        Args:
            goes_on: returns whether other tables stream, so that the rest may be tried later.

        Raises:
            DtaasError: nothing can be stored, or nothing streams that could go on meanwhile.
        """
        restarts = Restarts(_RESTARTS, self._uniform)
        while not self._drain.requested:
            if not self._wanted:
                await self._news.wait()
                continue
            tables, self._wanted = list(self._wanted), {}
            self.bringing, began = True, current_time()
            self._coming = set(tables)
            try:
                await bring(tables, joined)
            except Exception as exc:
                error = explain(exc)
                if isinstance(error, STORE_ERRORS) or not goes_on():
                    raise
                left = [t for t in tables if t in self._coming and self._stays(t)]
                await self._postpone(
                    left, error, restarts.next_delay_s(error, ran_s=current_time() - began)
                )
            finally:
                self.bringing = False
                self._coming.clear()
                self._note_failed(tables)
                self._news.tell()

    def _stays(self, table: TableRef) -> bool:
        """Return whether a table is still the task's and nobody left it out meanwhile."""
        meter = self._meter.tables.get(table)
        return meter is not None and meter.phase is not TablePhase.SKIPPED

    async def _postpone(
        self, tables: Sequence[TableRef], error: DtaasError, delay_s: float | None
    ) -> None:
        """Try tables that did not arrive once more, later, or give them up."""
        log.warning(
            "tables_not_brought", tables=len(tables), code=error.code, error=error.detail,
            retry_in_s=delay_s,
        )  # fmt: skip
        for table in tables:
            self._meter.tables[table].failed(error)
            phase = TablePhase.RETRYING if error.action is Action.RETRY else TablePhase.FAILED
            self._meter.tables[table].enter(phase)
            if delay_s is None:
                self._errors[table] = error
            else:
                self._wanted[table] = None
        if delay_s is not None:
            with move_on_after(delay_s):
                await self._drain.wait()

    def _note_failed(self, tables: Sequence[TableRef]) -> None:
        for table in [t for t in tables if t in self._meter.tables]:
            state = self._meter.tables[table].snapshot()
            if state.phase is TablePhase.FAILED and table not in self._errors:
                self._errors[table] = TablesFailedError(state.error or "", hint=state.hint or "")
