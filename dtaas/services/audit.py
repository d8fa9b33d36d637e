"""The audit log, for reading; the API's trail writes it."""

from collections.abc import AsyncIterator

from dtaas.model.identity import AuditEntry
from dtaas.store.audit import AuditFilter, AuditLog, ChainCheck
from dtaas.store.page import Page, Window


class AuditService:
    """The use cases of the audit log."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    async def record(self, entry: AuditEntry) -> AuditEntry:
        """Store what somebody did; durable on return."""
        return await self._log.add(entry)

    async def list(self, wanted: AuditFilter, window: Window) -> Page[AuditEntry]:
        """Return a page of entries."""
        return await self._log.list(wanted, window)

    async def export(self, wanted: AuditFilter) -> AsyncIterator[AuditEntry]:
        """Yield every entry, the oldest first."""
        number = 0
        while entries := await self._log.after(number, wanted):
            for entry in entries:
                yield entry
            number = entries[-1].number

    async def verify(self) -> ChainCheck:
        """Say whether an entry was altered or removed."""
        return await self._log.verify()
