"""The stream of one table: a window is one transaction of MERGE, or of new rows, and position."""

import uuid
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import pyarrow as pa
import structlog

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.fold import kept_columns
from dtaas.connectors.history import committed_key, versions
from dtaas.connectors.snowflake import statements
from dtaas.connectors.snowflake.appending import (
    COMMIT_EACH,
    COMMIT_NOTHING,
    holds_none,
    is_direct,
    may_append,
)
from dtaas.connectors.snowflake.encode import bounds_of, encoded_changes, encoded_rows
from dtaas.connectors.snowflake.evolution import evolve
from dtaas.connectors.snowflake.history import STAGED, merge_versions
from dtaas.connectors.snowflake.layout import DELETED, Places
from dtaas.connectors.snowflake.leftovers import begun, end_leftovers
from dtaas.connectors.snowflake.load import copied, tag_of
from dtaas.connectors.snowflake.sessions import Session, SessionPool
from dtaas.model.changes import ChangeWindow, TableStream
from dtaas.model.errors import (
    DestinationConflictError,
    DestinationUnavailableError,
    DtaasError,
    FatalError,
    OwnershipLostError,
)
from dtaas.model.schema import TableSchema

log = structlog.get_logger()
_FORGET_EVERY = 500
"""Windows after which their records are thinned out."""


