"""Runs catalog and control queries on a few sessions that are kept."""

from collections.abc import Sequence
from typing import Final

from anyio import CapacityLimiter

from dtaas.connectors.sqlserver.control_session import ControlSession, Row
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.errors import to_dtaas_error
from dtaas.connectors.sqlserver.odbc import pyodbc
from dtaas.connectors.sqlserver.session_shelf import SessionShelf
from dtaas.model.errors import ConnectionLostError, TimedOutError

_SESSIONS: Final = 4

__all__ = ["ControlPool", "Row"]


class ControlPool:
    """Runs queries on at most four sessions, opened when needed and kept while they work."""

    def __init__(self, endpoint: Endpoint, *, shelf: SessionShelf | None = None) -> None:
        """Prepare.

        Args:
            shelf: of another pool of the same endpoint: one takes the sessions the other is done
                with, but neither waits while the other is at work on all of its own.
        """
        self.shelf = shelf or SessionShelf(endpoint)
        self._turns = CapacityLimiter(_SESSIONS)

    async def fetch(self, what: str, sql: str, *parameters: object) -> list[Row]:
        """Run a batch that only reads, and return the rows of its first result.

        Raises:
            DtaasError: by the server's or driver's error number.
        """
        results = await self.fetch_each(what, sql, *parameters, most=1)
        return results[0] if results else []

    async def fetch_each(
        self, what: str, sql: str, *parameters: object, most: int
    ) -> list[list[Row]]:
        """Run a batch that only reads, and return the rows of its first `most` results.

        A kept session may have died while it was idle, so a lost one is replaced once.

        Args:
            what: start of the error's sentence, such as `Describing dbo.orders`.

        Raises:
            DtaasError: by the server's or driver's error number.
        """
        async with self._turns:
            session = await self.shelf.take()
            if session is not None:
                try:
                    return await self._run(session, what, sql, parameters, most)
                except ConnectionLostError:
                    await self.shelf.clear()
            return await self._run(None, what, sql, parameters, most)

    async def aclose(self) -> None:
        """Close every session. Idempotent."""
        await self.shelf.clear()

    async def _run(
        self,
        session: ControlSession | None,
        what: str,
        sql: str,
        parameters: Sequence[object],
        most: int,
    ) -> list[list[Row]]:
        try:
            session = session or await self.shelf.lend()
            rows = await self._fetch_or_close(session, sql, parameters, most)
        except pyodbc.Error as exc:
            raise to_dtaas_error(exc, where=what) from exc
        except TimeoutError as exc:
            raise TimedOutError(
                f"{what} failed: the server did not answer in time.",
                hint="Raise query_timeout_s of the connector, or look for blocking sessions.",
            ) from exc
        self.shelf.give(session)
        return rows

    async def _fetch_or_close(
        self, session: ControlSession, sql: str, parameters: Sequence[object], most: int
    ) -> list[list[Row]]:
        try:
            return await session.fetch(sql, parameters, most=most)
        except BaseException:
            self.shelf.lose()
            await session.aclose()
            raise
