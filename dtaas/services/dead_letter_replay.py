"""Sending rejected rows again once the steps, or the rows, are mended.

Rows of a full load are transformed as the task says now and appended to what the load left at the
target. Rows of a stream are old by now: those that pass are read again at the source by their key
and written with the table's next changes, so that nothing newer is overwritten.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
import structlog
from anyio import Lock, fail_after, move_on_after
from msgspec import Struct

from dtaas.concurrency.blocking import Blocking
from dtaas.engine.shaping.dead_letters import About, about_of, rewrite
from dtaas.engine.shaping.shapes import Shapes, source_columns
from dtaas.model.errors import ActionNotAllowedError, FatalError, TimedOutError
from dtaas.model.ids import ExecutionId, LoadId, TaskId
from dtaas.model.key_text import key_texts
from dtaas.model.load import Chunk, Owner, TableLoad, WriteMode, WriteOptions
from dtaas.model.ports import ConnectorRegistry, Destination
from dtaas.model.store_ports import ExecutionStore
from dtaas.model.task import Task, TaskMode
from dtaas.services.dead_letters import DeadLetterService
from dtaas.services.ports import TaskRunner
from dtaas.services.task_rules import UNDER_WAY
from dtaas.transforms.program import Program, Transformed

log = structlog.get_logger()
_LIMIT_S: Final = 300.0
_CLOSE_LIMIT_S: Final = 10.0


class ReplayedFile(Struct, frozen=True, kw_only=True):
    """What became of one file.

    Attributes:
        replayed: rows that pass now; a file all of whose rows were appended is gone.
        rejected: rows that are still rejected.
        outcome: `appended`, or `reading_again` for a stream, whose file stays until discarded.
    """

    file: str
    replayed: int
    rejected: int
    outcome: str


class DeadLetterReplay:
    """Sends rejected rows again. One call at a time: a file must not be appended twice."""

    def __init__(
        self,
        *,
        letters: DeadLetterService,
        states: ExecutionStore,
        registry: ConnectorRegistry,
        runner: TaskRunner,
    ) -> None:
        self._letters = letters
        self._states = states
        self._registry = registry
        self._runner = runner
        self._blocking = Blocking(1)
        self.turn = Lock()
        """Held while files are read and written: whoever else changes them takes it too."""

    async def replay(self, task_id: TaskId, files: Sequence[str]) -> tuple[ReplayedFile, ...]:
        """Send the rows of some files again.

        Raises:
            NotFoundError: no such task or file.
            ActionNotAllowedError: not in the state or mode the task is in.
            DtaasError: whatever the destination says; the rows stay where they are.
        """
        task = await self._states.task(task_id)
        paths = {file: await self._letters.path(task_id, file) for file in files}
        async with self.turn:
            if task.spec.mode is TaskMode.FULL_LOAD:
                return await self._append(task, paths)
            return tuple([await self._read_again(task, f, path) for f, path in paths.items()])

    async def _append(self, task: Task, paths: dict[str, Path]) -> tuple[ReplayedFile, ...]:
        if task.status in UNDER_WAY:
            raise ActionNotAllowedError(
                f"Task {task.spec.name!r} is {task.status}; what it loads now would be mixed with "
                "rows of an earlier load.",
                hint="Stop it first.",
            )
        source = await self._states.connector(task.spec.source_connector_id)
        connector = await self._states.connector(task.spec.destination_connector_id)
        destination = self._registry.destination(
            await self._registry.resolved(connector),
            task_name=task.spec.name,
            database=getattr(source.config, "database", ""),
        )
        try:
            with fail_after(_LIMIT_S):
                return tuple(
                    [await self._append_file(task, destination, f, p) for f, p in paths.items()]
                )
        except TimeoutError as exc:
            raise TimedOutError(
                f"Appending the rows took over {_LIMIT_S:g} s.", hint="Name fewer files."
            ) from exc
        finally:
            with move_on_after(_CLOSE_LIMIT_S, shield=True):
                await destination.aclose()

    async def _append_file(
        self, task: Task, destination: Destination, file: str, path: Path
    ) -> ReplayedFile:
        found = await self._blocking(_transformed, task, path)
        rows = found.result.batch.num_rows
        if rows:
            load = await self._load(task, destination, file, found)
            await destination.claim(load.target, load.owner)
            await destination.begin(load)
            async with destination.write(load, load.chunks[0]) as writer:
                await writer.write(found.result.batch)
                receipt = await writer.finish()
            await destination.commit(load, [receipt])
        left = found.rejected
        await self._blocking(_keep_rest, path, left)
        log.info("dead_letters_replayed", task_id=task.id, file=file, rows=rows, left=len(left))
        return ReplayedFile(file=file, replayed=rows, rejected=len(left), outcome="appended")

    async def _load(
        self, task: Task, destination: Destination, file: str, found: "_Found"
    ) -> TableLoad:
        """Return a load whose id follows from its rows: a replay cut short is not doubled."""
        table = found.program.source.table
        return TableLoad(
            load_id=LoadId(hashlib.sha256(f"{file}\0{found.digest}".encode()).hexdigest()[:32]),
            task_id=task.id,
            execution_id=ExecutionId(int(file.split(".", maxsplit=1)[0])),
            owner=Owner(
                installation=await self._states.installation(),
                task_id=task.id,
                task_name=task.spec.name,
            ),
            schema=found.program.output,
            target=destination.target_of(table, task.spec.mapped_target(table)),
            options=WriteOptions(
                format=task.spec.s3_file_format,
                mode=WriteMode.APPEND,
                partition_by=task.spec.mapping(table).partition_by,
                target_file_bytes=task.spec.file_bytes(table),
            ),
            chunks=(Chunk(index=0, expected_rows=found.result.batch.num_rows),),
        )

    async def _read_again(self, task: Task, file: str, path: Path) -> ReplayedFile:
        found = await self._blocking(_transformed, task, path)
        table, passing = found.program.source.table, found.passing
        try:
            source_columns(found.program, found.program.output.key)
        except FatalError as error:
            raise ActionNotAllowedError(error.detail, hint=error.hint) from error
        keys = [key_texts(found.rows.column(name)) for name in found.program.source.key]
        texts = list(zip(*keys, strict=True))
        wanted = [tuple(text or "" for text in texts[i]) for i in passing]
        if wanted and not self._runner.repair(task.id, table, wanted):
            raise ActionNotAllowedError(
                f"Table {table} does not stream now, so its rows cannot be read again.",
                hint="Start the task, or load the table anew.",
            )
        left = len(found.rejected)
        return ReplayedFile(file=file, replayed=len(wanted), rejected=left, outcome="reading_again")


class _Found(Struct, frozen=True, kw_only=True):
    """The rows of a file and what the task makes of them now.

    Attributes:
        passing: places of the rows that are not rejected any more.
        rejected: places of those that are.
        digest: of the file.
    """

    program: Program
    rows: pa.RecordBatch
    result: Transformed
    passing: tuple[int, ...]
    rejected: tuple[int, ...]
    digest: str


def _transformed(task: Task, path: Path) -> _Found:
    """Read a file and run the steps. Blocks."""
    about: About = about_of(path)
    shapes = Shapes(task.spec)
    program = shapes.program(shapes.shaped(about.table))
    table = pq.read_table(path).combine_chunks()
    whole = pa.RecordBatch.from_arrays(
        [
            table.column(column.name).combine_chunks()
            if table.num_rows
            else pa.nulls(0, table.schema.field(column.name).type)
            for column in program.source.columns
        ],
        names=[column.name for column in program.source.columns],
    )
    result = program.run(whole, tolerant=True)
    refused = () if result.rejected is None else tuple(map(int, result.rejected.places))
    again = frozenset(refused)
    return _Found(
        program=program,
        rows=whole,
        result=result,
        passing=tuple(i for i in range(whole.num_rows) if i not in again),
        rejected=refused,
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def _keep_rest(path: Path, places: Sequence[int]) -> None:
    """Leave only some rows of a file, none at all without any. Blocks."""
    if not places:
        path.unlink()
        return
    table = pq.read_table(path)
    if len(places) == table.num_rows:
        return
    rewrite(path, table.take(pa.array(places)))
