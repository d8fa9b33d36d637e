"""Verifications of tasks and what they found."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from dtaas.model.errors import NotFoundError
from dtaas.model.ids import TaskId
from dtaas.model.verification import (
    TableVerification,
    Verification,
    VerificationId,
    VerificationStatus,
)
from dtaas.store.database import Database
from dtaas.store.page import Page, Window, fetch_page
from dtaas.store.tables import verifications
from dtaas.store.tasks import find_task

_OPEN: Final = (VerificationStatus.QUEUED.value, VerificationStatus.RUNNING.value)
_SORTABLE: Final = {"id": verifications.c.id, "created_at": verifications.c.created_at}
_NEWEST_FIRST: Final = Window(sort="-id")


class Verifications:
    """Stores one row a verification, its tables as JSON."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def create(self, task_id: TaskId, tables: Sequence[TableVerification]) -> Verification:
        """Store a new one, queued.

        Raises:
            NotFoundError: no such task.
        """

        def work(connection: Connection) -> Verification:
            find_task(connection, task_id)
            done = connection.execute(
                insert(verifications)
                .values(
                    task_id=task_id,
                    status=VerificationStatus.QUEUED.value,
                    created_at=self._now(),
                    tables=_encoded(tables),
                )
                .returning(verifications.c.id)
            )
            return _find(connection, task_id, VerificationId(done.scalar_one()))

        return await self._database.write(work)

    async def get(self, task_id: TaskId, verification_id: VerificationId) -> Verification:
        """Return one verification of a task.

        Raises:
            NotFoundError: the task has none of that id.
        """
        return await self._database.read(lambda c: _find(c, task_id, verification_id))

    async def list(self, task_id: TaskId, window: Window = _NEWEST_FIRST) -> Page[Verification]:
        """Return a page of a task's verifications, the newest first unless sorted otherwise.

        Raises:
            NotFoundError: no such task.
        """
        query = select(verifications).where(verifications.c.task_id == task_id)

        def work(connection: Connection) -> Page[Verification]:
            find_task(connection, task_id)
            rows, total = fetch_page(connection, query, window, _SORTABLE, verifications.c.id)
            items = tuple(map(_verification, rows))
            return Page(items=items, total=total, limit=window.limit, offset=window.offset)

        return await self._database.read(work)

    async def open_of(self, task_id: TaskId) -> Verification | None:
        """Return the verification of a task that has not ended, if there is one."""
        query = select(verifications).where(
            verifications.c.task_id == task_id, verifications.c.status.in_(_OPEN)
        )
        row = await self._database.read(lambda c: c.execute(query).first())
        return None if row is None else _verification(row)

    async def record(
        self,
        verification_id: VerificationId,
        status: VerificationStatus,
        tables: Sequence[TableVerification],
        *,
        error_code: str | None = None,
        error: str | None = None,
    ) -> None:
        """Store how far a verification is; a final status closes it."""
        closed = None if status.value in _OPEN else self._now()
        statement = (
            update(verifications)
            .where(verifications.c.id == verification_id)
            .values(
                status=status.value,
                tables=_encoded(tables),
                completed_at=closed,
                error_code=error_code,
                error=error,
            )
        )
        await self._database.write(lambda c: c.execute(statement))

    async def note_repair(self, verification_id: VerificationId) -> None:
        """Store that a repair was ordered."""
        statement = (
            update(verifications)
            .where(verifications.c.id == verification_id)
            .values(repaired_at=self._now())
        )
        await self._database.write(lambda c: c.execute(statement))

    async def fail_open(self, *, before: datetime, code: str, error: str) -> None:
        """Close those that a daemon which ended left open."""
        statement = (
            update(verifications)
            .where(verifications.c.status.in_(_OPEN), verifications.c.created_at < before)
            .values(
                status=VerificationStatus.FAILED.value,
                completed_at=self._now(),
                error_code=code,
                error=error,
            )
        )
        await self._database.write(lambda c: c.execute(statement))


def _find(connection: Connection, task_id: TaskId, verification_id: VerificationId) -> Verification:
    query = select(verifications).where(
        verifications.c.task_id == task_id, verifications.c.id == verification_id
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(f"Task {task_id} has no verification {verification_id}.")
    return _verification(row)


def _encoded(tables: Sequence[TableVerification]) -> str:
    return msgspec.json.encode(tables).decode()


def _verification(row: Row[Any]) -> Verification:
    return Verification(
        id=row.id,
        task_id=row.task_id,
        status=VerificationStatus(row.status),
        created_at=row.created_at,
        tables=msgspec.json.decode(row.tables, type=tuple[TableVerification, ...]),
        completed_at=row.completed_at,
        error_code=row.error_code,
        error=row.error,
        repaired_at=row.repaired_at,
    )
