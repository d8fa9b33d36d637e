"""Control sessions that nobody uses for the moment, for every pool of one connector."""

from typing import Final

import anyio
import structlog

from dtaas.connectors.sqlserver.control_session import ControlSession, open_session
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.odbc import pyodbc
from dtaas.model.errors import DtaasError

_PATIENCE_S: Final = 0.03
"""About what a login takes: a session that comes back sooner saves the server one."""

log = structlog.get_logger()


class SessionShelf:
    """Lends open sessions, and keeps them while nobody has them."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._idle: list[ControlSession] = []
        self._lent = 0
        self._coming = 0
        self._news = anyio.Event()

    async def fill(self) -> None:
        """Open a session before anybody asks for one.

        It does not fail: whoever asks opens one himself then, and is told what is wrong.
        """
        self._coming += 1
        try:
            self._idle.append(await open_session(self._endpoint))
        except (pyodbc.Error, TimeoutError, DtaasError) as exc:
            log.info("not_connected_ahead", server=self._endpoint.config.host, error=str(exc))
        finally:
            self._coming -= 1
            self._tell()

    async def take(self) -> ControlSession | None:
        """Lend an open session, None when a new one is the quickest; then lend that: `lend`."""
        while self._coming and not self._idle:  # no longer than a login may take
            await self._news.wait()
        with anyio.move_on_after(_PATIENCE_S):
            while self._lent and not self._idle:
                await self._news.wait()
        if not self._idle:
            return None
        self._lent += 1
        return self._idle.pop()

    async def lend(self) -> ControlSession:
        """Open a session and lend it.

        Raises:
            pyodbc.Error: the server or the driver refused.
            TimeoutError: neither said anything in time.
        """
        session = await open_session(self._endpoint)
        self._lent += 1
        return session

    def give(self, session: ControlSession) -> None:
        """Take a session back that works."""
        self._idle.append(session)
        self.lose()

    def lose(self) -> None:
        """Note that a session does not come back."""
        self._lent -= 1
        self._tell()

    async def clear(self) -> None:
        """Close every session that nobody has. Idempotent."""
        while self._idle:
            await self._idle.pop().aclose()

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()
