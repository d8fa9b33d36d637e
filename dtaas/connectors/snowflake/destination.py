"""Snowflake as a destination: the port, put together from loader and streams."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import anyio
import pyarrow as pa

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.folding_writer import FoldingWriter
from dtaas.connectors.snowflake import inspection, statements
from dtaas.connectors.snowflake.changes import SnowflakeStream, check_key
from dtaas.connectors.snowflake.check import check_snowflake
from dtaas.connectors.snowflake.errors import TableLockedError
from dtaas.connectors.snowflake.evolution import evolution
from dtaas.connectors.snowflake.layout import CURRENT, DELETED, Places
from dtaas.connectors.snowflake.leftovers import end_leftovers
from dtaas.connectors.snowflake.load import (
    Loader,
    StageWriter,
    drop_unseen,
    require_owner,
    tag_of,
)
from dtaas.connectors.snowflake.names import quoted
from dtaas.connectors.snowflake.sessions import Session, SessionPool
from dtaas.connectors.snowflake.types import canonical_column
from dtaas.model.change_ports import ChangeDestination, ChangeWriter
from dtaas.model.changes import ChangeWindow, TableStream, TrackedTable
from dtaas.model.check import CheckReport, OnStep
from dtaas.model.connectors import SnowflakeConfig
from dtaas.model.errors import (
    DestinationInUseError,
    DestinationUnavailableError,
    OwnershipLostError,
    TableNotFoundError,
    ValidationFailedError,
)
from dtaas.model.ids import ExecutionId
from dtaas.model.load import (
    Chunk,
    ChunkReceipt,
    CommitResult,
    DataFile,
    FileFormat,
    Owner,
    TableLoad,
    TargetTable,
    WriteOptions,
)
from dtaas.model.plan import DdlDestination, Standing, TargetDdl
from dtaas.model.ports import ChunkWriter, Destination
from dtaas.model.positions import Held, HoldsPositions
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.spending import MetersSpending, NamesWork, Spending

_ENCODERS: Final = 2
_TAG: Final = "dtaas"
_MERGE_INTERVAL_S: Final = 60.0
_LOCK_TRIES: Final = 5


class SnowflakeDestination:
    """Writes for one task into one database."""

    def __init__(self, config: SnowflakeConfig, *, task_name: str, database: str) -> None:
        """Prepare; logs in when first used."""
        self._config = config
        self._pool = SessionPool(config)
        self._places = Places(config, task_name=task_name, database=database)
        self._blocking = Blocking(_ENCODERS)
        self._streams: dict[TargetTable, SnowflakeStream] = {}
        self._tags: dict[TableRef, str] = {}
        self._ready = False
        self._preparing = anyio.Lock()

    async def check(self, on_step: OnStep) -> CheckReport:
        """Test the connection step by step."""
        return await check_snowflake(self._pool, self._places, on_step)

    def target_of(self, table: TableRef, mapped: tuple[str, ...] | None) -> TargetTable:
        """Return schema and table."""
        return self._places.target_of(table, mapped)

    async def claim(self, target: TargetTable, owner: Owner, *, take_over: bool = False) -> None:
        """Record the owner in a table of our own.

        Reads first: what is recorded already needs no lock, which a life of ours that was killed
        may still hold, nor a statement that costs.
        """
        await self._prepare()
        what = f"Claiming {target}"
        asked = statements.owner_of(self._places, target)
        found = await self._pool.run(_TAG, what, asked)
        recorded = (owner.installation, owner.task_id, owner.task_name, owner.epoch)
        holders = [(i, int(task), name, int(epoch)) for i, task, name, epoch in found]
        if holders == [recorded]:
            return
        if any(h[:2] == recorded[:2] and h[3] <= owner.epoch for h in holders):  # an earlier life

            async def unclaimed() -> None:
                if await self._pool.run(_TAG, what, asked) != found:
                    raise DestinationUnavailableError(
                        f"{target} is being taken over by somebody else.", hint="It is tried again."
                    )

            await end_leftovers(self._pool, _TAG, what, self._places.table(target), unclaimed)
        statement = statements.claim(self._places, target, owner, take_over=take_over)
        await self._pool.run(_TAG, what, statement)
        found = await self._pool.run(_TAG, what, asked)
        for installation, task_id, name, epoch in found:
            same = (installation, int(task_id)) == (owner.installation, owner.task_id)
            if same and int(epoch) > owner.epoch:
                raise OwnershipLostError(
                    f"{target} belongs to a later owner of the task (epoch {epoch}, ours is"
                    f" {owner.epoch})."
                )
            if not same:
                raise DestinationInUseError(
                    f"{target} is written by task {name!r} (id {task_id}) of installation"
                    f" {installation}.",
                    hint="Choose another target, delete that task, or set take_over once.",
                )
        if holders:  # what they were about to show is not shown any more
            async with self._pool.session(_TAG) as session:
                await drop_unseen(session, self._places, target, owner=owner)

    async def standing(self, target: TargetTable) -> Standing | None:
        """Return what stands there by the catalogue, and its rows counted."""
        async with self._pool.session(_TAG) as session:
            return await inspection.standing(session, self._places, target)

    async def ddl(
        self, target: TargetTable, schema: TableSchema, options: WriteOptions
    ) -> TargetDdl:
        """Return what a run would execute for the table's columns."""
        stands = await self.standing(target)
        return inspection.ddl(self._places, target, schema, options, stands)

    async def release(self, target: TargetTable, owner: Owner) -> None:
        """Forget the owner if it is this one."""
        await self._prepare()
        await self._pool.run(
            _TAG, f"Releasing {target}", statements.release(self._places, target, owner)
        )

    async def begin(self, load: TableLoad) -> None:
        """Refuse what cannot work, and make the schema.

        Raises:
            ValidationFailedError: Snowflake tables hold neither CSV nor partitions of ours.
        """
        if load.options.format is not FileFormat.PARQUET or load.options.partition_by:
            raise ValidationFailedError(
                "Tables in Snowflake are loaded from Parquet, without partitions.",
                hint="Set the file format to parquet, and remove partition_by.",
                field="$.s3_file_format",
            )
        self._places.columns(load.schema)
        if load.options.history:
            check_key(load.schema)
        await self._prepare()
        schema = self._places.schema(load.target)
        await self._pool.run(
            _TAG, f"Making schema {schema}", f"CREATE SCHEMA IF NOT EXISTS {schema}"
        )

    @asynccontextmanager
    async def write(self, load: TableLoad, chunk: Chunk) -> AsyncIterator[ChunkWriter]:
        """Open a writer; files without a receipt are never copied."""
        self._tags[load.schema.table] = tag_of(load.owner, load.schema.table)
        yield StageWriter(self._pool, self._places, load, chunk, self._blocking)

    async def commit(self, load: TableLoad, receipts: Sequence[ChunkReceipt]) -> CommitResult:
        """Copy the staged files and make them visible."""
        files = [file for receipt in receipts for file in receipt.files]
        already = await self._publish(load, files)
        return CommitResult(
            rows=sum(file.rows for file in files),
            bytes=sum(file.bytes for file in files),
            files=len(files),
            location=f"snowflake://{self._config.account}/{self._config.database}/{load.target}",
            already_committed=already,
        )

    async def _publish(self, load: TableLoad, files: list[DataFile]) -> bool:
        """Publish, again where another table's load held our records for too long."""
        loader, tag = Loader(self._places, load), tag_of(load.owner, load.schema.table)
        self._tags[load.schema.table] = tag

        async def owned() -> None:
            async with self._pool.session(tag) as session:
                await require_owner(session, self._places, load.target, load.owner)

        await owned()
        target = self._places.table(load.target)
        await end_leftovers(self._pool, tag, f"Loading {load.target}", target, owned)
        tries = 0
        while True:
            try:
                async with self._pool.session(tag) as session:
                    already = await loader.publish(session, files)
                    await loader.tidy(session)
                    return already
            except TableNotFoundError:  # whoever took the target over may have dropped ours
                await owned()
                raise
            except TableLockedError:
                tries += 1
                if tries == _LOCK_TRIES:
                    raise

    async def abandon(self, load: TableLoad) -> None:
        """Remove the load's staged files and its table, unless readers already see it."""
        await self._prepare()
        loader = Loader(self._places, load)
        async with self._pool.session(tag_of(load.owner, load.schema.table)) as session:
            await loader.tidy(session)

    async def scan(
        self, target: TargetTable, schema: TableSchema, visit: Callable[[pa.RecordBatch], None]
    ) -> None:
        """Read the table back as it is now."""
        columns = self._places.columns(schema)
        arrow = schema.arrow_schema()
        items = (
            f"{c.stored.read.format(c=c.name)} AS {quoted(f'__DTAAS_{i}')}"
            for i, c in enumerate(columns)
        )
        sql = f"SELECT {', '.join(items)} FROM {self._places.table(target)}"

        def convert(table: pa.Table) -> None:
            for batch in table.to_batches():
                arrays = [
                    canonical_column(batch.column(i), c.column.type) for i, c in enumerate(columns)
                ]
                visit(pa.RecordBatch.from_arrays(arrays, schema=arrow))

        try:
            async with self._pool.session(_TAG) as session:
                where = await self._readable(session, target)
                await session.visit(f"Reading {target}", sql + where, convert)
        except TableNotFoundError as error:
            raise TableNotFoundError(
                f"Nothing was committed at {target}.", hint="Run the task first."
            ) from error

    async def _readable(self, session: Session, target: TargetTable) -> str:
        """Return the condition under which a row of a table is one of its source now."""
        what, table = f"Reading {target}", self._places.table(target)
        present = {row[0] for row in await session.run(what, f"DESCRIBE TABLE {table}")}
        if CURRENT in present:
            return f" WHERE {quoted(CURRENT)}"
        if DELETED in present:
            return f" WHERE NOT COALESCE({quoted(DELETED)}, FALSE)"
        return ""

    def interval_s(self) -> float:
        """Return a minute: each MERGE keeps a warehouse awake, which is paid by the second."""
        return _MERGE_INTERVAL_S

    def check_tracked(self, tracked: TrackedTable) -> None:
        """Refuse tables whose rows cannot be told apart."""
        check_key(tracked.schema)

    def evolution(self, target: TargetTable, before: Column | None, after: Column) -> Sequence[str]:
        """Return what is done to a target that takes changes; see the port."""
        return evolution(self._places, target, before, after)

    async def open_stream(self, stream: TableStream) -> bytes | None:
        """Take a table's stream of changes over; return the position it stands at."""
        await self.claim(stream.target, stream.owner)
        table = stream.tracked.table
        self._tags[table] = tag_of(stream.owner, table)
        opened = self._streams.get(stream.target)
        if opened is None or opened.stream.generation != stream.generation:
            opened = SnowflakeStream(self._pool, self._places, stream, self._blocking)
            self._streams[stream.target] = opened
        opened.stream = stream  # its columns may have changed since
        return await opened.open()

    async def held(self, target: TargetTable, owner: Owner) -> Held:
        """Return what our own records say; nothing while another task writes here."""
        await self._prepare()
        what = f"Reading the position of {target}"
        holders = await self._pool.run(_TAG, what, statements.owner_of(self._places, target))
        for installation, task_id, *_rest in holders:
            if (installation, int(task_id)) != (owner.installation, owner.task_id):
                return Held()
        found = await self._pool.run(_TAG, what, statements.held(self._places, target))
        load, generation, position = found[0]
        return Held(load=load, generation=generation, position=position)

    async def place(self, stream: TableStream, position: bytes) -> None:
        """Set the position in our records; rows stay as they are."""
        await self.open_stream(stream)
        await self._streams[stream.target].place(position)

    @asynccontextmanager
    async def apply(self, stream: TableStream, window: ChangeWindow) -> AsyncIterator[ChangeWriter]:
        """Open a writer for one window; `open_stream` comes first."""
        opened = self._streams[stream.target]
        yield FoldingWriter(window, opened.folded_by, self._blocking, opened.apply)

    def works_for(self, execution: ExecutionId) -> None:
        """Name the execution in the QUERY_TAG of every statement."""
        self._pool.works_for(execution)

    def spent(self, table: TableRef) -> Spending:
        """Return what a table has cost since this life of the task began."""
        return self._pool.meter.spent(self._tags.get(table, ""))

    async def aclose(self) -> None:
        """Close every session. Idempotent."""
        await self._pool.aclose()

    async def _prepare(self) -> None:
        """Make the tables of our own records, once."""
        async with self._preparing:
            if not self._ready:
                for sql in statements.make_records(self._places):
                    await self._pool.run(_TAG, "Preparing our own records", sql)
                await self._pool.learn_warehouse(_TAG)
                self._ready = True


_: type[Destination] = SnowflakeDestination
_ddl: type[DdlDestination] = SnowflakeDestination
_changes: type[ChangeDestination] = SnowflakeDestination
_positions: type[HoldsPositions] = SnowflakeDestination
_spending: type[MetersSpending] = SnowflakeDestination
_naming: type[NamesWork] = SnowflakeDestination
