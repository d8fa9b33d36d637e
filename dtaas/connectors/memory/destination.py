"""The in-memory destination: the reference implementation of the port."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pyarrow as pa
import pyarrow.compute as pc
from anyio.lowlevel import checkpoint

from dtaas.connectors.memory.change_target import MemoryChangeWriter, evolve, require_ours
from dtaas.connectors.memory.datasets import Dataset, dataset
from dtaas.model.change_ports import ChangeDestination, ChangeWriter
from dtaas.model.changes import LSN, ChangeWindow, TableStream, TrackedTable
from dtaas.model.check import CheckReport, CheckStep, OnStep, StepStatus
from dtaas.model.connectors import MemoryDestinationConfig
from dtaas.model.errors import (
    DestinationConflictError,
    DestinationInUseError,
    OwnershipLostError,
    TableNotFoundError,
)
from dtaas.model.load import (
    Chunk,
    ChunkReceipt,
    CommitResult,
    DataFile,
    Owner,
    TableLoad,
    TargetTable,
    WriteMode,
)
from dtaas.model.plan import Standing, named_owner
from dtaas.model.ports import ChunkWriter, Destination
from dtaas.model.positions import Held, HoldsPositions
from dtaas.model.schema import TableRef, TableSchema


class MemoryChunkWriter:
    """Collects the batches of one chunk; `finish` stages them."""

    def __init__(self, data: Dataset, load: TableLoad, chunk: Chunk) -> None:
        self._data = data
        self._load = load
        self._chunk = chunk
        self._batches: list[pa.RecordBatch] = []

    async def write(self, batch: pa.RecordBatch) -> None:
        """Keep the batch."""
        await checkpoint()
        await self._data.hook("write", self._load.schema.table)
        self._batches.append(batch)

    async def finish(self) -> ChunkReceipt:
        """Stage the chunk, replacing what an earlier attempt staged."""
        await self._data.hook("finish", self._load.schema.table)
        self._data.staged[self._load.load_id, self._chunk.index] = self._batches
        rows = sum(b.num_rows for b in self._batches)
        size = sum(b.nbytes for b in self._batches)
        key = f"{self._load.load_id}/part-{self._chunk.index}"
        return ChunkReceipt(
            chunk_index=self._chunk.index,
            rows=rows,
            bytes=size,
            files=(DataFile(key=key, rows=rows, bytes=size),),
        )


class MemoryDestination:
    """Writes into one dataset."""

    def __init__(self, config: MemoryDestinationConfig) -> None:
        self._data = dataset(config.dataset)
        self._name = config.dataset

    async def check(self, on_step: OnStep) -> CheckReport:
        """Report the one step there is."""
        step = CheckStep(name="dataset", status=StepStatus.OK, detail="writable")
        on_step(step)
        return CheckReport(ok=True, steps=(step,))

    def target_of(self, table: TableRef, mapped: tuple[str, ...] | None) -> TargetTable:
        """Return the mapped path or `schema, name`."""
        return TargetTable(path=mapped or (table.schema, table.name))

    async def claim(self, target: TargetTable, owner: Owner, *, take_over: bool = False) -> None:
        """Record the owner."""
        held = self._data.target(target.path)
        if held.owner is not None and not _same(held.owner, owner) and not take_over:
            raise DestinationInUseError(
                f"{target} is written by task {held.owner.task_name!r}"
                f" (id {held.owner.task_id}) of installation {held.owner.installation}.",
                hint="Choose another target, delete that task, or set take_over once.",
            )
        _refuse_older(held.owner, owner, target)
        held.owner = owner

    async def standing(self, target: TargetTable) -> Standing | None:
        """Return what was committed last."""
        held = self._data.targets.get(target.path)
        if held is None or held.rows is None:
            return None
        return Standing(
            location=str(target),
            columns=tuple((field.name, str(field.type)) for field in held.rows.schema),
            rows=held.rows.num_rows,
            bytes=held.rows.nbytes,
            owner="" if held.owner is None else named_owner(held.owner),
        )

    async def release(self, target: TargetTable, owner: Owner) -> None:
        """Forget the owner if it is this one."""
        held = self._data.target(target.path)
        if held.owner is not None and _same(held.owner, owner):
            held.owner = None

    async def begin(self, load: TableLoad) -> None:
        """Make the target known."""
        await self._data.hook("begin", load.schema.table)
        self._data.target(load.target.path)

    @asynccontextmanager
    async def write(self, load: TableLoad, chunk: Chunk) -> AsyncIterator[ChunkWriter]:
        """Open a writer; without `finish` nothing stays."""
        yield MemoryChunkWriter(self._data, load, chunk)

    async def commit(self, load: TableLoad, receipts: Sequence[ChunkReceipt]) -> CommitResult:
        """Publish the staged chunks the receipts name."""
        await self._data.hook("commit", load.schema.table)
        target = self._data.target(load.target.path)
        _refuse_older(target.owner, load.owner, load.target)
        replay = load.load_id in target.receipts
        if not replay:
            batches = [
                batch
                for receipt in receipts
                for batch in self._data.staged.pop((load.load_id, receipt.chunk_index))
            ]
            rows = pa.Table.from_batches(batches, load.schema.arrow_schema())
            if load.options.mode is WriteMode.APPEND and target.rows is not None:
                rows = pa.concat_tables([target.rows, rows])
            target.rows = rows
            target.loads.append(load)
            target.receipts[load.load_id] = tuple(receipts)
        await self._data.hook("committed", load.schema.table)
        return CommitResult(
            rows=sum(r.rows for r in receipts),
            bytes=sum(r.bytes for r in receipts),
            files=len(receipts),
            location=f"memory://{self._name}/{load.target}",
            already_committed=replay,
        )

    async def abandon(self, load: TableLoad) -> None:
        """Drop the load's staged chunks."""
        for staged in [key for key in self._data.staged if key[0] == load.load_id]:
            del self._data.staged[staged]

    async def scan(
        self, target: TargetTable, schema: TableSchema, visit: Callable[[pa.RecordBatch], None]
    ) -> None:
        """Visit the committed rows."""
        rows = self._data.target(target.path).rows
        if rows is None:
            raise TableNotFoundError(
                f"Nothing was committed at {target}.", hint="Run the task first."
            )
        for batch in rows.select(schema.arrow_schema().names).to_batches():
            visit(batch)

    def interval_s(self) -> float:
        """Return 0: nothing costs anything."""
        return 0.0

    def check_tracked(self, tracked: TrackedTable) -> None:
        """Take any table: changes are kept as they come."""

    async def open_stream(self, stream: TableStream) -> bytes | None:
        """Take the stream over from older lives of the task, and say where it stands."""
        await self._data.hook("open stream", stream.tracked.table)
        target = self._data.target(stream.target.path)
        if target.epoch > stream.epoch:
            raise DestinationConflictError(
                f"{stream.target} was taken over by a newer life of the task.",
                hint="Let only one daemon run the task.",
            )
        target.epoch = stream.epoch
        evolve(target, stream)
        if target.generation == stream.generation:
            return target.position
        target.generation, target.position, target.changes = stream.generation, stream.base, []
        return None

    async def held(self, target: TargetTable, owner: Owner) -> Held:
        """Return the latest load and where its stream stands."""
        found = self._data.targets.get(target.path)
        if found is None or (found.owner is not None and not _same(found.owner, owner)):
            return Held()
        return Held(
            load=found.loads[-1].load_id if found.loads else None,
            generation=found.generation,
            position=None if found.position is None else found.position.hex(),
        )

    async def place(self, stream: TableStream, position: bytes) -> None:
        """Set the position; changes beyond it were not applied, so to speak."""
        target = self._data.target(stream.target.path)
        require_ours(target, stream)
        most = position.hex()
        target.changes = [
            batch.filter(pc.less_equal(batch.column(LSN), most)) for batch in target.changes
        ]
        target.position = position

    @asynccontextmanager
    async def apply(self, stream: TableStream, window: ChangeWindow) -> AsyncIterator[ChangeWriter]:
        """Open a writer for one window; without `finish` nothing stays."""
        yield MemoryChangeWriter(self._data, stream, window)

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""


def _same(a: Owner, b: Owner) -> bool:
    return (a.installation, a.task_id) == (b.installation, b.task_id)


_: type[Destination] = MemoryDestination
_changes: type[ChangeDestination] = MemoryDestination
_positions: type[HoldsPositions] = MemoryDestination


def _refuse_older(holder: Owner | None, owner: Owner, target: TargetTable) -> None:
    if holder is not None and _same(holder, owner) and owner.epoch < holder.epoch:
        raise OwnershipLostError(
            f"{target} belongs to a later owner of the task (epoch {holder.epoch},"
            f" ours is {owner.epoch})."
        )
