"""`/api/connectors/{id}/captures`: what records the changes of a source."""

from litestar import Controller, delete, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from dtaas.api.path_ids import connector_id_of
from dtaas.services.captures import Captures, CaptureService


class CaptureController(Controller):
    """Capture instances of a database and the job that fills them."""

    path = "/api/connectors"
    tags = ("Connectors",)

    @get("/{connector_id:int}/captures", summary="See what captures changes")
    async def captures(
        self, captures: NamedDependency[CaptureService], connector_id: FromPath[int]
    ) -> Captures:
        """Every capture instance the login may see, with the tasks that read it."""
        return await captures.list(connector_id_of(connector_id))

    @delete("/{connector_id:int}/captures/{name:str}", summary="Drop a capture instance")
    async def drop(
        self,
        captures: NamedDependency[CaptureService],
        connector_id: FromPath[int],
        name: FromPath[str],
    ) -> None:
        """Only one that a task made and no task reads; other installations may still read it."""
        await captures.drop(connector_id_of(connector_id), name)
