"""Connectors: what may be stored, changed, tested and listed."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from anyio import Lock, current_time, fail_after, move_on_after
from msgspec import UNSET, Struct

from dtaas.concurrency.bus import EventBus
from dtaas.model.check import CheckReport, CheckStep, StepStatus
from dtaas.model.connectors import Connector, ConnectorRole
from dtaas.model.errors import (
    DtaasError,
    PlaceNotAllowedError,
    RequestError,
    SecretMissingError,
    SecretStoreUnavailableError,
    TaskRunningError,
    TimedOutError,
)
from dtaas.model.events import ConnectorChanged
from dtaas.model.ids import ConnectorId
from dtaas.model.load import TableLoad
from dtaas.model.ports import ConnectorRegistry, ConnectorType, Destination, Source
from dtaas.model.schema import TableInfo, TableRef
from dtaas.model.task import Task
from dtaas.services.connection_config import only_secrets_differ
from dtaas.services.connector_spec import ConnectorSpec, changed_connector, drafted_connector
from dtaas.services.every_task import every_task
from dtaas.services.targets import Places, TargetKeeper
from dtaas.services.task_rules import UNDER_WAY
from dtaas.store.connectors import (
    ConnectorChange,
    ConnectorFilter,
    ConnectorRepository,
)
from dtaas.store.page import Page, Window
from dtaas.store.tasks import TaskFilter, TaskRepository

TEST_LIMIT_S: Final = 60.0
DISCOVERY_LIMIT_S: Final = 60.0
CACHE_S: Final = 30.0
SECRET_ERRORS: Final = (SecretMissingError, SecretStoreUnavailableError, PlaceNotAllowedError)
_CLOSE_LIMIT_S: Final = 10.0


Leftovers = Sequence[tuple[Places, Mapping[TableRef, TableLoad]]]
"""Loads that were given up, with where they lie."""


class _Discovered(Struct, frozen=True):
    tables: Sequence[TableInfo]
    connector_version: datetime
    at: float


class ConnectorService:
    """Use cases around connectors. Hands out secrets to nobody but the connectors themselves."""

    def __init__(
        self,
        *,
        connectors: ConnectorRepository,
        tasks: TaskRepository,
        registry: ConnectorRegistry,
        keeper: TargetKeeper,
        bus: EventBus,
        now: Callable[[], datetime],
        changing: Lock | None = None,
        test_limit_s: float = TEST_LIMIT_S,
    ) -> None:
        self._connectors = connectors
        self._tasks = tasks
        self._registry = registry
        self._keeper = keeper
        self._bus = bus
        self._now = now
        self._test_limit_s = test_limit_s
        self._changing = (
            changing or Lock()
        )  # a secret that is kept is the one of the place it is kept for
        self._discovered: dict[ConnectorId, _Discovered] = {}

    def types(self) -> Sequence[ConnectorType]:
        """Return the products there are, sources first."""
        return self._registry.types()

    async def create(self, spec: ConnectorSpec) -> Connector:
        """Store a new connector.

        Raises:
            ValidationFailedError: unknown product, or its configuration is wrong.
            NameTakenError: another connector has the name.
        """
        connector = await self._connectors.create(drafted_connector(spec, self._registry))
        self._tell(connector.id)
        return connector

    async def list(self, which: ConnectorFilter, window: Window) -> Page[Connector]:
        """Return a page of connectors."""
        return await self._connectors.list(which, window)

    async def get(self, connector_id: ConnectorId) -> Connector:
        """Return a connector.

        Raises:
            NotFoundError: no such connector.
        """
        return await self._connectors.get(connector_id)

    async def update(self, connector_id: ConnectorId, spec: ConnectorSpec) -> Connector:
        """Replace what the user wrote down; a secret that is left out keeps its value.

        While a task that uses the connector runs, only its name, description, `is_active` and
        secrets may change: an execution must not move to another place halfway.

        Raises:
            NotFoundError: no such connector.
            NameTakenError: another connector has the name.
            ValidationFailedError: the configuration is wrong, or the product differs.
            SecretRequiredError: the place changed and a secret was left out.
            TaskRunningError: the place or the way to it changed while a task uses it.
        """
        async with self._changing:
            old = await self._connectors.get(connector_id)
            change = changed_connector(old, spec, self._registry)
            left = await self.give_up_loads(old, change)
            connector = await self._connectors.update(connector_id, change)
        await self.clean_up(connector_id, left)
        return connector

    async def refuse_at_work(self, old: Connector, change: ConnectorChange) -> None:
        """Refuse to move a connector that is at work.

        An execution would take chunks for arrived that lie at the old place.

        Raises:
            TaskRunningError: names the tasks that must stop first.
        """
        if not moves(old, change):
            return
        users = await every_task(self._tasks, TaskFilter(connector_id=old.id))
        busy = [task for task in users if task.status in UNDER_WAY]
        if busy:
            raise TaskRunningError(
                f"Connector {old.name!r} is at work for {_names(busy)}.",
                hint="Stop these tasks first. Secrets may change at any time.",
                field="$.connection_config",
            )

    async def give_up_loads(self, old: Connector, change: ConnectorChange) -> Leftovers:
        """Close the unfinished loads that were begun through a connector that moves.

        Raises:
            TaskRunningError: as `refuse_at_work`.
        """
        await self.refuse_at_work(old, change)
        if not moves(old, change):
            return []
        left: list[tuple[Places, Mapping[TableRef, TableLoad]]] = []
        for task in await every_task(self._tasks, TaskFilter(connector_id=old.id)):
            loads = await self._keeper.take_loads(task.id, task.spec.source_tables)
            if loads:
                places = await self._keeper.places(
                    task.spec,
                    await self._connectors.get(task.spec.source_connector_id),
                    await self._connectors.get(task.spec.destination_connector_id),
                )
                left.append((places, loads))
        return left

    async def clean_up(self, connector_id: ConnectorId, left: Leftovers = ()) -> None:
        """Tell of a change and remove what it left behind; needs no lock."""
        self._tell(connector_id)
        for places, loads in left:
            await self._keeper.clear(places, loads)

    async def delete(self, connector_id: ConnectorId) -> None:
        """Remove a connector.

        Raises:
            NotFoundError: no such connector.
            InUseError: tasks use it; the detail lists them.
        """
        await self._connectors.delete(connector_id)
        self._discovered.pop(connector_id, None)
        self._tell(connector_id, removed=True)

    async def test(self, connector_id: ConnectorId) -> Connector:
        """Test a connector step by step, store the report and return the connector with it.

        Raises:
            NotFoundError: no such connector.
        """
        connector = await self._connectors.get(connector_id)
        steps: list[CheckStep] = []
        report: CheckReport | None = None
        began = current_time()
        try:
            built = self._build(await self._registry.resolved(connector))
        except SECRET_ERRORS as error:
            report = CheckReport(ok=False, steps=(failed_secrets(error),))
        else:
            try:
                with move_on_after(self._test_limit_s):
                    report = await built.check(steps.append)
            finally:
                with move_on_after(_CLOSE_LIMIT_S, shield=True):
                    await built.aclose()
        if report is None:
            steps.append(_too_slow(self._test_limit_s, current_time() - began))
            report = CheckReport(ok=False, steps=tuple(steps))
        connector = await self._connectors.record_test(connector_id, report)
        self._tell(connector_id)
        return connector

    async def tables(
        self, connector_id: ConnectorId, *, refresh: bool = False
    ) -> Sequence[TableInfo]:
        """Return the tables a source's login can see, sorted; kept for half a minute.

        Args:
            refresh: ask the source whatever is kept.

        Raises:
            NotFoundError: no such connector.
            RequestError: it is not a source.
            DtaasError: whatever the source says.
        """
        connector = await self._connectors.get(connector_id)
        if connector.role is not ConnectorRole.SOURCE:
            raise RequestError(
                f"Connector {connector.name!r} is a destination; only sources list tables."
            )
        kept = self._discovered.get(connector_id)
        if (
            kept is not None
            and not refresh
            and kept.connector_version == connector.updated_at
            and current_time() - kept.at < CACHE_S
        ):
            return kept.tables
        tables = await self._discover(connector)
        self._discovered[connector_id] = _Discovered(tables, connector.updated_at, current_time())
        return tables

    async def _discover(self, connector: Connector) -> Sequence[TableInfo]:
        source = self._registry.source(await self._registry.resolved(connector))
        try:
            with fail_after(DISCOVERY_LIMIT_S):
                return await source.discover()
        except TimeoutError as exc:
            raise TimedOutError(
                f"Listing the tables of connector {connector.name!r} took over"
                f" {DISCOVERY_LIMIT_S:g} s.",
                hint="Test the connector; look for blocking at the source.",
            ) from exc
        finally:
            with move_on_after(_CLOSE_LIMIT_S, shield=True):
                await source.aclose()

    def _build(self, connector: Connector) -> Source | Destination:
        match connector.role:
            case ConnectorRole.SOURCE:
                return self._registry.source(connector)
            case ConnectorRole.DESTINATION:
                # A test speaks of the place, not of a task, so the names a prefix could take
                # from one only have to be there.
                return self._registry.destination(connector, task_name="test", database="test")

    def _tell(self, connector_id: ConnectorId, *, removed: bool = False) -> None:
        self._bus.publish(
            ConnectorChanged(at=self._now(), connector_id=connector_id, removed=removed)
        )


def moves(old: Connector, change: ConnectorChange) -> bool:
    """Return whether a change leads to another place, or another way there."""
    return change.config is not UNSET and not only_secrets_differ(old.config, change.config)


def _names(tasks: Sequence[Task]) -> str:
    return ", ".join(f"{task.spec.name!r} ({task.status})" for task in tasks)


def failed_secrets(error: DtaasError) -> CheckStep:
    """Return the step of a test that ended before it began: a secret could not be looked up."""
    return CheckStep(
        name="place" if isinstance(error, PlaceNotAllowedError) else "secrets",
        status=StepStatus.FAILED,
        detail=error.detail,
        fix=error.hint,
        code=error.code,
        took_s=0.0,
    )


def _too_slow(limit_s: float, took_s: float) -> CheckStep:
    return CheckStep(
        name="time_limit",
        status=StepStatus.FAILED,
        detail=f"The test was ended after {limit_s:g} s without an answer.",
        fix="Look at the last step above: what follows it does not answer.",
        code="timed_out",
        took_s=took_s,
    )
