"""`/api/connectors/`."""

from typing import Annotated

import msgspec
from litestar import Controller, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from dtaas.api.paging import DEFAULT, Limit, Offset, Search, Sort
from dtaas.api.path_ids import connector_id_of
from dtaas.api.views import (
    ConnectorList,
    ConnectorTest,
    ConnectorTypeList,
    ConnectorView,
    TableList,
    connector_test,
    connector_type_view,
    connector_view,
)
from dtaas.model.connectors import ConnectorRole, TestStatus
from dtaas.services.connector_spec import ConnectorSpec
from dtaas.services.connectors import ConnectorService
from dtaas.store.connectors import ConnectorFilter
from dtaas.store.page import Window


class ConnectorController(Controller):
    """Sources and destinations."""

    path = "/api/connectors"
    tags = ("Connectors",)

    @post("/", summary="Create a connector")
    async def create(
        self, connectors: NamedDependency[ConnectorService], data: JSONBody[ConnectorSpec]
    ) -> Response[ConnectorView]:
        """Store a connector. It is not contacted: see `test`."""
        connector = await connectors.create(data)
        return Response(
            connector_view(connector), headers={"location": f"/api/connectors/{connector.id}"}
        )

    @get("/", summary="List connectors")
    async def list_all(
        self,
        *,
        connectors: NamedDependency[ConnectorService],
        q: Search = "",
        connector_type: FromQuery[ConnectorRole | None] = None,
        product: Annotated[
            str | None, QueryParameter(description="A source_type or destination_type")
        ] = None,
        test_status: FromQuery[TestStatus | None] = None,
        is_active: FromQuery[bool | None] = None,
        sort: Sort = "name",
        limit: Limit = DEFAULT,
        offset: Offset = 0,
    ) -> ConnectorList:
        """Sort by name, id, created_at, updated_at or last_tested_at."""
        page = await connectors.list(
            ConnectorFilter(
                q=q,
                role=connector_type,
                kind=product,
                test_status=test_status,
                is_active=is_active,
            ),
            Window(limit=limit, offset=offset, sort=sort),
        )
        return ConnectorList(
            items=tuple(map(connector_view, page.items)),
            total=page.total,
            limit=page.limit,
            offset=page.offset,
        )

    @get("/types", summary="List products", sync_to_thread=False)
    def types(self, connectors: NamedDependency[ConnectorService]) -> ConnectorTypeList:
        """What there can be connectors of, with the JSON Schema of each configuration."""
        return ConnectorTypeList(
            items=tuple(
                connector_type_view(kind, msgspec.json.schema(kind.config_type))
                for kind in connectors.types()
            )
        )

    @get("/{connector_id:int}", summary="Read a connector")
    async def read(
        self, connectors: NamedDependency[ConnectorService], connector_id: FromPath[int]
    ) -> ConnectorView:
        """Everything but its secrets."""
        return connector_view(await connectors.get(connector_id_of(connector_id)))

    @put("/{connector_id:int}", summary="Change a connector")
    async def update(
        self,
        *,
        connectors: NamedDependency[ConnectorService],
        connector_id: FromPath[int],
        data: JSONBody[ConnectorSpec],
    ) -> ConnectorView:
        """Replace it; a secret left out keeps its value.

        When host, port, endpoint or encryption change, its secrets must be given again. While a
        task uses it, only name, description, is_active and secrets may change.
        """
        return connector_view(await connectors.update(connector_id_of(connector_id), data))

    @delete("/{connector_id:int}", summary="Delete a connector")
    async def remove(
        self, connectors: NamedDependency[ConnectorService], connector_id: FromPath[int]
    ) -> None:
        """Refused with 409 while tasks use it; the problem lists them."""
        await connectors.delete(connector_id_of(connector_id))

    @post("/{connector_id:int}/test", summary="Test a connector", status_code=200)
    async def test(
        self, connectors: NamedDependency[ConnectorService], connector_id: FromPath[int]
    ) -> ConnectorTest:
        """Connect and look step by step, for a minute at most. The result is kept."""
        return connector_test(await connectors.test(connector_id_of(connector_id)))

    @get("/{connector_id:int}/tables", summary="List the tables of a source")
    async def tables(
        self,
        *,
        connectors: NamedDependency[ConnectorService],
        connector_id: FromPath[int],
        q: Search = "",
        schema: FromQuery[str | None] = None,
        refresh: Annotated[
            bool, QueryParameter(description="Ask the source even if it was asked just now")
        ] = False,
        limit: Limit = DEFAULT,
        offset: Offset = 0,
    ) -> TableList:
        """Tables the login can see, by schema and name; kept for half a minute."""
        tables = await connectors.tables(connector_id_of(connector_id), refresh=refresh)
        wanted = q.casefold()
        found = [
            info
            for info in tables
            if wanted in str(info.table).casefold() and schema in {None, info.table.schema}
        ]
        return TableList(
            items=tuple(found[offset : offset + limit]),
            total=len(found),
            limit=limit,
            offset=offset,
        )
