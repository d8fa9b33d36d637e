"""Locks of tables, as Snowflake takes them: UPDATE, DELETE and MERGE wait for one another.

DuckDB would refuse the second writer at once. INSERT and COPY take no lock, as in Snowflake.
"""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Final

from dtaas.sandbox.snowflake.engine.errors import StatementError, aborted

_LOOK_S: Final = 0.1


class TableLocks:
    """Who holds which table until the end of their transaction. Threads wait here."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holders: dict[Hashable, int] = {}
        self._waiting: dict[int, Hashable] = {}

    def acquire(
        self, table: Hashable, owner: int, *, limit_s: float, cancelled: Callable[[], bool]
    ) -> None:
        """Take a table for an owner, who may hold it already; wait while another has it.

        Raises:
            StatementError: 625, the wait passed `limit_s` or would never end; 604, cancelled.
        """
        until = time.monotonic() + limit_s
        with self._changed:
            self._waiting[owner] = table
            try:
                while self._holders.get(table, owner) != owner:
                    if cancelled():
                        raise aborted()
                    if self._in_a_circle(owner):
                        raise _refused(table, "a deadlock")
                    if time.monotonic() >= until:
                        raise _refused(table, "LOCK_TIMEOUT")
                    self._changed.wait(_LOOK_S)
                self._holders[table] = owner
            finally:
                del self._waiting[owner]

    def release(self, owner: int) -> None:
        """Give back all that an owner holds."""
        with self._changed:
            self._holders = {
                table: holder for table, holder in self._holders.items() if holder != owner
            }
            self._changed.notify_all()

    def waiting(self) -> dict[int, str]:
        """Return who waits for which table now."""
        with self._changed:
            return {owner: str(table) for owner, table in self._waiting.items()}

    def held(self) -> dict[str, int]:
        """Return who holds which table now."""
        with self._changed:
            return {str(table): holder for table, holder in self._holders.items()}

    def _in_a_circle(self, owner: int) -> bool:
        """Whether the one this owner waits for waits, in the end, for this owner."""
        seen = {owner}
        holder = self._holders.get(self._waiting[owner])
        while holder is not None and holder not in seen:
            seen.add(holder)
            holder = self._holders.get(self._waiting.get(holder))
        return holder == owner


def _refused(table: Hashable, why: str) -> StatementError:
    return StatementError(
        625,
        "57014",
        f"The statement waited for the lock of table {table} and was aborted because of {why}.",
    )
