"""Control sessions that nobody uses for the moment, for every pool of one connector."""

from typing import Final

import anyio
import structlog

from dtaas.connectors.sqlserver.control_session import ControlSession, open_session
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.odbc import pyodbc
from dtaas.model.errors import DtaasError

_PATIENCE_S: Final = 0.03
"""Waited for a session to come back before the first login was timed."""
_MOST_PATIENCE_S: Final = 1.0

log = structlog.get_logger()


class SessionShelf:
    """Lends open sessions, and keeps them while nobody has them.

    Who finds none waits about as long as the last login took: one that comes back until then saves
    the server a login, and nobody is the later for it.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._idle: list[ControlSession] = []
        self._lent = 0
        self._coming = 0
        self._news = anyio.Event()
        self._patience_s = _PATIENCE_S

    async def fill(self) -> None:
        """Open a session before anybody asks for one.

        It does not fail: whoever asks opens one himself then, and is told what is wrong.
        """
        self._coming += 1
        try:
            self._idle.append(await self._open())
        except (pyodbc.Error, TimeoutError, DtaasError) as exc:
            log.info("not_connected_ahead", server=self._endpoint.config.host, error=str(exc))
        finally:
            self._coming -= 1
            self._tell()

    async def take(self) -> ControlSession | None:
        """Lend an open session, None when a new one is the quickest; then lend that: `lend`."""
        while self._coming and not self._idle:  # no longer than a login may take
            await self._news.wait()
        with anyio.move_on_after(self._patience_s):
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
        session = await self._open()
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

    async def _open(self) -> ControlSession:
        began = anyio.current_time()
        session = await open_session(self._endpoint)
        self._patience_s = min(_MOST_PATIENCE_S, anyio.current_time() - began)
        return session

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()