class SnowflakeStream:
    """Applies windows of one stream. One life of a task holds one."""

    def __init__(
        self, pool: SessionPool, places: Places, stream: TableStream, blocking: Blocking
    ) -> None:
        self._pool = pool
        self._places = places
        self.stream = stream
        self.blocking = blocking
        self._writer = uuid.uuid4().hex
        self._epoch = 0
        self._windows = 0
        self._appends: bool | None = None  # whether the window under way goes without MERGE
        self._tag = tag_of(stream.owner, stream.tracked.table)
        self._what = f"Merging into {stream.target}"

    @property
    def folded_by(self) -> tuple[str, ...]:
        """Return the columns of which each value leaves one change of a window."""
        key = self.stream.tracked.schema.key
        return committed_key(key) if self.stream.options.history else key

    async def open(self) -> bytes | None:
        """Make the table take the stream's rows; fence off older writers; return the position.

        The fence comes first. Then no transaction of an older writer can begin that would pass, and
        those that are open are ended: only then the position is what it says. Files staged before
        go too: what was asked for and comes late finds none.

        Raises:
            DestinationConflictError: another life of the task has taken the stream over.
            OwnershipLostError: another task has.
        """
        stream, places = self.stream, self._places
        async with self._pool.session(self._tag) as session:
            before = await self._standing(session)
            if self._epoch:
                self._require(before)
            else:
                epoch = before.epoch + 1
                fence = self._position(stream.base.hex(), rows=0, epoch=epoch)
                await session.run(self._what, fence)
                self._epoch = epoch  # not before: after an error it is done again
        table = places.table(stream.target)
        await end_leftovers(self._pool, self._tag, self._what, table, self._still_ours)
        async with self._pool.session(self._tag) as session:
            await self._remove_staged(session)
            shape = places.shape(stream.options)
            await evolve(session, places, stream.target, stream.tracked.schema, shape)
            standing = await self._standing(session)
            self._require(standing)
            held = standing.position
            if held is None or (before.position is None and held == stream.base.hex()):
                return None
            await self._forget_before(session, held, below=self._epoch)
        return bytes.fromhex(held)

    async def _still_ours(self) -> None:
        async with self._pool.session(self._tag) as session:
            self._require(await self._standing(session))

    async def _remove_staged(self, session: Session) -> None:
        """Remove the files of earlier lives; those that a later one stages meanwhile stay."""
        folder = f"@{self._places.stage}/{self.stream.generation}/"
        found = [
            str(row[0]).rsplit("/", 1)[-1]
            for row in await session.run(self._what, f"LIST {folder}")
        ]
        if found:
            self._require(await self._standing(session))
        for name in found:
            await session.run(self._what, f"REMOVE {folder}{name}")

    async def apply(self, rows: pa.Table | None, window: ChangeWindow) -> bool:
        """Merge a window's folded changes. Returns whether that was done before.

        After an error at the commit only the position in the target says whether it went through.
        """
        if rows is not None and self.stream.options.history:
            otherwise = window.commit_time or datetime.now(UTC)
            rows = await self.blocking(
                partial(versions, rows, self.stream.tracked.schema.key, otherwise=otherwise)
            )
        self._appends = None
        try:
            async with self._pool.session(self._tag) as session:
                already = await self._apply(session, rows, window)
        except DtaasError:
            async with self._pool.session(self._tag) as session:
                standing = await self._standing(session)
            if not (standing.reaches(window.to) and self._may_move(standing)):
                raise
            already = False  # it went through, and the answer was lost
        self._count()
        return already

    def _count(self) -> None:
        if self._appends is not None:
            self._pool.meter.applied(self._tag, appended=self._appends)

    async def place(self, position: bytes) -> None:
        """Make the stream stand at `position`, in one transaction."""
        async with self._pool.session(self._tag) as session:
            within = await self._begun(session)
            sql = statements.forget_beyond(
                self._places, self.stream.target, self.stream.generation, position.hex(), within
            )
            await session.run(self._what, sql)
            await session.run(self._what, self._position(position.hex(), rows=0, within=within))
            await self._commit(session, position)

    async def _apply(self, session: Session, rows: pa.Table | None, window: ChangeWindow) -> bool:
        standing = await self._standing(session)
        self._require(standing)
        if standing.reaches(window.to):
            return True
        if rows is None:
            await self._move(session, window, rows=0, within=await self._begun(session))
        else:
            self._appends = await self._is_new(session, rows)
            if self._appends and is_direct(self._places.columns(self.stream.tracked.schema)):
                await self._copy(session, rows, window)
            else:
                await self._stage_and_bring(session, rows, window)
        self._windows += 1
        if self._windows % _FORGET_EVERY == 0:
            await self._forget_before(session, window.to.hex(), below=self._epoch + 1)
        return False

    async def _move(
        self, session: Session, window: ChangeWindow, *, rows: int, within: str
    ) -> None:
        """Record a window in its transaction, and commit."""
        await session.run(self._what, self._position(window.to.hex(), rows=rows, within=within))
        await self._commit(session, window.to)

    async def _is_new(self, session: Session, rows: pa.Table) -> bool:
        """Return whether a window only brings rows, all of them behind those of the target."""
        places, stream = self._places, self.stream
        columns, key = places.columns(stream.tracked.schema), stream.tracked.schema.key[0]
        if not may_append(rows, columns, key, places.shape(stream.options)):
            return False
        column = next(c for c in columns if c.source == key)
        return await holds_none(session, self._what, places.table(stream.target), rows, column)

    async def _copy(self, session: Session, rows: pa.Table, window: ChangeWindow) -> None:
        """Copy a window straight into the target."""
        places, target = self._places, self.stream.target
        columns = places.columns(self.stream.tracked.schema)
        own = dict.fromkeys(self._own, False)
        data = await self.blocking.droppable(encoded_rows, rows, columns, own)
        file = await self._uploaded(session, data, window)
        await session.run(self._what, COMMIT_NOTHING)
        within = await self._begun(session)
        await self._copied(session, places.table(target), file, rows)
        await self._move(session, window, rows=rows.num_rows, within=within)
        await session.run(self._what, COMMIT_EACH)
        await session.run(self._what, f"REMOVE @{places.stage}/{file}")

    async def _forget_before(self, session: Session, position: str, *, below: int) -> None:
        stream = self.stream
        sql = statements.forget_before(
            self._places, stream.target, stream.generation, position, below
        )
        await session.run(self._what, sql)

    async def _begun(self, session: Session) -> str:
        return await begun(session, self._what, self._places.table(self.stream.target))

    async def _commit(self, session: Session, position: bytes) -> None:
        """Commit, if nobody has taken the stream over meanwhile or moved it further."""
        standing = await self._standing(session)
        if standing.position == position.hex() and self._may_move(standing):
            await session.run(self._what, "COMMIT")
            return
        await session.run(self._what, "ROLLBACK")
        self._require(standing)
        raise DestinationUnavailableError(
            f"The transaction on {self.stream.target} was ended before its COMMIT.",
            hint="The window is tried again.",
        )

    async def _stage_and_bring(
        self, session: Session, rows: pa.Table, window: ChangeWindow
    ) -> None:
        """Copy a window into a table of the session, and from there insert or merge it."""
        staged = await self._stage(session, rows, window)
        within = await self._begun(session)
        if self._appends:
            table = self._places.table(self.stream.target)
            columns = self._places.columns(self.stream.tracked.schema)
            own = dict.fromkeys(self._own, "FALSE")
            sql = statements.insert_cast(table, staged, columns, own, within)
            await session.run(self._what, sql)
        else:
            await self._merge(session, rows, staged, within)
        await self._move(session, window, rows=rows.num_rows, within=within)

    @property
    def _own(self) -> tuple[str, ...]:
        """Return our own columns of a row that is new."""
        return (DELETED,) if self._places.soft else ()

    async def _stage(self, session: Session, rows: pa.Table, window: ChangeWindow) -> str:
        """Upload a window and copy it into a table of this session."""
        places, stream = self._places, self.stream
        columns = places.columns(stream.tracked.schema)
        data = await self.blocking.droppable(encoded_changes, rows, columns)
        file = await self._uploaded(session, data, window)
        staging = places.staging(stream.target, "CHANGES")
        kept = kept_columns(rows)
        more = STAGED if stream.options.history else ()
        await session.run(self._what, statements.create_staging(staging, columns, kept, more))
        await self._copied(session, staging, file, rows)
        await session.run(self._what, f"REMOVE @{places.stage}/{file}")
        return staging

    async def _uploaded(self, session: Session, data: bytes, window: ChangeWindow) -> str:
        """Put a window into the stage, under a name that is never used again."""
        folder = f"{self.stream.generation}/"
        name = f"{window.to.hex()}-{uuid.uuid4().hex[:8]}.parquet"
        await session.put(self._what, data, name, f"@{self._places.stage}/{folder}")
        return folder + name

    async def _copied(self, session: Session, table: str, file: str, rows: pa.Table) -> None:
        loaded = await copied(session, self._what, table, self._places.stage, [file])
        if loaded != rows.num_rows:
            raise DestinationConflictError(
                f"Snowflake took {loaded} of {rows.num_rows} changes of {self.stream.target}."
            )

    async def _merge(self, session: Session, rows: pa.Table, staging: str, within: str) -> None:
        places, stream = self._places, self.stream
        table = places.table(stream.target)
        columns = places.columns(stream.tracked.schema)
        key = stream.tracked.schema.key
        kept = kept_columns(rows)
        by_source = {c.source: c for c in columns}
        bounds = bounds_of(rows, by_source[key[0]])
        if stream.options.history:
            sql = merge_versions(table, staging, columns, key, kept, within=within, bounds=bounds)
        else:
            sql = statements.merge(
                table,
                staging,
                columns,
                key,
                kept,
                within=within,
                bounds=bounds,
                soft=places.soft,
            )
        await session.run(self._what, sql)

    async def _standing(self, session: Session) -> "_Standing":
        stream = self.stream
        sql = statements.standing(self._places, stream.target, stream.generation, stream.owner)
        position, epoch, writer, owned = (await session.run(self._what, sql))[0]
        return _Standing(position, int(epoch or 0), writer or "", bool(int(owned)))

    def _may_move(self, standing: "_Standing") -> bool:
        last = (standing.epoch, standing.writer)
        return standing.is_owned and last == (self._epoch, self._writer)

    def _require(self, standing: "_Standing") -> None:
        """Refuse to go on once somebody else has taken the stream over."""
        if not standing.is_owned:
            raise OwnershipLostError(
                f"{self.stream.target} belongs to another task, or to a later owner of this one.",
                hint="Let one task write it; take_over lets another one have it.",
            )
        if not self._may_move(standing):
            raise self._taken_over()

    def _position(
        self, position: str, *, rows: int, epoch: int | None = None, within: str = "TRUE"
    ) -> str:
        return statements.add_position(
            self._places,
            self.stream.target,
            generation=self.stream.generation,
            position=position,
            writer=self._writer,
            epoch=self._epoch if epoch is None else epoch,
            rows=rows,
            within=within,
        )

    def _taken_over(self) -> DestinationConflictError:
        return DestinationConflictError(
            f"{self.stream.target} was taken over by another life of the task.",
            hint="Let only one daemon run the task.",
        )


class _Standing(NamedTuple):
    """What our records say of a stream.

    Attributes:
        position: of its generation, in hex; None when there is none.
        epoch: of who opened the target last, 0 before the first.
        writer: who that was. Of two that came at once, the same one for everybody.
        is_owned: the target is still this task's.
    """

    position: str | None
    epoch: int
    writer: str
    is_owned: bool

    def reaches(self, position: bytes) -> bool:
        """Return whether what there is up to `position` was applied."""
        return self.position is not None and self.position >= position.hex()


def check_key(schema: TableSchema) -> None:
    """Refuse tables whose rows cannot be told apart.

    Raises:
        FatalError: the table has no key, or one that may be NULL.
    """
    if not schema.key:
        raise FatalError(
            f"Table {schema.table} has no key, by which its changes could be merged.",
            hint="Declare one with `key` in the task's table_mappings.",
        )
    for name in schema.key:
        if schema.column(name).nullable:
            raise FatalError(
                f"Column {name!r} of the key of {schema.table} may be NULL; MERGE misses it.",
                hint="Make it NOT NULL, or declare another key in the task's table_mappings.",
            )
