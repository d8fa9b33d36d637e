"""What the page keeps for people: drafts of tasks, saved views of lists."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, delete, select

from dtaas.model.errors import NotFoundError
from dtaas.store.database import Database
from dtaas.store.tables import kept_items
from dtaas.store.upsert import upsert


class KeptItem(Struct, frozen=True, kw_only=True):
    """One item. `body` is whatever the page put into it."""

    name: str
    body: dict[str, Any]
    updated_at: datetime


class KeptItems:
    """Items by kind and name."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def list(self, kind: str) -> Sequence[KeptItem]:
        """Return the items of a kind, by name."""
        query = select(kept_items).where(kept_items.c.kind == kind).order_by(kept_items.c.name)
        return await self._database.read(lambda c: [_item(row) for row in c.execute(query)])

    async def get(self, kind: str, name: str) -> KeptItem:
        """Return one item.

        Raises:
            NotFoundError: there is none of that name.
        """
        query = select(kept_items).where(kept_items.c.kind == kind, kept_items.c.name == name)
        row = await self._database.read(lambda c: c.execute(query).one_or_none())
        if row is None:
            raise NotFoundError(f"There is no {kind} {name!r}.")
        return _item(row)

    async def put(self, kind: str, name: str, body: dict[str, Any]) -> KeptItem:
        """Store an item in place of an older one of its name."""
        row = {
            "kind": kind,
            "name": name,
            "body": msgspec.json.encode(body).decode(),
            "updated_at": self._now(),
        }

        def work(connection: Connection) -> None:
            connection.execute(upsert(connection, kept_items, ("kind", "name")), row)

        await self._database.write(work)
        return await self.get(kind, name)

    async def remove(self, kind: str, name: str) -> None:
        """Remove an item.

        Raises:
            NotFoundError: there is none of that name.
        """
        query = delete(kept_items).where(kept_items.c.kind == kind, kept_items.c.name == name)

        if await self._database.write(lambda c: c.execute(query).rowcount) == 0:
            raise NotFoundError(f"There is no {kind} {name!r}.")


def _item(row: Row[Any]) -> KeptItem:
    return KeptItem(name=row.name, body=msgspec.json.decode(row.body), updated_at=row.updated_at)
