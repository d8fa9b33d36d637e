"""Whether the source still has the history that our positions belong to."""

from collections.abc import Mapping
from typing import Final

import structlog

from dtaas.model.changes import SourceState
from dtaas.model.errors import SourceRestoredError
from dtaas.model.schema import TableRef

log = structlog.get_logger()
_ANEW: Final = "Start the task with force to load its tables anew."


class Continuity:
    """Compares every poll with what was delivered: a position means nothing in another history."""

    def __init__(self) -> None:
        self._identity = ""

    def begins(self, identity: str) -> None:
        """Note the history that a stream's position belongs to; the first one counts."""
        self._identity = self._identity or identity

    def goes_on(self, source: SourceState, positions: Mapping[TableRef, bytes]) -> bool:
        """Refuse to go on when the source went back in time.

        Args:
            positions: up to which LSN each table was delivered.

        Returns:
            Whether the poll says anything new. A copy of the source may lag behind the one asked
            before: it will catch up.

        Raises:
            SourceRestoredError: recovery fork or highest position say so.
        """
        if self._identity and source.identity and source.identity != self._identity:
            raise SourceRestoredError(
                "The source was restored: its recovery fork is another one than before.",
                hint=_ANEW,
            )
        self.begins(source.identity)
        now = source.position
        ahead = [table for table, at in positions.items() if now and at > now]
        if ahead and source.replica:
            log.info("replica_lags", position=now.hex(), tables=len(ahead))
            return False
        if ahead:
            raise SourceRestoredError(
                f"The source's highest LSN {now.hex()} lies before what is already "
                f"delivered of {', '.join(map(str, ahead))}: it was restored to an earlier point.",
                hint=_ANEW,
            )
        return True
