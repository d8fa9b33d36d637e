"""The stream of one table: a window is one transaction of MERGE and position."""

import uuid
from datetime import UTC, datetime
from functools import partial

import pyarrow as pa
import structlog

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.fold import kept_columns
from dtaas.connectors.history import committed_key, versions
from dtaas.connectors.snowflake import statements
from dtaas.connectors.snowflake.encode import bounds_of, encoded_changes
from dtaas.connectors.snowflake.evolution import evolve
from dtaas.connectors.snowflake.history import STAGED, merge_versions
from dtaas.connectors.snowflake.layout import Places
from dtaas.connectors.snowflake.leftovers import begin, end_leftovers
from dtaas.connectors.snowflake.load import copied, tag_of
from dtaas.connectors.snowflake.sessions import Session, SessionPool
from dtaas.model.changes import ChangeWindow, TableStream
from dtaas.model.errors import DestinationConflictError, DtaasError, FatalError
from dtaas.model.schema import TableSchema

log = structlog.get_logger()


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
        self._tag = tag_of(stream.owner, stream.tracked.table)
        self._what = f"Merging into {stream.target}"

    @property
    def folded_by(self) -> tuple[str, ...]:
        """Return the columns of which each value leaves one change of a window."""
        key = self.stream.tracked.schema.key
        return committed_key(key) if self.stream.options.history else key

    async def open(self) -> bytes | None:
        """Make the table take the stream's rows; fence off older writers; return the position.

        Raises:
            DestinationConflictError: a newer life of the task has taken the stream over.
        """
        stream, places = self.stream, self._places
        async with self._pool.session(self._tag) as session:
            _, epoch = await self._standing(session)
            if self._epoch and epoch > self._epoch:
                raise self._taken_over()
        await end_leftovers(self._pool, self._tag, self._what, places.table(stream.target))
        async with self._pool.session(self._tag) as session:
            held, epoch = await self._standing(session)
            shape = places.shape(stream.options)
            await evolve(session, places, stream.target, stream.tracked.schema, shape)
            if not self._epoch:
                self._epoch = epoch + 1
                await session.run(self._what, self._position(held or stream.base.hex(), rows=0))
                _, now = await self._standing(session)
                if now != self._epoch:
                    raise self._taken_over()
        return None if held is None else bytes.fromhex(held)

    async def apply(self, rows: pa.Table | None, window: ChangeWindow) -> bool:
        """Merge a window's folded changes. Returns whether that was done before.

        After an error at the commit only the position in the target says whether it went through.
        """
        if rows is not None and self.stream.options.history:
            otherwise = window.commit_time or datetime.now(UTC)
            rows = await self.blocking(
                partial(versions, rows, self.stream.tracked.schema.key, otherwise=otherwise)
            )
        try:
            async with self._pool.session(self._tag) as session:
                return await self._apply(session, rows, window)
        except DtaasError:
            async with self._pool.session(self._tag) as session:
                held, epoch = await self._standing(session)
            if held is not None and held >= window.to.hex() and epoch == self._epoch:
                return False  # it went through, and the answer was lost
            raise

    async def place(self, position: bytes) -> None:
        """Make the stream stand at `position`, in one transaction."""
        async with self._pool.session(self._tag) as session:
            await session.run(self._what, begin(self._places.table(self.stream.target)))
            sql = statements.forget_beyond(
                self._places, self.stream.target, self.stream.generation, position.hex()
            )
            await session.run(self._what, sql)
            await session.run(self._what, self._position(position.hex(), rows=0))
            if await self._standing(session) != (position.hex(), self._epoch):
                await session.run(self._what, "ROLLBACK")
                raise self._taken_over()
            await session.run(self._what, "COMMIT")

    async def _apply(self, session: Session, rows: pa.Table | None, window: ChangeWindow) -> bool:
        held, epoch = await self._standing(session)
        if epoch != self._epoch:
            raise self._taken_over()
        if held is not None and held >= window.to.hex():
            return True
        staged = "" if rows is None else await self._stage(session, rows, window)
        count = 0 if rows is None else rows.num_rows
        await session.run(self._what, begin(self._places.table(self.stream.target)))
        if rows is not None:
            await self._merge(session, rows, staged)
        await session.run(self._what, self._position(window.to.hex(), rows=count))
        if await self._standing(session) != (window.to.hex(), self._epoch):
            await session.run(self._what, "ROLLBACK")
            raise self._taken_over()
        await session.run(self._what, "COMMIT")
        return False

    async def _stage(self, session: Session, rows: pa.Table, window: ChangeWindow) -> str:
        """Upload a window and copy it into a table of this session."""
        places, stream = self._places, self.stream
        columns = places.columns(stream.tracked.schema)
        data = await self.blocking(encoded_changes, rows, columns)
        folder = f"{stream.generation}/"
        name = f"{window.to.hex()}-{uuid.uuid4().hex[:8]}.parquet"
        await session.put(self._what, data, name, f"@{places.stage}/{folder}")
        staging = places.staging(stream.target, "CHANGES")
        kept = kept_columns(rows)
        more = STAGED if stream.options.history else ()
        await session.run(self._what, statements.create_staging(staging, columns, kept, more))
        loaded = await copied(session, self._what, staging, places.stage, [folder + name])
        if loaded != rows.num_rows:
            raise DestinationConflictError(
                f"Snowflake staged {loaded} of {rows.num_rows} changes of {stream.target}."
            )
        await session.run(self._what, f"REMOVE @{places.stage}/{folder}{name}")
        return staging

    async def _merge(self, session: Session, rows: pa.Table, staging: str) -> None:
        places, stream = self._places, self.stream
        table = places.table(stream.target)
        columns = places.columns(stream.tracked.schema)
        key = stream.tracked.schema.key
        kept = kept_columns(rows)
        by_source = {c.source: c for c in columns}
        bounds = bounds_of(rows, by_source[key[0]])
        if stream.options.history:
            sql = merge_versions(table, staging, columns, key, kept, bounds=bounds)
        else:
            sql = statements.merge(
                table, staging, columns, key, kept, bounds=bounds, soft=places.soft
            )
        await session.run(self._what, sql)

    async def _standing(self, session: Session) -> tuple[str | None, int]:
        """Return the position of this generation, and the epoch of who opened the target last."""
        stream = self.stream
        sql = statements.standing(self._places, stream.target, stream.generation)
        found = (await session.run(self._what, sql))[0]
        return found[0], int(found[1] or 0)

    def _position(self, position: str, *, rows: int) -> str:
        return statements.add_position(
            self._places,
            self.stream.target,
            generation=self.stream.generation,
            position=position,
            writer=self._writer,
            epoch=self._epoch,
            rows=rows,
        )

    def _taken_over(self) -> DestinationConflictError:
        return DestinationConflictError(
            f"{self.stream.target} was taken over by another life of the task.",
            hint="Let only one daemon run the task.",
        )


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
