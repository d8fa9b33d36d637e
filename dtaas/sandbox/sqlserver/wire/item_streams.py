"""The items of a session, closed at once when nobody wants more of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio

from dtaas.sandbox.sqlserver.results import Item

_CLEANUP_S: Final = 10


@asynccontextmanager
async def closing_items(items: AsyncIterator[Item]) -> AsyncIterator[AsyncIterator[Item]]:
    """Close a generator left half consumed at once, in this task, not when it is collected.

    The event loop would close a collected one in a task of its own, beside whatever the session
    does next on the same connection.
    """
    try:
        yield items
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            with anyio.move_on_after(_CLEANUP_S, shield=True):
                await close()
