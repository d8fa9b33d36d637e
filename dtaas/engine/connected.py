"""Connectors from their first question to their end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol

from anyio import move_on_after

from dtaas.concurrency.alongside import alongside
from dtaas.model.ports import ConnectsAhead

_CLOSE_LIMIT_S: Final = 10.0


class Closes(Protocol):
    """What holds connections."""

    async def aclose(self) -> None:
        """Close them."""
        ...


@asynccontextmanager
async def connected(connector: Closes) -> AsyncIterator[None]:
    """Let a connector connect beside the block, if it can do so ahead; close it behind."""
    try:
        if isinstance(connector, ConnectsAhead):
            async with alongside(connector.connect_ahead):
                yield
        else:
            yield
    finally:
        with move_on_after(_CLOSE_LIMIT_S, shield=True):
            await connector.aclose()
