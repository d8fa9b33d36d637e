"""The audit log: entries are only ever added, and each carries the hash of all before it."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, Row, Select, func, insert, select

from dtaas.model.identity import AuditEntry
from dtaas.store.database import Database
from dtaas.store.identity_tables import audit_log
from dtaas.store.page import Page, Window, fetch_page

FIRST_HASH: Final = "0" * 64
_BATCH: Final = 500
_LOCK: Final = 0x6474616173617564
"""Any number, the same in every daemon: one entry is added at a time."""
_SORTABLE: Final = {"number": audit_log.c.number, "at": audit_log.c.at}


class AuditFilter(Struct, frozen=True, kw_only=True):
    """Which entries. Empty is all.

    Attributes:
        object: the beginning of the object's path.
        since, until: from this moment on, and before that one.
    """

    actor: str = ""
    action: str = ""
    object: str = ""
    since: datetime | None = None
    until: datetime | None = None


class ChainCheck(Struct, frozen=True, kw_only=True):
    """What a look at the whole log found.

    Attributes:
        entries: how many entries fit, from the first on.
        head: hash of the last of them. Kept elsewhere, it shows later whether the end was cut off.
        broken_at: number of the first entry that was altered or is missing, None for none.
    """

    ok: bool
    entries: int
    head: str
    broken_at: int | None


class AuditLog:
    """Adds and reads entries."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def add(self, entry: AuditEntry) -> AuditEntry:
        """Store an entry with the next number, the moment and its hash, and return it."""

        def work(connection: Connection) -> AuditEntry:
            if self._database.dialect == "postgresql":  # another daemon may add at this moment
                connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            newest = select(audit_log.c.number, audit_log.c.hash)
            last = connection.execute(newest.order_by(audit_log.c.number.desc()).limit(1)).first()
            number, before = (0, FIRST_HASH) if last is None else (last.number, last.hash)
            whole = replace(entry, number=number + 1, at=self._now())
            whole = replace(whole, hash=hash_of(whole, before))
            connection.execute(insert(audit_log).values(msgspec.structs.asdict(whole)))
            return whole

        return await self._database.write(work)

    async def list(self, wanted: AuditFilter, window: Window) -> Page[AuditEntry]:
        """Return a page of entries."""

        def work(connection: Connection) -> Page[AuditEntry]:
            query = _matching(wanted)
            rows, total = fetch_page(connection, query, window, _SORTABLE, audit_log.c.number)
            items = tuple(map(_entry_of, rows))
            return Page(items=items, total=total, limit=window.limit, offset=window.offset)

        return await self._database.read(work)

    async def after(self, number: int, wanted: AuditFilter) -> tuple[AuditEntry, ...]:
        """Return up to 500 entries that follow `number`, in order."""
        query = _matching(wanted).where(audit_log.c.number > number)
        query = query.order_by(audit_log.c.number).limit(_BATCH)
        return await self._database.read(lambda c: tuple(map(_entry_of, c.execute(query))))

    async def verify(self) -> ChainCheck:
        """Follow the chain from the first entry to the last."""
        number, before = 0, FIRST_HASH
        while entries := await self.after(number, AuditFilter()):
            for entry in entries:
                if entry.number != number + 1 or entry.hash != hash_of(entry, before):
                    return ChainCheck(ok=False, entries=number, head=before, broken_at=number + 1)
                number, before = entry.number, entry.hash
        return ChainCheck(ok=True, entries=number, head=before, broken_at=None)


def hash_of(entry: AuditEntry, before: str) -> str:
    """Return the SHA-256 of the hash before and of the entry, 64 hex digits."""
    plain = replace(entry, hash="", at=entry.at.astimezone(UTC))
    return hashlib.sha256(before.encode() + msgspec.json.encode(plain)).hexdigest()


def _matching(wanted: AuditFilter) -> Select[Any]:
    query = select(audit_log)
    for column, value in ((audit_log.c.actor, wanted.actor), (audit_log.c.action, wanted.action)):
        if value:
            query = query.where(column == value)
    if wanted.object:
        query = query.where(audit_log.c.object.startswith(wanted.object, autoescape=True))
    if wanted.since is not None:
        query = query.where(audit_log.c.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(audit_log.c.at < wanted.until)
    return query


def _entry_of(row: Row[Any]) -> AuditEntry:
    return AuditEntry(**{name: getattr(row, name) for name in AuditEntry.__struct_fields__})
