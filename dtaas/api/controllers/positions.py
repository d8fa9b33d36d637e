"""`/api/tasks/{id}/positions`: what the store knows beside what the target holds."""

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from dtaas.api.path_ids import task_id_of
from dtaas.model.positions import PositionChoice, PositionReview
from dtaas.model.schema import TableRef
from dtaas.services.positions import PositionService


class DecideRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What counts, for some tables or for all that differ."""

    choice: PositionChoice
    tables: tuple[TableRef, ...] = ()


class PositionController(Controller):
    """Positions in the store and at the target, after a restore above all."""

    path = "/api/tasks"
    tags = ("Positions",)

    @get("/{task_id:int}/positions", summary="Read the latest comparison of positions")
    async def read(
        self, positions: NamedDependency[PositionService], task_id: FromPath[int]
    ) -> PositionReview:
        """404 when they were never compared."""
        return await positions.get(task_id_of(task_id))

    @post(
        "/{task_id:int}/positions/compare",
        summary="Compare positions with those at the target",
        status_code=200,
    )
    async def compare(
        self, positions: NamedDependency[PositionService], task_id: FromPath[int]
    ) -> PositionReview:
        """The task must rest. Where they differ it does not start until somebody decided."""
        return await positions.compare(task_id_of(task_id))

    @post(
        "/{task_id:int}/positions/decide",
        summary="Choose which positions count",
        status_code=200,
        audit_body=True,
    )
    async def decide(
        self,
        positions: NamedDependency[PositionService],
        task_id: FromPath[int],
        data: JSONBody[DecideRequest],
    ) -> PositionReview:
        """`target`, `store` or `reload`; the next start or resume does it."""
        return await positions.decide(task_id_of(task_id), data.choice, data.tables)
