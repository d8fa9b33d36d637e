"""Full loads: files into the stage, COPY, then SWAP or an INSERT in one transaction."""

import uuid

import pyarrow as pa
import structlog

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.snowflake import statements
from dtaas.connectors.snowflake.encode import FILE_BYTES, encoded_rows
from dtaas.connectors.snowflake.evolution import evolve, keeps_history, require_history
from dtaas.connectors.snowflake.history import first_values, merge_load
from dtaas.connectors.snowflake.layout import DELETED, Places, Shape, key_of
from dtaas.connectors.snowflake.leftovers import begun
from dtaas.connectors.snowflake.names import quoted, text
from dtaas.connectors.snowflake.sessions import Session, SessionPool
from dtaas.model.errors import (
    DestinationConflictError,
    DestinationUnavailableError,
    OwnershipLostError,
    TableNotFoundError,
)
from dtaas.model.ids import LoadId
from dtaas.model.load import (
    Chunk,
    ChunkReceipt,
    DataFile,
    Owner,
    TableLoad,
    TargetTable,
    WriteMode,
)

log = structlog.get_logger()


class StageWriter:
    """Writes one chunk into the stage. A chunk written again overwrites its files."""

    def __init__(
        self,
        pool: SessionPool,
        places: Places,
        load: TableLoad,
        chunk: Chunk,
        blocking: Blocking,
    ) -> None:
        self._pool = pool
        self._places = places
        self._load = load
        self._chunk = chunk
        self._columns = places.columns(load.schema)
        self._blocking = blocking
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0
        self._files: list[DataFile] = []

    async def write(self, batch: pa.RecordBatch) -> None:
        """Take one batch; send a file when there is enough for one."""
        self._waiting.append(batch)
        self._waiting_bytes += batch.nbytes
        if self._waiting_bytes >= min(FILE_BYTES, self._load.options.target_file_bytes):
            await self._send()

    async def finish(self) -> ChunkReceipt:
        """Send the rest, and return the proof."""
        await self._send()
        return ChunkReceipt(
            chunk_index=self._chunk.index,
            rows=sum(f.rows for f in self._files),
            bytes=sum(f.bytes for f in self._files),
            files=tuple(self._files),
        )

    async def _send(self) -> None:
        if not self._waiting:
            return
        rows = pa.Table.from_batches(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        data = await self._blocking.droppable(encoded_rows, rows, self._columns)
        name = f"{self._chunk.index:05d}-{len(self._files):05d}.parquet"
        folder = f"@{self._places.stage}/{self._load.load_id}/"
        async with self._pool.session(tag_of(self._load.owner, self._load.schema.table)) as session:
            await session.put(f"Staging rows of {self._load.schema.table}", data, name, folder)
        key = f"{self._load.load_id}/{name}"
        self._files.append(DataFile(key=key, rows=rows.num_rows, bytes=len(data)))


class Loader:
    """Publishes one load."""

    def __init__(self, places: Places, load: TableLoad) -> None:
        self._places = places
        self._load = load
        self._columns = places.columns(load.schema)
        self._shape = places.shape(load.options)
        self._what = f"Loading {load.target}"

    async def publish(self, session: Session, files: list[DataFile]) -> bool:
        """Make the load visible, at once and whole. Returns whether it already was.

        Whatever an earlier attempt did, the files are still staged until the load is recorded, so
        that everything is made again from them: a swap whose answer was lost is swapped again with
        a table that holds the same rows.

        Raises:
            DestinationConflictError: Snowflake took other rows than were sent.
            OwnershipLostError: a later owner of the task took the target over.
        """
        await require_owner(session, self._places, self._load.target, self._load.owner)
        if await self.is_recorded(session):
            return True
        rows = sum(file.rows for file in files)
        match self._load.options.mode:
            case WriteMode.OVERWRITE:
                return await self._overwrite(session, files, rows)
            case WriteMode.APPEND | WriteMode.TRUNCATE_INSERT:
                return await self._insert(session, files, rows)

    async def is_recorded(self, session: Session) -> bool:
        """Return whether the load is visible and recorded."""
        sql = (
            f"SELECT COUNT(*) FROM {self._places.loads} WHERE"
            f' "LOAD_ID" = {text(self._load.load_id)}'
        )
        return bool((await session.run(self._what, sql))[0][0])

    async def tidy(self, session: Session) -> None:
        """Remove what a load needed until it was visible."""
        await drop_unseen(session, self._places, self._load.target, self._load.load_id)
        await session.run(self._what, f"REMOVE @{self._places.stage}/{self._load.load_id}/")

    async def _overwrite(self, session: Session, files: list[DataFile], rows: int) -> bool:
        """Put a new table in the place of the old one, or continue the old one's history."""
        load = self._load
        kept = await keeps_history(session, self._places, load.target, self._what)
        if kept and load.options.history:
            return await self._insert(session, files, rows)
        if kept:
            require_history(load.target, self._shape, kept=True)
        await self._replace(session, files, rows)
        return False

    async def _replace(self, session: Session, files: list[DataFile], rows: int) -> None:
        """Make a table and let it and the target change places.

        Each attempt has a table of its own, and drops those of earlier ones: a SWAP that somebody
        who is gone has asked for comes to nothing then, or has come before; see `drop_unseen`.
        """
        target, attempt = self._places.table(self._load.target), uuid.uuid4().hex[:8]
        fresh = self._places.load(self._load.target, self._load.load_id, attempt)
        load = self._load
        await drop_unseen(session, self._places, load.target, load.load_id, owner=load.owner)
        await session.run(self._what, self._create("CREATE OR REPLACE TABLE", fresh))
        await self._fill(session, fresh, files, rows)
        await require_owner(session, self._places, self._load.target, self._load.owner)
        await session.run(self._what, self._create("CREATE TABLE IF NOT EXISTS", target))
        await session.run(self._what, f"ALTER TABLE {target} SWAP WITH {fresh}")
        await session.run(self._what, self._record(rows))

    async def _insert(self, session: Session, files: list[DataFile], rows: int) -> bool:
        """Insert into the table that stands, in one transaction; return whether that was done.

        The owner's row is locked late, so that other tables wait for moments only; from then on
        nobody can take the target over, nor can another life of the task record the same load.
        """
        target = self._places.table(self._load.target)
        load = self._load
        await evolve(session, self._places, load.target, load.schema, self._shape)
        staging = self._places.staging(self._load.target, "STAGED")
        await session.run(self._what, statements.staged_table(staging, self._columns))
        await self._copy(session, staging, files, rows)
        within = await begun(session, self._what, target)
        if self._load.options.mode is WriteMode.TRUNCATE_INSERT:
            await session.run(self._what, f"DELETE FROM {target} WHERE {within}")
        await session.run(self._what, self._add(target, staging, within))
        hold = statements.hold(self._places, self._load.target, self._load.owner)
        await session.run(self._what, hold)
        await require_owner(session, self._places, self._load.target, self._load.owner)
        if await self.is_recorded(session):
            await session.run(self._what, "ROLLBACK")
            return True
        await session.run(self._what, self._record(rows, within))
        await session.run(self._what, "COMMIT")
        if not await self.is_recorded(session):
            await require_owner(session, self._places, load.target, load.owner)
            raise DestinationUnavailableError(
                f"The transaction on {load.target} was ended before its COMMIT.",
                hint="The load is tried again.",
            )
        return False

    async def _fill(self, session: Session, fresh: str, files: list[DataFile], rows: int) -> None:
        """Copy the files straight into a table, or by way of one in staged forms."""
        direct = all(c.stored.staged == c.stored.ddl for c in self._columns)
        if direct and self._shape is Shape.PLAIN:
            await self._copy(session, fresh, files, rows)
            return
        staging = self._places.staging(self._load.target, "STAGED")
        await session.run(self._what, statements.staged_table(staging, self._columns))
        await self._copy(session, staging, files, rows)
        own = self._own_values()
        await session.run(self._what, statements.insert_cast(fresh, staging, self._columns, own))

    async def _copy(self, session: Session, table: str, files: list[DataFile], rows: int) -> None:
        loaded = 0
        for start in range(0, len(files), statements.FILES_AT_ONCE):
            some = [file.key for file in files[start : start + statements.FILES_AT_ONCE]]
            loaded += await copied(session, self._what, table, self._places.stage, some)
        if loaded != rows:
            raise DestinationConflictError(
                f"Snowflake loaded {loaded} of the {rows} rows staged for {self._load.target}.",
                hint="Somebody removed staged files. Start the task with force.",
            )

    def _create(self, create: str, table: str) -> str:
        return statements.create_table(create, table, self._columns, self._shape)

    def _add(self, target: str, staging: str, within: str) -> str:
        """Return the statement that adds the staged rows to what stands."""
        load = self._load
        if self._shape is not Shape.HISTORY:
            own = self._own_values()
            return statements.insert_cast(target, staging, self._columns, own, within)
        return merge_load(
            target,
            staging,
            self._columns,
            load.schema.key,
            within=within,
            at=load.planned_at,
            position=load.source_position,
        )

    def _own_values(self) -> dict[str, str]:
        match self._shape:
            case Shape.PLAIN:
                return {}
            case Shape.SOFT:
                return {DELETED: "FALSE"}
            case Shape.HISTORY:
                return first_values(self._load.planned_at, self._load.source_position)

    def _record(self, rows: int, within: str = "TRUE") -> str:
        return (
            f'INSERT INTO {self._places.loads} ("TARGET", "LOAD_ID", "ROW_COUNT", "LOADED_AT")'
            f" SELECT {key_of(self._load.target)}, {text(self._load.load_id)}, {rows},"
            f" TO_TIMESTAMP_NTZ(CURRENT_TIMESTAMP()) FROM (SELECT 1 AS N) AS X WHERE {within}"
        )


async def drop_unseen(
    session: Session,
    places: Places,
    target: TargetTable,
    load_id: LoadId | None = None,
    *,
    owner: Owner | None = None,
) -> None:
    """Drop tables of loads that nobody sees. Only the target's owner may call this.

    Who takes a target over does so before it writes there. An earlier owner looks who the owner is
    between making such a table and its SWAP: either it finds itself to be none any more, or its
    SWAP came before, or the table is gone and its SWAP comes to nothing.

    Somebody else may take the target over meanwhile, and load. No such table is dropped: each has a
    name of its own, and all that were found before we still held the target are older than that.

    Args:
        load_id: of one load only.
        owner: who takes the target over, or loads; None for what is left of a load that is over.

    Raises:
        OwnershipLostError: `owner` does not hold the target any more; nothing was dropped.
    """
    what, schema = f"Preparing {target}", places.schema(target)
    like = text(f"%{load_id or '__DTAAS_'}%")  # a pattern: it finds at least ours
    try:
        found = await session.run_named(what, f"SHOW TABLES LIKE {like} IN SCHEMA {schema}")
    except TableNotFoundError:  # not even the schema is there
        return
    unseen = [n for n in (str(r["name"]) for r in found) if places.is_load(target, n, load_id)]
    if unseen and owner is not None:
        await require_owner(session, places, target, owner)
    for name in unseen:
        await session.run(what, f"DROP TABLE IF EXISTS {schema}.{quoted(name)}")


async def copied(session: Session, what: str, table: str, stage: str, files: list[str]) -> int:
    """Copy staged files into a table and return the rows that were loaded."""
    result = await session.run(what, statements.copy(table, stage, files))
    loaded = 0
    for row in result:
        if len(row) > 1:  # one column alone says that there was nothing to do
            loaded += int(row[3])
    return loaded


async def require_owner(
    session: Session, places: Places, target: TargetTable, owner: Owner
) -> None:
    """Refuse to go on for an owner who is none any more.

    Raises:
        OwnershipLostError: another owner, or a later life of ours, holds the target.
    """
    found = await session.run(f"Loading {target}", statements.owner_of(places, target))
    for installation, task_id, name, epoch in found:
        same = (installation, int(task_id)) == (owner.installation, owner.task_id)
        if not same or int(epoch) > owner.epoch:
            raise OwnershipLostError(
                f"{target} belongs to task {name!r} (epoch {epoch}) now, not to"
                f" {owner.task_name!r} (epoch {owner.epoch})."
            )


def tag_of(owner: Owner, table: object) -> str:
    """Return the QUERY_TAG of a task's statements about a table."""
    return f"dtaas/{owner.task_name}/{owner.task_id}/{table}"
