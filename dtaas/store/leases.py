"""Several daemons on one PostgreSQL: who is alive, and whose task is whose.

Every daemon has a row that it touches every few seconds. A daemon that did not for `TTL_S` may be
buried by another: its row is deleted, its tasks are free, and from then on each of its writes is
refused, because every write transaction holds a share lock on its daemon's row. So a daemon that
was stopped for a while and wakes up cannot write into what is somebody else's by now. A daemon that
sleeps within a transaction loses it (`postgres_engine.SLEEPER_LIMIT_S`), or nobody could bury it.

The clock is the database's.
"""

import os
import secrets
import socket
from collections.abc import Sequence
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    String,
    Table,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from dtaas.model.errors import StoreInUseError
from dtaas.model.ids import TaskId
from dtaas.store.database import Database
from dtaas.store.tables import BigId, UtcDateTime, metadata

TTL_S: Final = 8
BEAT_S: Final = 2.0
_EXPIRES: Final = text(f"clock_timestamp() + interval '{TTL_S} seconds'")

_END_SESSIONS: Final = text(
    # An id is the name of the daemon's sessions and 8 digits more after a blank, see `join`.
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user"
    " AND application_name IN (SELECT left(id, -9) FROM daemons GROUP BY left(id, -9)"
    " HAVING max(expires_at) < clock_timestamp())"
)
"""Ends what the dead still hold. The server ends idle sessions by itself, but one that was frozen
between the preparation of a statement and its execution counts as active for ever."""

daemons = Table(
    "daemons",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("joined_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

task_leases = Table(
    "task_leases",
    metadata,
    Column("task_id", BigId, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("daemon_id", String(64), ForeignKey("daemons.id", ondelete="SET NULL")),
    Column("epoch", BigInteger, nullable=False),
)


class SharedRight:
    """The right to write of a daemon among several: to be alive in the eyes of the others."""

    def __init__(self) -> None:
        self.daemon_id: str | None = None
        self.joining = True

    async def ensure(self) -> None:
        """Do nothing: `Leases.join` takes the right."""

    def prove(self, connection: Connection) -> None:
        """Refuse a transaction of a daemon that was buried; keep others from burying it till then.

        Raises:
            StoreInUseError: other daemons have taken over.
        """
        if self.joining:  # migrations, and the daemon's own row
            return
        alive = select(daemons.c.id).where(daemons.c.id == self.daemon_id)
        if connection.scalar(alive.with_for_update(read=True)) is None:
            raise StoreInUseError(
                "This daemon was silent for too long, and others took its tasks over.",
                hint="It joins again by itself.",
            )


class Leases:
    """Tasks of this daemon among several."""

    def __init__(self, database: Database, right: SharedRight) -> None:
        self._database = database
        self._right = right

    async def join(self) -> None:
        """Become a daemon the others see. A daemon that was buried comes back under a new id."""
        self._right.daemon_id, self._right.joining = None, True
        daemon_id = f"{self._database.sessions} {secrets.token_hex(4)}"
        row = {
            "id": daemon_id,
            "host": f"{socket.gethostname()}:{os.getpid()}",
            "joined_at": func.clock_timestamp(),
            "expires_at": _EXPIRES,
        }
        try:
            await self._database.write(lambda c: c.execute(insert(daemons).values(row)))
            self._right.daemon_id = daemon_id
        finally:
            self._right.joining = False

    async def beat(self) -> bool:
        """Say that this daemon lives, and bury those that do not. False when it was buried itself.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        mine = daemons.c.id == self._right.daemon_id
        # A daemon that sleeps within a transaction holds its row until the server ends its session:
        # whoever waited for that could not say in time that it lives itself.
        dead = (
            select(daemons.c.id)
            .where(daemons.c.expires_at < func.clock_timestamp(), ~mine)
            .with_for_update(skip_locked=True)
        )

        def work(connection: Connection) -> None:
            connection.execute(update(daemons).where(mine).values(expires_at=_EXPIRES))
            connection.execute(_END_SESSIONS)
            connection.execute(delete(daemons).where(daemons.c.id.in_(dead)))

        try:
            await self._database.write(work)
        except StoreInUseError:
            return False
        return True

    async def leads(self) -> bool:
        """Return whether this daemon is the oldest: it alone starts what schedules ask for."""
        oldest = select(daemons.c.id).order_by(daemons.c.joined_at, daemons.c.id).limit(1)
        found = await self._database.read(lambda c: c.scalar(oldest))
        return found is not None and found == self._right.daemon_id

    async def acquire(self, task_id: TaskId) -> int | None:
        """Return the epoch of a task that is this daemon's from now on, None when it is another's.

        The epoch rises with every owner; a task that is this daemon's already keeps it.
        """
        me = self._right.daemon_id

        def work(connection: Connection) -> int | None:
            fresh = insert(task_leases).values(task_id=task_id, daemon_id=me, epoch=1)
            made = connection.execute(
                fresh.on_conflict_do_nothing().returning(task_leases.c.epoch)
            ).scalar()
            if made is not None:
                return int(made)
            row = connection.execute(
                select(task_leases).where(task_leases.c.task_id == task_id).with_for_update()
            ).one()
            if row.daemon_id == me:
                return int(row.epoch)
            if row.daemon_id is not None:
                return None
            epoch = int(row.epoch) + 1
            which = task_leases.c.task_id == task_id
            connection.execute(update(task_leases).where(which).values(daemon_id=me, epoch=epoch))
            return epoch

        return await self._database.write(work)

    async def host_of(self, task_id: TaskId) -> str | None:
        """Return the daemon that has a task, as `host:process`; None when none has it."""
        query = (
            select(daemons.c.host)
            .join(task_leases, task_leases.c.daemon_id == daemons.c.id)
            .where(task_leases.c.task_id == task_id)
        )
        return await self._database.read(lambda c: c.scalar(query))

    async def release(self, task_id: TaskId) -> None:
        """Leave a task to whoever wants it. Idempotent."""
        which = task_leases.c.task_id == task_id, task_leases.c.daemon_id == self._right.daemon_id
        await self._database.write(
            lambda c: c.execute(update(task_leases).where(*which).values(daemon_id=None))
        )

    async def leave(self) -> None:
        """Go: the tasks are free at once. Idempotent."""
        mine = daemons.c.id == self._right.daemon_id
        await self._database.write(lambda c: c.execute(delete(daemons).where(mine)))
        self._right.daemon_id = None

    async def free_tasks(self, wanted: Sequence[TaskId]) -> Sequence[TaskId]:
        """Return those of the tasks that no daemon has."""
        query = select(task_leases.c.task_id).where(task_leases.c.daemon_id.is_not(None))
        taken = set(await self._database.read(lambda c: c.scalars(query).all()))
        return [task_id for task_id in wanted if task_id not in taken]
