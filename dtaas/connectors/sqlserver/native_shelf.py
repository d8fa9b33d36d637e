"""Connections of the native reader that have read a result to its end, kept for the next."""

from typing import Final

import structlog
from anyio import current_time

from dtaas.connectors.sqlserver.breakable import BreakableCalls
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.errors import to_dtaas_error
from dtaas.connectors.sqlserver.native import set_up, target_of
from dtaas.model.errors import DtaasError
from dtaas.tds.session import Session

_KEPT_S: Final = 60.0
"""What idles for longer may have been forgotten on the way without a word."""
_MOST: Final = 4
_WHAT: Final = "Connecting"

log = structlog.get_logger()


class NativeShelf:
    """Lends connections that are set up alike and have nothing to read."""

    def __init__(self, endpoint: Endpoint, settings: str) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._idle: list[tuple[Session, float]] = []

    async def fill(self) -> None:
        """Connect before a reader asks for it.

        It does not fail: the reader connects itself then, and is told what is wrong.
        """
        session = Session(target_of(self._endpoint))
        calls = BreakableCalls(
            _WHAT, abort=session.abort, to_error=lambda exc: to_dtaas_error(exc, where=_WHAT)
        )
        try:
            await set_up(self._endpoint, session, calls, self._settings)
        except BaseException as exc:
            await calls.end(session.close)
            if not isinstance(exc, DtaasError):
                raise
            log.info("not_connected_ahead", server=self._endpoint.config.host, error=exc.detail)
        else:
            self.give(session)

    def take(self) -> Session | None:
        """Lend the connection that was used last, None when there is none."""
        while self._idle:
            session, since = self._idle.pop()
            if current_time() - since < _KEPT_S:
                return session
            session.abort()
            session.close()
        return None

    def give(self, session: Session | None) -> None:
        """Take a connection back, if there is one and room for it."""
        if session is None:
            return
        if len(self._idle) < _MOST:
            self._idle.append((session, current_time()))
        else:
            session.close()

    def clear(self) -> None:
        """Close what nobody uses. Idempotent."""
        while self._idle:
            session, _ = self._idle.pop()
            session.abort()
            session.close()
