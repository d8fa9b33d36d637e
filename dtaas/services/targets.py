"""Where tasks write: known before they run, and given free when nobody writes there any more."""

from collections.abc import Collection, Mapping
from typing import Final

import structlog
from anyio import move_on_after
from anyio.lowlevel import checkpoint
from msgspec import Struct

from dtaas.model.connectors import Connector, without_secrets
from dtaas.model.errors import DtaasError
from dtaas.model.ids import TaskId
from dtaas.model.load import Owner, TableLoad, TargetTable
from dtaas.model.ports import ConnectorRegistry, Destination
from dtaas.model.schema import TableRef
from dtaas.model.store_ports import LoadLedger
from dtaas.model.task import TaskSpec

log = structlog.get_logger()
_TIDY_LIMIT_S: Final = 30.0
_CLOSE_LIMIT_S: Final = 10.0


class Places(Struct, frozen=True):
    """The targets of a task, and the destination they lie in.

    Attributes:
        database: what the source's tables lie in; part of the destination's names.
    """

    destination: Connector
    task_name: str
    database: str
    tables: Mapping[TableRef, TargetTable]

    def without(self, other: "Places") -> "Places":
        """Return those of these targets that are not among the other's."""
        if self.destination.id != other.destination.id:
            return self
        kept = frozenset(other.tables.values())
        left = {table: place for table, place in self.tables.items() if place not in kept}
        return Places(self.destination, self.task_name, self.database, left)


class TargetKeeper:
    """Finds targets and gives them free. Opens a destination only for the time of a call."""

    def __init__(self, registry: ConnectorRegistry, ledger: LoadLedger, installation: str) -> None:
        self._registry = registry
        self._ledger = ledger
        self._installation = installation

    async def places(self, spec: TaskSpec, source: Connector, destination: Connector) -> Places:
        """Return where a task would write. Asks nobody.

        Raises:
            TargetCollisionError: two tables of the task go to one place.
        """
        places = Places(destination, spec.name, getattr(source.config, "database", ""), {})
        await checkpoint()  # nothing below waits for anybody, and may be done for a thousand tasks
        await self._registry.import_driver(destination.config)
        built = self._build(places, without_secrets(places.destination))
        try:
            return Places(
                places.destination,
                places.task_name,
                places.database,
                spec.places(built.target_of),
            )
        finally:
            await _close(built)

    async def take_loads(
        self, task_id: TaskId, tables: Collection[TableRef]
    ) -> Mapping[TableRef, TableLoad]:
        """Close the unfinished loads of some tables as given up, and return them."""
        taken: dict[TableRef, TableLoad] = {}
        for table in tables:
            load = await self._ledger.open_load(task_id, table)
            if load is not None:
                await self._ledger.mark_abandoned(load.load_id)
                taken[table] = load
        return taken

    async def clear(self, places: Places, loads: Mapping[TableRef, TableLoad]) -> None:
        """Remove what loads that were given up left behind; see `give_up` about failures."""
        if loads:
            await self._tidy(places, loads, owner=None)

    async def give_up(
        self, task_id: TaskId, places: Places, loads: Mapping[TableRef, TableLoad]
    ) -> None:
        """Remove what loads that were given up left behind and let other tasks have the targets.

        Does what it can: a destination that cannot be reached keeps the mark of its owner, which
        the log says, and the next task needs `take_over` once.
        """
        if places.tables:
            owner = Owner(
                installation=self._installation, task_id=task_id, task_name=places.task_name
            )
            await self._tidy(places, loads, owner=owner)

    async def _tidy(
        self, places: Places, loads: Mapping[TableRef, TableLoad], *, owner: Owner | None
    ) -> None:
        try:
            built = self._build(places, await self._registry.resolved(places.destination))
        except DtaasError as error:
            log.warning("target_not_tidied", code=error.code, error=error.detail)
            return
        try:
            with move_on_after(_TIDY_LIMIT_S) as scope:
                for load in loads.values():
                    await built.abandon(load)
                if owner is not None:
                    for target in places.tables.values():
                        await built.release(target, owner)
            if scope.cancelled_caught:
                log.warning("target_not_tidied", code="timed_out", limit_s=_TIDY_LIMIT_S)
        except DtaasError as error:  # what the user asked for is done all the same
            log.warning("target_not_tidied", code=error.code, error=error.detail)
        finally:
            await _close(built)

    def _build(self, places: Places, connector: Connector) -> Destination:
        return self._registry.destination(
            connector, task_name=places.task_name, database=places.database
        )


async def _close(destination: Destination) -> None:
    with move_on_after(_CLOSE_LIMIT_S, shield=True):
        await destination.aclose()
