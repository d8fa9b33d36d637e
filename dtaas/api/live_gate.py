"""The gate of `/ws`: closed to strangers with a code a page can read, and to those logged out."""

from typing import Final

import structlog
from anyio import create_task_group, sleep
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from dtaas.api.access import Connection, Gate
from dtaas.model.identity import Caller

log = structlog.get_logger()

CLOSE_NOT_AUTHENTICATED: Final = 4401
LOOK_EVERY_S: Final = 10.0


class LiveGate:
    """An ASGI layer around the routes."""

    def __init__(self, app: ASGIApp, gate: Gate, *, look_every_s: float = LOOK_EVERY_S) -> None:
        """Guard connections.

        Args:
            look_every_s: seconds between two looks at whether the caller may still listen.
        """
        self._app = app
        self._gate = gate
        self._look_every_s = look_every_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        if scope["type"] != ScopeType.WEBSOCKET:
            await self._app(scope, receive, send)
            return
        connection = Connection(scope)
        caller = await self._gate.identify(connection)
        if caller is None:
            log.warning("websocket_refused", code="not_authenticated")
            await receive()
            # Accepted first: a page only sees the code of a connection that was open.
            await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
            await _close(send)
            return
        scope["state"]["caller"] = caller
        async with create_task_group() as group:

            async def watch() -> None:
                await self._until_gone(connection, caller)
                group.cancel_scope.cancel()
                log.info("websocket_logged_out", user=caller.username)

            group.start_soon(watch)
            await self._app(scope, receive, send)
            group.cancel_scope.cancel()
            return
        await _close(send)

    async def _until_gone(self, connection: Connection, caller: Caller) -> None:
        while True:
            await sleep(self._look_every_s)
            now = await self._gate.identify(connection)
            if now is None or now.role is not caller.role:
                return


async def _close(send: Send) -> None:
    await send(
        {
            "type": "websocket.close",
            "code": CLOSE_NOT_AUTHENTICATED,
            "reason": "not_authenticated",
        }
    )
