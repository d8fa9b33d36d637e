"""`/api/tokens/`."""

from typing import Any

from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from dtaas.api.access import caller_of
from dtaas.api.paging import DEFAULT, Limit, Offset, Sort
from dtaas.api.path_ids import identity_id_of
from dtaas.model.identity import ApiToken, Role
from dtaas.services.identity.tokens import NewToken, TokenService, TokenSpec
from dtaas.store.page import Window


class TokenList(Struct, frozen=True, kw_only=True):
    """A part of the API tokens."""

    items: tuple[ApiToken, ...]
    total: int
    limit: int
    offset: int


class TokenController(Controller):
    """Keys of machines: one's own, and everybody's for admins."""

    path = "/api/tokens"
    tags = ("Identity",)
    opt = {"least_role": Role.VIEWER}  # noqa: RUF012 - the framework's own way

    @get("/", summary="List API tokens")
    async def list_all(
        self,
        *,
        request: Request[Any, Any, Any],
        tokens: NamedDependency[TokenService],
        sort: Sort = "name",
        limit: Limit = DEFAULT,
        offset: Offset = 0,
    ) -> TokenList:
        """Sort by name, id, created_at, expires_at or last_used_at."""
        window = Window(limit=limit, offset=offset, sort=sort)
        page = await tokens.list(caller_of(request.scope), window)
        return TokenList(items=page.items, total=page.total, limit=page.limit, offset=page.offset)

    @post("/", summary="Create an API token")
    async def create(
        self,
        request: Request[Any, Any, Any],
        tokens: NamedDependency[TokenService],
        data: JSONBody[TokenSpec],
    ) -> Response[NewToken]:
        """The token itself is in this answer and nowhere else."""
        made = await tokens.create(caller_of(request.scope), data)
        return Response(made, headers={"location": f"/api/tokens/{made.info.id}"})

    @get("/{token_id:int}", summary="Read an API token")
    async def read(
        self,
        request: Request[Any, Any, Any],
        tokens: NamedDependency[TokenService],
        token_id: FromPath[int],
    ) -> ApiToken:
        """Everything but the token itself."""
        return await tokens.get(caller_of(request.scope), identity_id_of("API token", token_id))

    @delete("/{token_id:int}", summary="Revoke an API token")
    async def remove(
        self,
        request: Request[Any, Any, Any],
        tokens: NamedDependency[TokenService],
        token_id: FromPath[int],
    ) -> None:
        """It and the access tokens made with it are refused from now on."""
        await tokens.revoke(caller_of(request.scope), identity_id_of("API token", token_id))
