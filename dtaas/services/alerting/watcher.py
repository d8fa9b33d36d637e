"""Looks at every rule now and then, and soon after something happened to a task."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from anyio import move_on_after, sleep

from dtaas.concurrency.blocking import Blocking
from dtaas.concurrency.bus import EventBus
from dtaas.concurrency.figures import FIGURES
from dtaas.model.alerts import AlertRule, Finding
from dtaas.model.errors import DtaasError
from dtaas.model.events import ConnectorChanged, ExecutionChanged, SchemaChanged, TaskChanged
from dtaas.services.alerting.rules import WINDOW, Situation, findings
from dtaas.services.every_task import every_task
from dtaas.services.machine import resources_percent
from dtaas.store.page import MAX_LIMIT, Window
from dtaas.store.store import Store
from dtaas.store.tasks import ALL_TASKS

log = structlog.get_logger()
_EVERY_S: Final = 15.0
_GATHER_S: Final = 0.5
"""A task that starts tells of itself several times within a moment: one look is enough for all."""
_TELLING: Final = (ExecutionChanged, ConnectorChanged, TaskChanged, SchemaChanged)


class AlertWatcher:
    """Turns situations into alert events."""

    def __init__(
        self, store: Store, bus: EventBus, *, data_dir: Path, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._bus = bus
        self._data_dir = data_dir
        self._now = now
        self._blocking = Blocking(1)
        self._since: dict[tuple[int, str], datetime] = {}

    async def serve(self) -> None:
        """Look until cancelled. A look that fails is made up for by the next."""
        with self._bus.subscribe() as feed:
            while True:
                try:
                    await self.look()
                except DtaasError as error:
                    log.warning("alerts_not_looked", code=error.code, error=error.detail)
                with move_on_after(_EVERY_S) as quiet:
                    while not any(
                        isinstance(event, _TELLING) for event in (await feed.take()).events
                    ):
                        pass
                if not quiet.cancelled_caught:
                    await sleep(_GATHER_S)
                    feed.take_nowait()  # the look sees what they told of

    async def look(self) -> None:
        """Look at every rule once.

        Raises:
            StoreUnavailableError: the metadata database does not answer.
        """
        rules = await self._store.alert_rules.every()
        situation = await self._situation()
        known: set[tuple[int, str]] = set()
        for rule in rules:
            found = findings(rule, situation) if rule.spec.is_active else []
            firing = await self._store.alert_events.firing_of(rule.id)
            lasting = self._lasting(rule, found, firing, situation.now)
            known |= {(rule.id, finding.fingerprint) for finding in found}
            if lasting or firing:
                await self._store.alert_events.record(rule, lasting)
        for gone in self._since.keys() - known:
            del self._since[gone]

    def _lasting(
        self, rule: AlertRule, found: list[Finding], firing: dict[str, str], now: datetime
    ) -> list[Finding]:
        """Return the findings that are so for long enough, and those that fire already."""
        lasting = []
        for finding in found:
            since = self._since.setdefault((rule.id, finding.fingerprint), now)
            long = now - since >= timedelta(seconds=rule.spec.for_seconds)
            if long or finding.fingerprint in firing:
                lasting.append(finding)
        return lasting

    async def _situation(self) -> Situation:
        now = self._now()
        tasks = await every_task(self._store.tasks, ALL_TASKS)
        connectors = await self._store.connectors.list(window=Window(limit=MAX_LIMIT, sort="id"))
        return Situation(
            now=now,
            tasks={task.id: task for task in tasks},
            connectors=connectors.items,
            facts=await self._store.alert_facts.read(now - WINDOW),
            readings=tuple(FIGURES.readings()),
            resources=await self._blocking(resources_percent, self._data_dir),
        )
