"""`/api/drafts/` and `/api/views/`: what the page keeps for people on the server."""

from typing import Any

from litestar import Controller, delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from dtaas.model.errors import ValidationFailedError
from dtaas.store.kept_items import KeptItem, KeptItems

_LONGEST_NAME = 200


class KeptRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whatever the page wants to keep."""

    body: dict[str, Any]


class KeptList(Struct, frozen=True, kw_only=True):
    """All items of a kind, by name."""

    items: tuple[KeptItem, ...]


class DraftController(Controller):
    """Tasks that are being written. `new` is the one that is not stored yet, else `task-ID`."""

    path = "/api/drafts"
    tags = ("Page",)

    @get("/", summary="List drafts")
    async def list_all(self, kept: NamedDependency[KeptItems]) -> KeptList:
        """All of them."""
        return KeptList(items=tuple(await kept.list("draft")))

    @get("/{name:str}", summary="Read a draft")
    async def read(self, kept: NamedDependency[KeptItems], name: FromPath[str]) -> KeptItem:
        """As it was kept last; 404 when there is none."""
        return await kept.get("draft", name)

    @put("/{name:str}", summary="Keep a draft")
    async def keep(
        self, kept: NamedDependency[KeptItems], name: FromPath[str], data: JSONBody[KeptRequest]
    ) -> KeptItem:
        """In place of what was kept under its name."""
        return await kept.put("draft", checked(name), data.body)

    @delete("/{name:str}", summary="Forget a draft")
    async def remove(self, kept: NamedDependency[KeptItems], name: FromPath[str]) -> None:
        """404 when there is none."""
        await kept.remove("draft", name)


class ViewController(Controller):
    """Filters and order of a list under a name, for everybody."""

    path = "/api/views"
    tags = ("Page",)

    @get("/", summary="List saved views")
    async def list_all(self, kept: NamedDependency[KeptItems]) -> KeptList:
        """All of them."""
        return KeptList(items=tuple(await kept.list("view")))

    @put("/{name:str}", summary="Save a view")
    async def keep(
        self, kept: NamedDependency[KeptItems], name: FromPath[str], data: JSONBody[KeptRequest]
    ) -> KeptItem:
        """In place of the one of its name."""
        return await kept.put("view", checked(name), data.body)

    @delete("/{name:str}", summary="Delete a view")
    async def remove(self, kept: NamedDependency[KeptItems], name: FromPath[str]) -> None:
        """404 when there is none."""
        await kept.remove("view", name)


def checked(name: str) -> str:
    """Return a name that can be kept.

    Raises:
        ValidationFailedError: it is too long or has characters nobody can see.
    """
    if len(name) > _LONGEST_NAME or not name.isprintable() or not name.strip():
        raise ValidationFailedError(
            f"A name has 1 to {_LONGEST_NAME} visible characters.", field="$.name"
        )
    return name
