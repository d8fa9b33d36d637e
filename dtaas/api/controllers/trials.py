"""What helps to write connectors and tasks down: tests of unsaved ones, sample rows."""

from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from anyio import CancelScope, create_memory_object_stream, create_task_group
from anyio.streams.memory import MemoryObjectSendStream
from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Send

from dtaas.api.path_ids import connector_id_of
from dtaas.model.check import CheckStep
from dtaas.model.schema import TableRef
from dtaas.services.connector_spec import ConnectorSpec
from dtaas.services.samples import MOST_ROWS, Sample, SampleService
from dtaas.services.trials import ConnectorTrials, Trial

NOT_COMPRESSED: Final = "not_compressed"
"""Compression would hold steps back until there are enough of them."""
_NDJSON: Final = "application/x-ndjson"
_MOST_STEPS: Final = 1000


class TrialRequest(ConnectorSpec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A connector as it would be saved.

    Attributes:
        connector_id: the stored connector that would be changed; its secrets are kept.
    """

    connector_id: int | None = None


class StepsResponse(ASGIResponse):
    """Sends each step of a test as a line of JSON, as it ends; a client that leaves ends it."""

    _should_set_content_length = False

    def __init__(self, trial: Trial) -> None:
        super().__init__(media_type=_NDJSON, status_code=200)
        self._trial = trial

    async def send_body(self, send: Send, receive: Receive) -> None:
        """Run the test and send its steps."""
        steps, told = create_memory_object_stream[CheckStep](_MOST_STEPS)
        async with create_task_group() as group, told:
            group.start_soon(self._leave, receive, group.cancel_scope)
            group.start_soon(self._run, steps)
            async for step in told:
                line = msgspec.json.encode(step) + b"\n"
                await send({"type": "http.response.body", "body": line, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            group.cancel_scope.cancel()

    async def _run(self, steps: MemoryObjectSendStream[CheckStep]) -> None:
        async with steps:
            await self._trial.run(steps.send_nowait)

    async def _leave(self, receive: Receive, scope: CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()


class TrialController(Controller):
    """Nothing here is stored."""

    path = "/api/connectors"
    tags = ("Connectors",)

    @post(
        "/test",
        summary="Test a connector before it is saved",
        status_code=200,
        opt={NOT_COMPRESSED: True},
        media_type=_NDJSON,
    )
    async def test(
        self, trials: NamedDependency[ConnectorTrials], data: JSONBody[TrialRequest]
    ) -> ASGIResponse:
        """One JSON object a line, a `CheckStep`, as each step ends; a minute at most."""
        given = {name: getattr(data, name) for name in ConnectorSpec.__struct_fields__}
        stored = None if data.connector_id is None else connector_id_of(data.connector_id)
        return StepsResponse(await trials.begin(ConnectorSpec(**given), stored, datetime.now(UTC)))

    @get("/{connector_id:int}/tables/{schema:str}/{table:str}/sample", summary="See a few rows")
    async def sample(
        self,
        *,
        samples: NamedDependency[SampleService],
        connector_id: FromPath[int],
        schema: FromPath[str],
        table: FromPath[str],
        limit: Annotated[
            int, QueryParameter(ge=1, le=MOST_ROWS, description="Most rows of the answer")
        ] = 20,
    ) -> Sample:
        """Columns and some rows as texts. Nothing is locked and the query ends at once."""
        return await samples.read(connector_id_of(connector_id), TableRef(schema, table), limit)
