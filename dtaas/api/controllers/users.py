"""`/api/users/`, for admins."""

from litestar import Controller, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from dtaas.api.controllers.auth import SessionList, session_list
from dtaas.api.paging import DEFAULT, Limit, Offset, Sort
from dtaas.api.path_ids import identity_id_of
from dtaas.model.identity import Role, User
from dtaas.services.identity.accounts import AccountService
from dtaas.services.identity.users import UserChange, UserService, UserSpec
from dtaas.store.page import Window


class UserList(Struct, frozen=True, kw_only=True):
    """A part of the users."""

    items: tuple[User, ...]
    total: int
    limit: int
    offset: int


class UserController(Controller):
    """Who may come in."""

    path = "/api/users"
    tags = ("Identity",)
    opt = {"least_role": Role.ADMIN}  # noqa: RUF012 - the framework's own way

    @get("/", summary="List users")
    async def list_all(
        self,
        users: NamedDependency[UserService],
        sort: Sort = "username",
        limit: Limit = DEFAULT,
        offset: Offset = 0,
    ) -> UserList:
        """Sort by username, id, role, created_at or last_login_at."""
        page = await users.list(Window(limit=limit, offset=offset, sort=sort))
        return UserList(items=page.items, total=page.total, limit=page.limit, offset=page.offset)

    @post("/", summary="Create a user")
    async def create(
        self, users: NamedDependency[UserService], data: JSONBody[UserSpec]
    ) -> Response[User]:
        """With a first password, which the user should change."""
        user = await users.create(data)
        return Response(user, headers={"location": f"/api/users/{user.id}"})

    @get("/{user_id:int}", summary="Read a user")
    async def read(self, users: NamedDependency[UserService], user_id: FromPath[int]) -> User:
        """Without anything secret."""
        return await users.get(identity_id_of("user", user_id))

    @put("/{user_id:int}", summary="Change a user")
    async def update(
        self,
        users: NamedDependency[UserService],
        user_id: FromPath[int],
        data: JSONBody[UserChange],
    ) -> User:
        """A password left out stays. 409 `in_use` when no active admin would be left."""
        return await users.change(identity_id_of("user", user_id), data)

    @delete("/{user_id:int}", summary="Delete a user")
    async def remove(self, users: NamedDependency[UserService], user_id: FromPath[int]) -> None:
        """With sessions and API tokens; what the user did stays in the audit log."""
        await users.delete(identity_id_of("user", user_id))

    @get("/{user_id:int}/sessions", summary="List the sessions of a user")
    async def sessions(
        self, accounts: NamedDependency[AccountService], user_id: FromPath[int]
    ) -> SessionList:
        """To be ended by DELETE /api/auth/sessions/ID."""
        return session_list(await accounts.sessions_of(identity_id_of("user", user_id)), None)
