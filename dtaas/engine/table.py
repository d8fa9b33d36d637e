"""The full load of one table: plan or resume, copy its chunks, publish."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import structlog
from anyio import CapacityLimiter, create_task_group
from msgspec import Struct
from msgspec.structs import replace

from dtaas.allocator import trim
from dtaas.engine.budget import ByteBudget
from dtaas.engine.chunk import ChunkCopy
from dtaas.engine.drain import Drain
from dtaas.engine.paced import PacedDestination, PacedSource
from dtaas.engine.progress import TableMeter, utc_now
from dtaas.model.execution import TablePhase
from dtaas.model.ids import ExecutionId, LoadId
from dtaas.model.load import Chunk, ChunkReceipt, Owner, TableLoad, TargetTable, WriteOptions
from dtaas.model.ports import Destination, Source
from dtaas.model.schema import TableRef, TableSchema
from dtaas.model.store_ports import LoadLedger
from dtaas.model.task import TaskSpec

log = structlog.get_logger()
_MIB = 1024 * 1024


class LoadContext(Struct, frozen=True, kw_only=True):
    """What the tables of one execution share.

    Attributes:
        chunks: places for chunks being copied, over all tables.
        restart: forget what an earlier execution left unfinished.
        anew: load also what this execution has loaded before.
        position: says where a table's load begins; None asks the source.
    """

    spec: TaskSpec
    execution_id: ExecutionId
    owner: Owner
    source: Source
    destination: Destination
    ledger: LoadLedger
    budget: ByteBudget
    chunks: CapacityLimiter
    drain: Drain
    restart: bool = False
    anew: bool = False
    position: Callable[[], Awaitable[str]] | None = None


class TableLoader:
    """One attempt at one table. Used once; the next attempt resumes from the ledger."""

    def __init__(self, context: LoadContext, table: TableRef, meter: TableMeter) -> None:
        self._context = context
        self._table = table
        self._meter = meter
        self._mapping = context.spec.mapping(table)
        self._source = PacedSource(context.source, meter.pace)
        self._destination = PacedDestination(context.destination, meter.pace)

    async def run(self) -> None:
        """Load and publish the table, or drain and leave the rest to a later attempt."""
        context = self._context
        done = None
        if not context.anew:
            done = await context.ledger.committed_in(context.execution_id, self._table)
        if done is not None:  # a crash came after the commit and before it was noted
            self._meter.committed(done)
            self._meter.enter(TablePhase.COMPLETED)
            return
        self._meter.enter(TablePhase.PLANNING)
        load = await self._resume_or_plan()
        await context.destination.begin(load)
        receipts = {r.chunk_index: r for r in await context.ledger.receipts(load.load_id)}
        self._meter.planned(load, list(receipts.values()), None)
        self._meter.enter(TablePhase.LOADING)
        await self._copy(load, receipts)
        if len(receipts) < len(load.chunks):
            self._meter.enter(TablePhase.STOPPED)
            return
        await self._publish(load, receipts)

    async def _resume_or_plan(self) -> TableLoad:
        context = self._context
        schema = self._keyed(context.spec.taken(await context.source.describe(self._table)))
        mapped = context.spec.mapped_target(self._table)
        target = context.destination.target_of(self._table, mapped)
        await context.destination.claim(
            target, context.owner, take_over=context.spec.options.take_over
        )
        options = context.spec.write_options(self._table)
        load = await context.ledger.open_load(context.owner.task_id, self._table)
        if load is not None:
            fits = (load.schema, load.target, load.options) == (schema, target, options)
            started_here = load.execution_id == context.execution_id
            if fits and (started_here or not context.restart):
                log.info("load_resumed", table=str(self._table), load_id=load.load_id)
                return replace(load, owner=context.owner)  # its epoch may have risen
            await context.destination.abandon(load)
            await context.ledger.mark_abandoned(load.load_id)
        return await self._plan(schema, target, options)

    def _keyed(self, schema: TableSchema) -> TableSchema:
        """Give a table the key its mapping declares, where a load tells versions apart by it."""
        key = self._mapping.key
        if not key or not self._context.spec.keeps_history(self._table):
            return schema
        return replace(schema, key=key) if {c.name for c in schema.columns} >= {*key} else schema

    async def _plan(
        self, schema: TableSchema, target: TargetTable, options: WriteOptions
    ) -> TableLoad:
        context = self._context
        planned_at = utc_now()
        position = await (context.position or context.source.position)()
        chunk_rows = self._mapping.chunk_rows or context.spec.options.chunk_rows
        chunks = await context.source.plan(schema, chunk_rows=chunk_rows)
        load = TableLoad(
            load_id=LoadId(uuid.uuid4().hex),
            task_id=context.owner.task_id,
            execution_id=context.execution_id,
            owner=context.owner,
            schema=schema,
            target=target,
            options=options,
            chunks=tuple(chunks),
            source_position=position,
            planned_at=planned_at,
        )
        await context.ledger.save_load(load)
        log.info(
            "load_planned", table=str(self._table), load_id=load.load_id, chunks=len(load.chunks)
        )
        return load

    async def _copy(self, load: TableLoad, receipts: dict[int, ChunkReceipt]) -> None:
        left = [chunk for chunk in load.chunks if chunk.index not in receipts]
        queue = iter(left)
        most = self._mapping.concurrent_chunks or self._context.spec.options.concurrent_chunks
        places = CapacityLimiter(most)
        workers = min(len(left), most + 1)  # one reads while another's files become durable
        async with create_task_group() as group:
            for _ in range(workers):
                group.start_soon(self._copy_from, queue, load, receipts, places, name="chunks")

    async def _copy_from(
        self,
        queue: Iterator[Chunk],
        load: TableLoad,
        receipts: dict[int, ChunkReceipt],
        places: CapacityLimiter,
    ) -> None:
        context = self._context
        for chunk in queue:
            if context.drain.requested:
                return
            with context.budget.lease() as lease:
                receipt = await ChunkCopy(
                    self._source,
                    self._destination,
                    load,
                    chunk,
                    batch_rows=context.spec.batch_rows,
                    batch_bytes=context.spec.batch_size_mb * _MIB,
                    place=self._place(places),
                    lease=lease,
                    meter=self._meter,
                    drain=context.drain,
                ).run()
            if receipt is None:
                return
            await context.ledger.save_receipt(load.load_id, receipt)
            receipts[chunk.index] = receipt
            self._meter.chunk_done(receipt)
            trim()

    @asynccontextmanager
    async def _place(self, places: CapacityLimiter) -> AsyncIterator[None]:
        """Hold one of the table's places and one of all tables'."""
        async with places, self._context.chunks:
            yield

    async def _publish(self, load: TableLoad, receipts: dict[int, ChunkReceipt]) -> None:
        self._meter.enter(TablePhase.COMMITTING)
        ordered = [receipts[index] for index in sorted(receipts)]
        result = await self._context.destination.commit(load, ordered)
        await self._context.ledger.mark_committed(
            load.load_id, result, execution_id=self._context.execution_id
        )
        self._meter.committed(result)
        self._meter.enter(TablePhase.COMPLETED)
        log.info(
            "table_committed",
            table=str(self._table),
            load_id=load.load_id,
            rows=result.rows,
            bytes=result.bytes,
            files=result.files,
            replayed=result.already_committed,
        )


async def load_table(context: LoadContext, table: TableRef, meter: TableMeter) -> None:
    """Make one attempt at loading a table in full."""
    await TableLoader(context, table, meter).run()
